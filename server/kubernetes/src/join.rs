//! Joins the pieces of one log that came through several connections, without loss or repetition.
//!
//! The API accepts the start time only in whole seconds. So each connection starts at the second of the last line, and lines of
//! that second that were read before are skipped. A line is identified by its time, in nanoseconds, and its index among the
//! lines of that time. The order of a log never changes, so a line has the same id in every connection and for every reader.

use std::collections::{HashSet, VecDeque};

use shared::log::LogId;

/// Number of remembered ids. If more lines than this fall into the last second before a break, some are repeated.
const REMEMBERED: usize = 4_096;
const SECOND: i64 = 1_000_000_000;

#[derive(Default)]
pub(super) struct Join {
    /// The last lines of all connections, in order.
    recent: VecDeque<LogId>,
    /// Lines in `recent` that the current connection may deliver again.
    expected: HashSet<LogId>,
    /// The last line of the current connection.
    last: Option<LogId>,
}

impl Join {
    /// Returns where a new connection must start, in whole seconds since 1970; `None` before the first line.
    pub(super) fn since(&self) -> Option<i64> {
        // The last line received, not the latest: a machine's clock may be set back.
        self.recent.back().map(|last| last.at.div_euclid(SECOND))
    }

    /// Returns the time of the last line, in ns since 1970.
    pub(super) fn last(&self) -> Option<i64> {
        self.recent.back().map(|last| last.at)
    }

    /// Starts a new connection, at [`Join::since`].
    pub(super) fn begin(&mut self) {
        let since = self.since().unwrap_or(i64::MIN / SECOND) * SECOND;
        self.expected = self.recent.iter().filter(|id| id.at >= since).copied().collect();
        self.last = None;
    }

    /// Returns the id of the connection's next line, given its time; `None` if the line was read before.
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

    /// Reads the log from `since`, with a connection that breaks after `lines` lines.
    fn connect(join: &mut Join, log: &[i64], lines: usize) -> Vec<LogId> {
        let since = join.since().map(|second| second * SECOND);
        join.begin();
        let from_there = log.iter().filter(|at| since.is_none_or(|since| **at >= since));
        from_there.take(lines).filter_map(|at| join.take(*at)).collect()
    }

    proptest! {
        /// Times within a few seconds, in order, many of them equal.
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
        // Within the connection the clock is set back by a minute, then the connection breaks.
        assert!(join.take(31 * SECOND).is_some());
        assert_eq!(join.since(), Some(31));
        let again = connect(&mut join, &[31 * SECOND, 32 * SECOND], 9);
        assert_eq!(again, [LogId { at: 32 * SECOND, nth: 0 }]);
    }
}
