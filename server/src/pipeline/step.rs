//! What a job needs next: a pure function of what was read.
//!
//! The master calls [`step`] with whatever it finds in the znodes, does the one thing that it names, reads again, and
//! so on. Nothing else is remembered between two steps, so any master resumes any other's half-done job: a step that
//! was taken already is simply not named again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::job::{Phase, Pointer, Progress};
use shared::task::{MAX_ATTEMPTS, Outcome};

use super::cause::{Cause, Strikes};
use super::nodes::{JobNodes, Producer, TaskNodes};

/// The one thing that a job needs next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create a phase's missing tasks.
    Create {
        /// The phase.
        phase: Phase,
        /// Numbers of the tasks whose znodes don't exist.
        missing: Vec<u32>,
    },
    /// Sum the partial histograms and write the look-up table; or sum the ranges.
    Reduce {
        /// What was counted: [`Phase::Histograms`] or [`Phase::Ranges`].
        phase: Phase,
        /// Where the partial counts lie, by task.
        histograms: Vec<Pointer>,
    },
    /// Take back outputs that workers found damaged in the store, so that they are made anew.
    Redo {
        /// Who made them.
        producers: Vec<Producer>,
    },
    /// Publish the result, then finish.
    Publish {
        /// The result file.
        result: Pointer,
    },
    /// Record the failure, then finish.
    Fail {
        /// A sentence for the person.
        reason: String,
    },
    /// Delete the znodes, the job's own last.
    Delete,
    /// Workers are at it; look again when something changes.
    Wait,
    /// As [`Step::Wait`], but these tasks are struck out and nobody holds them. The job is to fail with the reason of
    /// one that has been watched for so long that no pod is left to give a strike of it back.
    Suspect {
        /// The tasks, by phase and number.
        suspects: Vec<Suspect>,
    },
}

/// A task that is struck out and that nobody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspect {
    /// Its phase.
    pub phase: Phase,
    /// Its number.
    pub index: u32,
    /// Its record's version: another one means that somebody gave a strike back.
    pub version: i32,
    /// Why the job fails if nobody does: a sentence for the person.
    pub reason: String,
}

/// What the job needs next.
pub fn step(nodes: &JobNodes) -> Step {
    if nodes.job.progress == Progress::Finished {
        // A worker that holds a lock is left to end by itself: its pod lives, or its session's end frees the lock.
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

/// As [`step`], of a job whose tasks may take so long together. One that has its result is published all the same.
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

/// Where the outputs of a phase's finished tasks lie, by task.
pub fn outputs(nodes: &JobNodes, phase: Phase) -> Vec<Pointer> {
    let pointer = |outcome: &Outcome| match outcome {
        Outcome::Stored(pointer) => Some(pointer.clone()),
        Outcome::Refused { .. } => None,
    };
    nodes.tasks(phase).filter_map(|task| task.done.as_ref()).filter_map(|done| pointer(&done.outcome)).collect()
}

/// Who made what workers found damaged. What was made anew since has another key.
fn damaged(nodes: &JobNodes) -> Vec<Producer> {
    let waiting = nodes.phases.values().flat_map(BTreeMap::values).filter(|task| task.done.is_none());
    let keys: BTreeSet<&String> = waiting.flat_map(|task| &task.task.damaged).collect();
    keys.into_iter().filter_map(|key| nodes.producer(key)).collect()
}

/// Takes outputs back, or gives up on a store that damages them again and again.
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

/// Nothing is left to do until a task changes.
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

/// Why the job can't go on, if so.
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
