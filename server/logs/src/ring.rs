//! Ring buffer of a pod's last entries, numbered from 1.

use std::collections::VecDeque;
use std::sync::Arc;

use shared::log::{LogEntry, LogId};

/// Overhead of an entry besides its text, in bytes.
const ENTRY: usize = 96;
/// How far another pod's book may be ahead of this one, in ns. Entries that arrive here late, and that the reader
/// already got there, are skipped.
const AHEAD: i64 = 1_000_000_000;

#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<Arc<(LogId, LogEntry)>>,
    bytes: usize,
    /// Number of the last entry.
    head: u64,
}

/// A reader's position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Number of the last entry read.
    read: u64,
    /// Last entry that the reader got from another book, if it hasn't arrived in this one yet.
    skip: Option<LogId>,
    /// Whether entries before this position are missing here.
    missed: bool,
}

/// A reader's next item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The next entry.
    Entry(Arc<(LogId, LogEntry)>),
    /// Entries before the next one were lost, since the ring is bounded.
    Missed,
}

impl Ring {
    /// Appends an entry and returns its number.
    pub(super) fn push(&mut self, id: LogId, entry: LogEntry, entries: usize, bytes: usize) -> u64 {
        self.bytes += ENTRY + entry.text.len();
        self.head += 1;
        self.entries.push_back(Arc::new((id, entry)));
        while self.entries.len() > entries || (self.bytes > bytes && self.entries.len() > 1) {
            if let Some(lost) = self.entries.pop_front() {
                self.bytes -= ENTRY + lost.1.text.len();
            }
        }
        self.head
    }

    /// Returns the id of the next entry, given its time.
    pub(super) fn next_id(&self, at: i64) -> LogId {
        match self.entries.back() {
            Some(last) if last.0.at == at => LogId { at, nth: last.0.nth + 1 },
            _ => LogId { at, nth: 0 },
        }
    }

    pub(super) fn tail(&self, most: usize) -> Vec<Arc<(LogId, LogEntry)>> {
        self.entries.iter().skip(self.entries.len().saturating_sub(most)).cloned().collect()
    }

    /// Returns the position `most` entries before the end.
    pub(super) fn place_before_end(&self, most: usize) -> Place {
        Place { read: self.head - self.entries.len().min(most) as u64, skip: None, missed: false }
    }

    /// Returns the position after an entry. If the entry has been overwritten, there is a gap; if it hasn't arrived
    /// yet, reading skips up to it.
    pub(super) fn after(&self, id: LogId) -> Place {
        let forgotten = self.head - self.entries.len() as u64;
        let number = |index: usize| forgotten + index as u64 + 1;
        if let Some(index) = self.entries.iter().rposition(|entry| entry.0 == id) {
            return Place { read: number(index), skip: None, missed: false };
        }
        match self.entries.iter().rposition(|entry| entry.0.at <= id.at) {
            Some(index) => {
                let last = index + 1 == self.entries.len();
                Place { read: number(index), skip: last.then_some(id), missed: false }
            }
            None if self.entries.is_empty() => Place { read: self.head, skip: Some(id), missed: false },
            None => Place { read: forgotten, skip: None, missed: true },
        }
    }

    /// Returns the next entry after a position and advances it.
    pub(super) fn next(&self, place: &mut Place) -> Option<Read> {
        let forgotten = self.head - self.entries.len() as u64;
        if place.read < forgotten {
            (place.read, place.missed) = (forgotten, true);
        }
        while let Some(entry) = self.entries.get((place.read - forgotten) as usize) {
            if std::mem::take(&mut place.missed) {
                return Some(Read::Missed);
            }
            place.read += 1;
            match place.skip {
                Some(id) if entry.0 == id => place.skip = None,
                Some(id) if entry.0.at <= id.at && entry.0.at > id.at - AHEAD => {}
                _ => {
                    place.skip = None;
                    return Some(Read::Entry(entry.clone()));
                }
            }
        }
        None
    }
}
