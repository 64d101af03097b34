//! Joins the pieces of one log that several connections brought, without loss and without repetition.
//!
//! The API takes the time to begin at in whole seconds. So each connection begins at the second of the last line, and
//! what comes of that second again is left out: a line is told by its time, to the nanosecond, and its place among the lines
//! of that time. The order of a log never changes, so the same line has the same id in every connection, and for every
//! reader.

use std::collections::{HashSet, VecDeque};

use shared::log::LogId;

/// Ids that are remembered. More lines than that within the last second before a break would come twice.
const REMEMBERED: usize = 4_096;
const SECOND: i64 = 1_000_000_000;

#[derive(Default)]
pub(super) struct Join {
    /// The last lines of all connections, in their order.
    recent: VecDeque<LogId>,
    /// Those of them that this connection may bring again.
    expected: HashSet<LogId>,
    /// The last line of this connection.
    last: Option<LogId>,
}

impl Join {
    /// Where a new connection must begin, in whole seconds since 1970; `None` before the first line.
    pub(super) fn since(&self) -> Option<i64> {
        // The last that came, not the latest: a machine's clock may be set back.
        self.recent.back().map(|last| last.at.div_euclid(SECOND))
    }

    /// The time of the last line, in ns since 1970.
    pub(super) fn last(&self) -> Option<i64> {
        self.recent.back().map(|last| last.at)
    }

    /// A new connection begins, at [`Join::since`].
    pub(super) fn begin(&mut self) {
        let since = self.since().unwrap_or(i64::MIN / SECOND) * SECOND;
        self.expected = self.recent.iter().filter(|id| id.at >= since).copied().collect();
        self.last = None;
    }

    /// The id of the connection's next line, of this time; `None` if it came before.
    pub(super) fn take(&mut self, at: i64) -> Option<LogId> {
        let nth = self.last.filter(|last| last.at == at).map_or(0, |last| last.nth + 1);
        let id = LogId { at, nth };
        self.last = Some(id);
        if self.expected.remove(&id) {
            return None;
        }
        self.recent.push_back(id);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_front();
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    /// What comes of a log that is read from `since` and breaks off after so many lines.
    fn connect(join: &mut Join, log: &[i64], lines: usize) -> Vec<LogId> {
        let since = join.since().map(|second| second * SECOND);
        join.begin();
        let from_there = log.iter().filter(|at| since.is_none_or(|since| **at >= since));
        from_there.take(lines).filter_map(|at| join.take(*at)).collect()
    }

    proptest! {
        /// Times within a few seconds, many of them equal, not even in order (two streams of one container).
        #[test]
        fn a_log_read_in_pieces_is_the_log(
            log in prop::collection::vec((0..40_i64).prop_map(|tenth| tenth * SECOND / 10), 1..120),
            breaks in prop::collection::vec(0..60_usize, 0..20),
        ) {
            let mut log = log;
            log.sort_unstable();
            let mut join = Join::default();
            let mut read = Vec::new();
            for lines in breaks.into_iter().chain([usize::MAX]) {
                read.extend(connect(&mut join, &log, lines));
            }
            let times: Vec<i64> = read.iter().map(|id| id.at).collect();
            prop_assert_eq!(times, log);
            let distinct: HashSet<LogId> = read.iter().copied().collect();
            prop_assert_eq!(distinct.len(), read.len());
        }
    }

    #[test]
    fn a_clock_that_is_set_back_costs_no_line() {
        let mut join = Join::default();
        connect(&mut join, &[90 * SECOND, 91 * SECOND], 9);
        // Within the connection the clock is set back by a minute, and then the connection breaks.
        assert!(join.take(31 * SECOND).is_some());
        assert_eq!(join.since(), Some(31));
        let again = connect(&mut join, &[31 * SECOND, 32 * SECOND], 9);
        assert_eq!(again, [LogId { at: 32 * SECOND, nth: 0 }]);
    }
}
