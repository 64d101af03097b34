//! The job state machine: a pure function from a job's znodes to its next step.
//!
//! The master calls [`step`] with the znodes that it has read, performs the one step returned, reads again, and so on.
//! No state is kept between two steps, so any master resumes a job that another one left half-done: a step that was
//! already performed is not returned again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::job::{Phase, Pointer, Progress};
use shared::task::{MAX_ATTEMPTS, Outcome};

use super::cause::{Cause, Strikes};
use super::nodes::{JobNodes, Producer, TaskNodes};

/// The next step of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the missing tasks of a phase.
    Create {
        /// The phase.
        phase: Phase,
        /// Indices of the tasks whose znodes don't exist.
        missing: Vec<u32>,
    },
    /// Sum the partial histograms and write the LUT; or merge the sample ranges.
    Reduce {
        /// The phase to reduce: [`Phase::Histograms`] or [`Phase::Ranges`].
        phase: Phase,
        /// The partial counts, in task order.
        histograms: Vec<Pointer>,
    },
    /// Discard outputs that workers found damaged in the store, so that their tasks run again.
    Redo {
        /// Producers of the damaged outputs.
        producers: Vec<Producer>,
    },
    /// Publish the result, then mark the job finished.
    Publish {
        /// The result file.
        result: Pointer,
    },
    /// Record the failure, then mark the job finished.
    Fail {
        /// Reason, as a sentence for the user.
        reason: String,
    },
    /// Delete the job's znodes, the job's own node last.
    Delete,
    /// Nothing to do until a znode changes: workers are busy.
    Wait,
    /// Like [`Step::Wait`], but these tasks are quarantined and unlocked. The job fails with the reason of a task that
    /// has been watched for so long that no pod remains that could give one of its strikes back.
    Suspect {
        /// The quarantined tasks.
        suspects: Vec<Suspect>,
    },
}

/// A quarantined task (all its strikes used up) that no worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Phase.
    pub phase: Phase,
    /// Task index.
    pub index: u32,
    /// Version of the task's record; it changes when a pod takes a strike back.
    pub version: i32,
    /// Why the job fails if no strike is given back: a sentence for the user.
    pub reason: String,
}

/// Returns the next step of a job.
pub fn step(nodes: &JobNodes) -> Step {
    if nodes.job.progress == Progress::Finished {
        // Don't break the lock: its worker's pod is alive and will release it, or its session ends and frees it.
        return if nodes.is_locked() { Step::Wait } else { Step::Delete };
    }
    if let Some(reason) = failure(nodes) {
        return Step::Fail { reason };
    }
    let producers = damaged(nodes);
    if !producers.is_empty() {
        return redo(nodes, producers);
    }
    for &phase in &nodes.job.phases {
        if nodes.done(phase) >= nodes.job.count(phase) {
            let is_summed = match phase {
                Phase::Ranges => nodes.job.ranges.is_some(),
                Phase::Histograms => nodes.job.lut.is_some(),
                _ => true,
            };
            if !is_summed {
                return Step::Reduce { phase, histograms: outputs(nodes, phase) };
            }
            continue;
        }
        let there = nodes.phases.get(&phase);
        let missing: Vec<u32> =
            (0..nodes.job.count(phase)).filter(|index| !there.is_some_and(|tasks| tasks.contains_key(index))).collect();
        return if missing.is_empty() { wait(nodes) } else { Step::Create { phase, missing } };
    }
    let last = nodes.job.phases.last().copied();
    match last.and_then(|phase| outputs(nodes, phase).into_iter().next()) {
        Some(result) => Step::Publish { result },
        None => Step::Fail { reason: Cause::NoResult.to_string() },
    }
}

/// Like [`step`], with a limit on the total working time of the job's tasks. A job that already has its result is
/// published even if it exceeded the limit.
pub fn step_within(limit: Duration, nodes: &JobNodes) -> Step {
    let worked = nodes.worked();
    match step(nodes) {
        Step::Create { .. } | Step::Reduce { .. } | Step::Redo { .. } | Step::Wait | Step::Suspect { .. }
            if nodes.job.progress == Progress::Active && worked > limit =>
        {
            Step::Fail { reason: Cause::Time { worked, limit }.to_string() }
        }
        next => next,
    }
}

/// Returns the outputs of a phase's finished tasks, in task order.
pub fn outputs(nodes: &JobNodes, phase: Phase) -> Vec<Pointer> {
    let pointer = |outcome: &Outcome| match outcome {
        Outcome::Stored(pointer) => Some(pointer.clone()),
        Outcome::Refused { .. } => None,
    };
    nodes.tasks(phase).filter_map(|task| task.done.as_ref()).filter_map(|done| pointer(&done.outcome)).collect()
}

/// Returns the producers of the outputs that unfinished tasks reported as damaged. An output that has been remade since
/// has another key and is not matched.
fn damaged(nodes: &JobNodes) -> Vec<Producer> {
    let waiting = nodes.phases.values().flat_map(BTreeMap::values).filter(|task| task.done.is_none());
    let keys: BTreeSet<&String> = waiting.flat_map(|task| &task.task.damaged).collect();
    keys.into_iter().filter_map(|key| nodes.producer(key)).collect()
}

/// Discards the outputs, or fails the job if the store keeps damaging them.
pub fn redo(nodes: &JobNodes, producers: Vec<Producer>) -> Step {
    let attempts = |producer: &Producer| match producer {
        Producer::Task { phase, index } => Some((*phase, nodes.phases.get(phase)?.get(index)?)),
        Producer::Reduce => None,
    };
    let hopeless = producers.iter().filter_map(attempts).find(|(_, task)| task.task.attempt >= MAX_ATTEMPTS);
    match hopeless {
        Some((phase, TaskNodes { task, .. })) => {
            let cause = Cause::Damaged { phase, index: task.index, attempts: task.attempt };
            Step::Fail { reason: cause.to_string() }
        }
        None => Step::Redo { producers },
    }
}

/// Nothing to do until a task changes.
fn wait(nodes: &JobNodes) -> Step {
    let tasks = nodes.phases.iter().flat_map(|(phase, tasks)| tasks.values().map(move |task| (*phase, task)));
    let suspects: Vec<Suspect> =
        tasks.filter(|(_, task)| task.is_suspect()).map(|(phase, task)| suspect(phase, task)).collect();
    if suspects.is_empty() { Step::Wait } else { Step::Suspect { suspects } }
}

fn suspect(phase: Phase, nodes: &TaskNodes) -> Suspect {
    let TaskNodes { task, version, .. } = nodes;
    let reason = Cause::StruckOut(Strikes::of(phase, task)).to_string();
    Suspect { phase, index: task.index, version: *version, reason }
}

/// Returns why the job can't continue, if it can't.
fn failure(nodes: &JobNodes) -> Option<String> {
    for (&phase, task) in nodes.phases.iter().flat_map(|(phase, tasks)| tasks.values().map(move |task| (phase, task))) {
        if let Some(Outcome::Refused { reason }) = task.done.as_ref().map(|done| &done.outcome) {
            return Some(Cause::Image(reason.clone()).to_string());
        }
        if task.done.is_some() || task.lock.is_some() {
            continue;
        }
        if let Some(trouble) = task.task.trouble.as_deref().filter(|_| task.task.is_given_up()) {
            let (index, attempts) = (task.task.index, task.task.attempt);
            return Some(Cause::Attempts { phase, index, attempts, trouble: trouble.to_owned() }.to_string());
        }
    }
    None
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
