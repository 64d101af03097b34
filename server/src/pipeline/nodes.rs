//! A job as it was read from its znodes.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::cluster::{JobView, PhaseView, TaskState, TaskView};
use shared::job::{Job, Phase};
use shared::task::{Done, Lock, Outcome, Task};
use shared::timeline::{Span, Timeline};

/// A task with what lies below it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskNodes {
    /// Its record.
    pub task: Task,
    /// Its record's version.
    pub version: i32,
    /// Who holds it.
    pub lock: Option<Lock>,
    /// What it came to.
    pub done: Option<Done>,
}

impl TaskNodes {
    /// Whether it is struck out and waits for a strike to be given back.
    pub fn is_suspect(&self) -> bool {
        self.done.is_none() && self.lock.is_none() && self.task.is_struck_out()
    }

    /// How it stands.
    pub fn state(&self) -> TaskState {
        match (&self.done, &self.lock) {
            (Some(_), _) => TaskState::Done,
            (None, Some(_)) => TaskState::Running,
            (None, None) if self.is_suspect() => TaskState::Quarantined,
            (None, None) => TaskState::Waiting,
        }
    }
}

/// A job with its tasks, as far as their znodes exist.
#[derive(Debug, Clone, PartialEq)]
pub struct JobNodes {
    /// Its record.
    pub job: Job,
    /// Its record's version.
    pub version: i32,
    /// Tasks by phase and number.
    pub phases: BTreeMap<Phase, BTreeMap<u32, TaskNodes>>,
}

/// Who wrote an object that a job uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// A task, which is done.
    Task {
        /// Its phase.
        phase: Phase,
        /// Its number.
        index: u32,
    },
    /// The master, of the histograms.
    Reduce,
}

impl JobNodes {
    /// Tasks of a phase.
    pub fn tasks(&self, phase: Phase) -> impl Iterator<Item = &TaskNodes> {
        self.phases.get(&phase).into_iter().flat_map(BTreeMap::values)
    }

    /// How many tasks of a phase are done.
    pub fn done(&self, phase: Phase) -> u32 {
        u32::try_from(self.tasks(phase).filter(|task| task.done.is_some()).count()).unwrap_or(u32::MAX)
    }

    /// Whether the tasks of a phase have what they read: all phases before it are done.
    pub fn has_inputs(&self, phase: Phase) -> bool {
        let mut before = self.job.phases.iter().take_while(|before| **before != phase);
        let is_summed = match phase {
            Phase::Histograms => self.job.ranges.is_some() || !self.job.phases.contains(&Phase::Ranges),
            Phase::Equalize => self.job.lut.is_some(),
            _ => true,
        };
        is_summed && before.all(|before| self.done(*before) >= self.job.count(*before))
    }

    /// Whether nothing that a task found damaged is still in use.
    pub fn is_mended(&self, task: &Task) -> bool {
        task.damaged.iter().all(|key| self.producer(key).is_none())
    }

    /// Who wrote an object that the job uses.
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

    /// How long the work on the tasks that are done took together, each by the monotonic clock of the worker that did it:
    /// wall clocks are stepped. Waiting doesn't count, nor does a standstill of the whole array.
    pub fn worked(&self) -> Duration {
        let tasks = self.phases.values().flat_map(BTreeMap::values).filter_map(|task| task.done.as_ref());
        Duration::from_millis(tasks.filter_map(|done| done.worked_ms).sum())
    }

    /// Whether any task is locked. The commit deletes the lock: one that was read before the result that is there is gone.
    pub fn is_locked(&self) -> bool {
        self.phases.values().flat_map(BTreeMap::values).any(|task| task.lock.is_some() && task.done.is_none())
    }

    /// The job as pages show it.
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
    /// How its tasks went, as far as they came to an end.
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
        Timeline::new(self.phases.iter().flat_map(of_phase).collect())
    }
}

fn task_view(nodes: &TaskNodes) -> TaskView {
    let (lock, done) = (nodes.lock.as_ref(), nodes.done.as_ref());
    TaskView {
        index: nodes.task.index,
        state: nodes.state(),
        attempt: nodes.task.attempt,
        // The last claim's is none as long as it is worked on, and none if that was committed.
        strikes: nodes.task.strikes.len().saturating_sub(usize::from(lock.is_some() || done.is_some())),
        pod: done.map(|done| done.pod.clone()).or(lock.map(|lock| lock.pod.clone())),
        started: done.map(|done| done.started).or(lock.map(|lock| lock.since)),
        finished: done.map(|done| done.finished),
    }
}
