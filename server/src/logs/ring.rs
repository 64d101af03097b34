//! The last entries of one pod, numbered from 1.

use std::collections::VecDeque;
use std::sync::Arc;

use shared::log::{LogEntry, LogId};

use super::Read;

/// What an entry costs beside its text, in bytes.
const ENTRY: usize = 96;
/// Another pod's book may be ahead of this one by so much, in ns: what it had given already is left out here.
const AHEAD: i64 = 1_000_000_000;

#[derive(Default)]
pub(super) struct Ring {
    entries: VecDeque<Arc<(LogId, LogEntry)>>,
    bytes: usize,
    /// The number of the last entry.
    head: u64,
}

/// Where a reader is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The number of the last entry that was read.
    read: u64,
    /// What the reader was given elsewhere and hasn't come here yet.
    skip: Option<LogId>,
    /// Whether what came before isn't known here.
    missed: bool,
}

impl Ring {
    /// Adds an entry and gives its number.
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

    /// The id of an entry of this time that would come next.
    pub(super) fn next_id(&self, at: i64) -> LogId {
        match self.entries.back() {
            Some(last) if last.0.at == at => LogId { at, nth: last.0.nth + 1 },
            _ => LogId { at, nth: 0 },
        }
    }

    pub(super) fn tail(&self, most: usize) -> Vec<Arc<(LogId, LogEntry)>> {
        self.entries.iter().skip(self.entries.len().saturating_sub(most)).cloned().collect()
    }

    /// So many entries before the end.
    pub(super) fn place_before_end(&self, most: usize) -> Place {
        Place { read: self.head - self.entries.len().min(most) as u64, skip: None, missed: false }
    }

    /// After this entry. One that isn't here any more is a gap; one that hasn't come yet is waited for.
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

    /// The next entry after a place, which moves on.
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
