//! A job as read from its znodes.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::cluster::{JobView, PhaseView, TaskState, TaskView};
use shared::job::{Job, Keeping, Phase};
use shared::task::{Done, Lock, Outcome, Task};
use shared::timeline::{Span, Timeline};

/// A task with its child znodes.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskNodes {
    /// Task record.
    pub task: Task,
    /// Version of the record.
    pub version: i32,
    /// Current lock holder.
    pub lock: Option<Lock>,
    /// Result, if any.
    pub done: Option<Done>,
}

impl TaskNodes {
    /// Returns whether the task is quarantined: out of strikes and unlocked, until a strike is given back.
    pub fn is_suspect(&self) -> bool {
        self.done.is_none() && self.lock.is_none() && self.task.is_struck_out()
    }

    /// Returns the task's state.
    pub fn state(&self) -> TaskState {
        match (&self.done, &self.lock) {
            (Some(_), _) => TaskState::Done,
            (None, Some(_)) => TaskState::Running,
            (None, None) if self.is_suspect() => TaskState::Quarantined,
            (None, None) => TaskState::Waiting,
        }
    }
}

/// A job with those of its tasks whose znodes exist.
#[derive(Debug, Clone, PartialEq)]
pub struct JobNodes {
    /// Job record.
    pub job: Job,
    /// Version of the record.
    pub version: i32,
    /// Tasks by phase and index.
    pub phases: BTreeMap<Phase, BTreeMap<u32, TaskNodes>>,
}

/// Producer of an object that a job uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// A finished task.
    Task {
        /// Phase.
        phase: Phase,
        /// Task index.
        index: u32,
    },
    /// The master, which reduces the histograms.
    Reduce,
}

impl JobNodes {
    /// Returns the tasks of a phase.
    pub fn tasks(&self, phase: Phase) -> impl Iterator<Item = &TaskNodes> {
        self.phases.get(&phase).into_iter().flat_map(BTreeMap::values)
    }

    /// Returns the number of finished tasks in a phase.
    pub fn done(&self, phase: Phase) -> u32 {
        u32::try_from(self.tasks(phase).filter(|task| task.done.is_some()).count()).unwrap_or(u32::MAX)
    }

    /// Returns whether the inputs of a phase are complete: all phases before it are done and reduced.
    pub fn has_inputs(&self, phase: Phase) -> bool {
        let mut before = self.job.phases.iter().take_while(|before| **before != phase);
        let is_summed = match phase {
            Phase::Histograms => self.job.ranges.is_some() || !self.job.phases.contains(&Phase::Ranges),
            Phase::Equalize => self.job.lut.is_some(),
            _ => true,
        };
        is_summed && before.all(|before| self.done(*before) >= self.job.count(*before))
    }

    /// Returns whether no object that the task found damaged is still in use.
    pub fn is_mended(&self, task: &Task) -> bool {
        task.damaged.iter().all(|key| self.producer(key).is_none())
    }

    /// Returns the producer of an object, if the job uses it.
    pub fn producer(&self, key: &str) -> Option<Producer> {
        if self.job.lut.as_ref().is_some_and(|lut| lut.key == key) {
            return Some(Producer::Reduce);
        }
        let wrote = |task: &TaskNodes| matches!(&task.done, Some(Done { outcome: Outcome::Stored(pointer), .. }) if pointer.key == key);
        self.phases.iter().find_map(|(phase, tasks)| {
            let (index, _) = tasks.iter().find(|(_, task)| wrote(task))?;
            Some(Producer::Task { phase: *phase, index: *index })
        })
    }

    /// Returns the total working time of the finished tasks, each measured by its worker's monotonic clock, since wall
    /// clocks can be stepped. Waiting and a standstill of the whole array don't count.
    pub fn worked(&self) -> Duration {
        let tasks = self.phases.values().flat_map(BTreeMap::values).filter_map(|task| task.done.as_ref());
        Duration::from_millis(tasks.filter_map(|done| done.worked_ms).sum())
    }

    /// Returns whether any task is locked. A commit deletes the lock, so a lock that was read before the task's result
    /// is already gone.
    pub fn is_locked(&self) -> bool {
        self.phases.values().flat_map(BTreeMap::values).any(|task| task.lock.is_some() && task.done.is_none())
    }

    /// Returns the job as pages show it.
    pub fn view(&self) -> JobView {
        let phases = self.job.phases.iter().map(|&phase| PhaseView {
            phase,
            done: self.done(phase),
            total: self.job.count(phase),
            tasks: self.tasks(phase).map(task_view).collect(),
        });
        JobView {
            job: self.job.job.clone(),
            image: self.job.image.clone(),
            lane: self.job.lane,
            epoch: self.job.epoch,
            started: self.job.started,
            phases: phases.collect(),
        }
    }
}

impl JobNodes {
    /// Returns the timeline of the tasks that have ended.
    pub fn timeline(&self) -> Timeline {
        let span = |phase: Phase, index: u32, done: &Done| Span {
            pod: done.pod.clone(),
            phase,
            index,
            attempt: done.attempt,
            started: done.started,
            finished: done.finished,
            bytes: match &done.outcome {
                Outcome::Stored(pointer) => pointer.bytes,
                Outcome::Refused { .. } => 0,
            },
        };
        let of_phase = |(phase, tasks): (&Phase, &BTreeMap<u32, TaskNodes>)| {
            let ended = tasks.iter().filter_map(|(index, task)| Some(span(*phase, *index, task.done.as_ref()?)));
            ended.collect::<Vec<_>>()
        };
        let done = self.phases.values().flat_map(BTreeMap::values).filter_map(|task| task.done.as_ref());
        let of_tasks = done.filter_map(|done| match &done.outcome {
            Outcome::Stored(pointer) => Some(&pointer.notes),
            Outcome::Refused { .. } => None,
        });
        let notes = of_tasks.flatten().chain(&self.job.notes).cloned();
        let timeline = Timeline::new(self.phases.iter().flat_map(of_phase).collect());
        Timeline { notes: Keeping::of_changes(notes).changed, ..timeline }
    }
}

fn task_view(nodes: &TaskNodes) -> TaskView {
    let (lock, done) = (nodes.lock.as_ref(), nodes.done.as_ref());
    TaskView {
        index: nodes.task.index,
        state: nodes.state(),
        attempt: nodes.task.attempt,
        // The strike of the last claim doesn't count while the claim is being worked on, nor if it was committed.
        strikes: nodes.task.strikes.len().saturating_sub(usize::from(lock.is_some() || done.is_some())),
        pod: done.map(|done| done.pod.clone()).or(lock.map(|lock| lock.pod.clone())),
        started: done.map(|done| done.started).or(lock.map(|lock| lock.since)),
        finished: done.map(|done| done.finished),
    }
}
