//! Lamport clocks: a causal order of events that doesn't depend on the machines' wall clocks.
//!
//! Source: L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", CACM 21(7), 1978, rules IR1 and IR2.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::id::PodName;

/// A pod's logical clock; it never goes backwards.
#[derive(Debug, Default)]
pub struct Clock(AtomicU64);

impl Clock {
    /// Creates a clock at zero.
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// IR1: advances the clock by one for a local event and returns the event's time.
    pub fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// IR2: advances the clock past another pod's stamp and returns the new time.
    pub fn observe(&self, seen: u64) -> u64 {
        let before = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| Some(now.max(seen) + 1));
        before.unwrap_or_else(|now| now).max(seen) + 1
    }

    /// Makes all later events of this clock come after a record with this stamp. A stamp that isn't ahead of the clock (an own
    /// or an old one) changes nothing.
    pub fn read(&self, seen: u64) {
        if seen > self.now() {
            self.observe(seen);
        }
    }

    /// Returns the time of the last event without advancing the clock.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Lamport stamp. Sorting by `(clock, pod)` never puts an effect before its cause.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Lamport time.
    pub clock: u64,
    /// The pod whose clock issued the stamp.
    pub pod: PodName,
}

/// When an event happened: a stamp to sort by and a wall-clock time to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Lamport stamp.
    pub stamp: Stamp,
    /// The pod's wall clock, in ms since 1970; for display only, never a sort key.
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
