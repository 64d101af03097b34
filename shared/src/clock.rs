//! Lamport clocks: an order of events that no machine's wall clock can upset.
//!
//! Source: L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System",
//! CACM 21(7), 1978, rules IR1 and IR2.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::id::PodName;

/// One pod's logical clock. It only moves forward.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// A clock at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// IR1: an event of this pod happens; its time is one more than all before it.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// IR2: another pod's stamp was read; this clock moves past it.
    pub fn observe(&self, seen: u64) -> u64 {
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.max(seen) + 1));
        before.unwrap_or_else(|now| now).max(seen) + 1
    }

    /// A record with this stamp was read: all later events of this clock come after it. Reading one's own stamps again, or
    /// those of the past, moves nothing.
    pub fn read(&self, seen: u64) {
        if seen > self.now() {
            self.observe(seen);
        }
    }

    /// The time of the last event, without making one.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// When something happened: sort by `(clock, pod)` and no cause stands after its effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Lamport time.
    pub clock: u64,
    /// The pod whose clock it was.
    pub pod: PodName,
}

/// When something happened, for the order and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Lamport time, and the pod whose clock it was.
    pub stamp: Stamp,
    /// That pod's wall clock, in ms since 1970; shown, never sorted by.
    pub at: i64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_effect_is_later_than_its_cause_however_slow_its_pods_clock() {
        let (fast, slow) = (Clock::new(), Clock::new());
        let cause = (0..100).map(|_| fast.tick()).last().unwrap();
        let read = slow.observe(cause);
        let effect = slow.tick();
        assert!(cause < read && read < effect);
    }

    #[test]
    fn an_old_stamp_never_turns_the_clock_back() {
        let clock = Clock::new();
        let before = (0..9).map(|_| clock.tick()).last().unwrap();
        assert!(clock.observe(2) > before);
    }
}
