//! A task: the part of a phase that one worker does at a time, and its records in znodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Moment, Stamp};
use crate::id::PodName;
use crate::job::{Phase, Pointer};

/// After so many claims that ended neither in a commit nor in a release, a task is nobody's to claim.
pub const MAX_STRIKES: usize = 3;

/// A task whose attempt of this number failed is nobody's to claim either.
pub const MAX_ATTEMPTS: u32 = 12;

/// The record of the znode `/jobs/<job>/<phase>/task_<i>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Version of the writer's records.
    pub v: u32,
    /// What to do.
    pub phase: Phase,
    /// Which task of the phase.
    pub index: u32,
    /// The parts it covers: `first..first + count`.
    pub first_part: u32,
    /// How many parts it covers.
    pub parts: u32,
    /// How often it was claimed.
    pub attempt: u32,
    /// Claims (their uuids) that have ended neither in a commit nor in a release, oldest first; the one that is being
    /// worked on is among them. Never more than [`MAX_STRIKES`].
    pub strikes: Vec<String>,
    /// How claims ended that were released and left their strike; of the other strikes, the pod was gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<String, StrikeEnd>,
    /// Why the last attempt was released, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Keys of outputs of other tasks that the last attempt found damaged in the store: whoever wrote them does it again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// The last claim. A worker of an older version doesn't write it: then its number isn't `attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// The last claim that ended without a result, with the moment at which that was established: by its pod, which
    /// released it, or by the pod that found the lock gone and claimed next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed: Option<Claimed>,
    /// When it was written, Lamport.
    pub stamp: Stamp,
    /// Fields of a later version, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A claim of a task, as an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Which attempt it was.
    pub attempt: u32,
    /// Who made it.
    pub pod: PodName,
    /// When it was made, or when it was known to be over.
    pub when: Moment,
}

impl Task {
    /// Whether so many claims came to nothing that nobody may claim it any more, unless one of them is given back.
    pub fn is_struck_out(&self) -> bool {
        self.strikes.len() >= MAX_STRIKES
    }

    /// Whether so many attempts were made, and the last one failed, that nobody may claim it any more.
    pub fn is_given_up(&self) -> bool {
        self.attempt >= MAX_ATTEMPTS && self.trouble.is_some()
    }

    /// Notes that the last claim's lock vanished with its session, unless its end is noted already. For whoever claims the
    /// task next: that pod has read that the lock is gone, and of several that try, one writes the record.
    pub fn note_lapse(&mut self, now: impl FnOnce() -> Moment) {
        let noted = self.freed.as_ref().map(|freed| freed.attempt);
        let open = |last: &&Claimed| last.attempt == self.attempt && noted != Some(last.attempt);
        if let Some(last) = self.claimed.as_ref().filter(open) {
            self.freed = Some(Claimed { when: now(), ..last.clone() });
        }
    }

    /// Takes a claim's strike away; `false` if there is none (any more). Repeating changes nothing.
    pub fn give_back(&mut self, claim: &str) -> bool {
        let before = self.strikes.len();
        self.strikes.retain(|strike| strike != claim);
        self.ends.remove(claim);
        self.strikes.len() < before
    }
}

/// How an attempt ended that was released and left its strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrikeEnd {
    /// The work panicked.
    Crashed,
    /// It took longer than a task may.
    Overran,
}

/// The record of the ephemeral znode `…/lock`: who holds the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Version of the writer's records.
    pub v: u32,
    /// The holder.
    pub pod: PodName,
    /// This claim alone; part of the key of what it writes.
    pub claim: String,
    /// When the claim was made, in ms since 1970.
    pub since: i64,
    /// When it was written, Lamport.
    pub stamp: Stamp,
}

/// The record of the znode `…/done`: what the task came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Version of the writer's records.
    pub v: u32,
    /// Who did it.
    pub pod: PodName,
    /// At which attempt.
    pub attempt: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// When the claim was made, in ms since 1970.
    pub started: i64,
    /// When the work was finished, in ms since 1970.
    pub finished: i64,
    /// How long the work took, in ms by the worker's monotonic clock; `None` from a worker that doesn't measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_ms: Option<u64>,
    /// When it was written, Lamport.
    pub stamp: Stamp,
}

/// What a task came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Outcome {
    /// Its output lies in the store.
    Stored(Pointer),
    /// The image itself is at fault (truncated, corrupt, too large): repeating can't help, so the job fails.
    Refused {
        /// A sentence for the person.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn moment(pod: &str, clock: u64) -> Moment {
        Moment { stamp: Stamp { clock, pod: pod.parse().unwrap() }, at: 0 }
    }

    fn claimed(attempt: u32, pod: &str, clock: u64) -> Claimed {
        Claimed { attempt, pod: pod.parse().unwrap(), when: moment(pod, clock) }
    }

    fn task(attempt: u32, claimed: Option<Claimed>, freed: Option<Claimed>) -> Task {
        let record = r#"{"v":1,"phase":"split","index":0,"first_part":0,"parts":1,"attempt":0,"strikes":[],
            "stamp":{"clock":1,"pod":"a"}}"#;
        Task { attempt, claimed, freed, ..serde_json::from_str(record).unwrap() }
    }

    fn lapse(mut task: Task) -> Option<Claimed> {
        task.note_lapse(|| moment("b", 9));
        task.freed
    }

    #[test]
    fn a_lapse_is_stamped_by_the_next_claimer() {
        let expected = Claimed { when: moment("b", 9), ..claimed(2, "a", 5) };
        assert_eq!(lapse(task(2, Some(claimed(2, "a", 5)), Some(claimed(1, "c", 3)))), Some(expected));
    }

    #[test]
    fn a_released_claim_does_not_lapse() {
        let released = Some(claimed(2, "a", 7));
        assert_eq!(lapse(task(2, Some(claimed(2, "a", 5)), released.clone())), released);
    }

    #[test]
    fn a_claim_of_an_older_version_is_not_taken_for_the_one_before() {
        assert_eq!(lapse(task(0, None, None)), None);
        assert_eq!(lapse(task(3, Some(claimed(2, "a", 5)), None)), None);
    }
}
