//! Tasks: the units of work that workers claim, and their znode records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::{Moment, Stamp};
use crate::id::PodName;
use crate::job::{Phase, Pointer};

/// Number of strikes at which a task is quarantined. A strike is a claim whose process died, or whose work panicked or overran
/// its time.
pub const MAX_STRIKES: usize = 3;

/// Number of attempts after which a task that failed again may not be claimed any more.
pub const MAX_ATTEMPTS: u32 = 12;

/// Record of the znode `/jobs/<job>/<phase>/task_<i>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Record version of the writer.
    pub v: u32,
    /// Phase of the task.
    pub phase: Phase,
    /// Index of the task within its phase.
    pub index: u32,
    /// First part: the task covers `first_part..first_part + parts`.
    pub first_part: u32,
    /// Number of parts.
    pub parts: u32,
    /// Number of claims so far.
    pub attempt: u32,
    /// Strikes: UUIDs of claims, oldest first. A claim is recorded here when it is made, and removed when it is released without
    /// a strike. Never more than [`MAX_STRIKES`].
    pub strikes: Vec<String>,
    /// For strikes of released claims, how the attempt ended. Strikes without an entry are of pods that died.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ends: BTreeMap<String, StrikeEnd>,
    /// Why the last attempt was released, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Keys of other tasks' outputs that the last attempt found damaged in the store; the tasks that wrote them are repeated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<String>,
    /// The last claim. Workers of older versions don't write it; its number then differs from `attempt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// The last claim that ended without a result. Its moment is that of the release by its pod, or of the discovery that the
    /// lock is gone by the pod that claimed next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freed: Option<Claimed>,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
    /// Fields of a later version, preserved as read.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Beginning or end of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Attempt number of the claim.
    pub attempt: u32,
    /// The pod that made the claim.
    pub pod: PodName,
    /// When the claim was made, or when it was known to be over.
    pub when: Moment,
}

impl Task {
    /// Whether the task is quarantined: it has [`MAX_STRIKES`] strikes, so no worker may claim it unless one is given back.
    pub fn is_struck_out(&self) -> bool {
        self.strikes.len() >= MAX_STRIKES
    }

    /// Whether the last of [`MAX_ATTEMPTS`] attempts failed, so that no worker may claim the task any more.
    pub fn is_given_up(&self) -> bool {
        self.attempt >= MAX_ATTEMPTS && self.trouble.is_some()
    }

    /// Records the end of the last claim if its lock vanished with its session and the end isn't recorded yet. Called by the
    /// pod that claims the task next, which has read that the lock is gone; of several pods that try, only one gets to write
    /// the record.
    pub fn note_lapse(&mut self, now: impl FnOnce() -> Moment) {
        let noted = self.freed.as_ref().map(|freed| freed.attempt);
        let open = |last: &&Claimed| last.attempt == self.attempt && noted != Some(last.attempt);
        if let Some(last) = self.claimed.as_ref().filter(open) {
            self.freed = Some(Claimed { when: now(), ..last.clone() });
        }
    }

    /// Removes a claim's strike. Returns `false` if there is no such strike (any more). Idempotent.
    pub fn give_back(&mut self, claim: &str) -> bool {
        let before = self.strikes.len();
        self.strikes.retain(|strike| strike != claim);
        self.ends.remove(claim);
        self.strikes.len() < before
    }
}

/// How an attempt ended that was released but keeps its strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StrikeEnd {
    /// The work panicked.
    Crashed,
    /// It exceeded a task's time limit.
    Overran,
}

/// Record of the ephemeral znode `…/lock`: the holder of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Record version of the writer.
    pub v: u32,
    /// The holder.
    pub pod: PodName,
    /// UUID of this claim; part of the keys of what it writes.
    pub claim: String,
    /// When the claim was made, in ms since 1970.
    pub since: i64,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
}

/// Record of the znode `…/done`: the outcome of the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Record version of the writer.
    pub v: u32,
    /// The worker that did the task.
    pub pod: PodName,
    /// Attempt number.
    pub attempt: u32,
    /// Result or refusal.
    pub outcome: Outcome,
    /// When the claim was made, in ms since 1970.
    pub started: i64,
    /// When the work was finished, in ms since 1970.
    pub finished: i64,
    /// Duration of the work in ms by the worker's monotonic clock; `None` if the worker doesn't measure it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worked_ms: Option<u64>,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
}

/// Outcome of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Outcome {
    /// Output in the store.
    Stored(Pointer),
    /// The image itself is at fault (truncated, corrupt, too large). Retrying can't help, so the job fails.
    Refused {
        /// Reason, as a sentence for the user.
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
