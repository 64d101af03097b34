//! The vigil: watches a struck-out task for a grace period before its job fails.
//!
//! Its strikes may be due to a network failure: pods that survived it come back with new sessions and give the strikes back. A
//! pod knows after at most 7/5 of the timeout that it lost its session, and needs a moment to join again. After two timeouts
//! during which this session was connected and nothing changed, no pod is left that could give a strike back.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::job::step::Suspect;
use shared::job::Phase;
use tokio::time::Instant;

/// Length of the grace period, in session timeouts.
const GRACE_TIMEOUTS: u32 = 2;

/// Since when each suspect has been watched without interruption.
pub(super) struct Vigil {
    grace: Duration,
    since: BTreeMap<(Phase, u32, i32), Instant>,
}

/// Result of a check.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Watch until this time.
    Watch(Instant),
    /// The grace period of this suspect is over.
    Over(Suspect),
}

impl Vigil {
    /// Creates a vigil whose grace period follows from the negotiated session timeout.
    pub(super) fn new(session_timeout: Duration) -> Self {
        Self { grace: session_timeout * GRACE_TIMEOUTS, since: BTreeMap::new() }
    }

    /// Restarts all grace periods, because the connection was lost or nothing is suspect.
    pub(super) fn interrupt(&mut self) {
        self.since.clear();
    }

    /// Checks the suspects at time `now`. A task at another version is another suspect.
    pub(super) fn watch(&mut self, suspects: &[Suspect], now: Instant) -> Verdict {
        let id = |suspect: &Suspect| (suspect.phase, suspect.index, suspect.version);
        self.since.retain(|watched, _| suspects.iter().any(|suspect| id(suspect) == *watched));
        let mut next = now + self.grace;
        for suspect in suspects {
            let over = *self.since.entry(id(suspect)).or_insert(now) + self.grace;
            if over <= now {
                return Verdict::Over(suspect.clone());
            }
            next = next.min(over);
        }
        Verdict::Watch(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(4);

    fn suspect(index: u32, version: i32) -> Suspect {
        Suspect { phase: Phase::Histograms, index, version, reason: format!("task {index}") }
    }

    #[test]
    fn a_suspect_is_watched_for_two_session_timeouts() {
        let (mut vigil, begun) = (Vigil::new(TIMEOUT), Instant::now());
        assert_eq!(vigil.watch(&[suspect(1, 7)], begun), Verdict::Watch(begun + TIMEOUT * 2));
        let late = begun + TIMEOUT;
        assert_eq!(vigil.watch(&[suspect(1, 7), suspect(2, 1)], late), Verdict::Watch(begun + TIMEOUT * 2));
        let over = begun + TIMEOUT * 2;
        assert_eq!(vigil.watch(&[suspect(2, 1), suspect(1, 7)], over), Verdict::Over(suspect(1, 7)));
    }

    #[test]
    fn a_suspect_that_changed_or_was_out_of_sight_is_watched_anew() {
        let (mut vigil, begun) = (Vigil::new(TIMEOUT), Instant::now());
        vigil.watch(&[suspect(1, 7)], begun);
        let over = begun + TIMEOUT * 2;
        assert_eq!(vigil.watch(&[suspect(1, 9)], over), Verdict::Watch(over + TIMEOUT * 2));
        vigil.interrupt();
        assert_eq!(vigil.watch(&[suspect(1, 9)], over + TIMEOUT), Verdict::Watch(over + TIMEOUT * 3));
        vigil.watch(&[], over + TIMEOUT * 2);
        assert_eq!(vigil.watch(&[suspect(1, 9)], over + TIMEOUT * 9), Verdict::Watch(over + TIMEOUT * 11));
    }
}
