//! In-memory logs of pods: the last lines of each pod, including pods that are gone.
//!
//! A [`LogBook`] keeps a ring buffer of entries per pod. A [`Reader`] is just a position in a ring, so a slow reader
//! costs no memory: if the ring has overwritten its position, it gets [`Read::Missed`] and continues with the oldest
//! entry kept. Entry ids are derived from the log itself ([`LogId`]), so a reader may continue at another pod's book
//! where it stopped at this one's.

mod own;
mod ring;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::id::PodName;
use shared::log::{LogEntry, LogId, LogKind};
use tokio::sync::watch;
use tokio::time::Instant;

pub use own::OwnLog;
pub use ring::Read;
use ring::{Place, Ring};

/// Limits of a log book.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Entries per pod.
    pub entries: usize,
    /// Bytes of entries per pod.
    pub bytes: usize,
    /// Number of pods; beyond it, those that have been gone the longest are dropped.
    pub pods: usize,
    /// How long the log of a pod that is gone is kept.
    pub gone: Duration,
}

impl Default for Bounds {
    /// At most 32 MiB in total.
    fn default() -> Self {
        Self { entries: 4_000, bytes: 512 << 10, pods: 64, gone: Duration::from_secs(30 * 60) }
    }
}

/// Maximum length of a line in bytes; longer lines are truncated.
pub const LONGEST_LINE: usize = 8 << 10;

/// The logs of some pods. Clones share them.
#[derive(Clone)]
pub struct LogBook {
    inner: Arc<Inner>,
}

struct Inner {
    bounds: Bounds,
    pods: Mutex<BTreeMap<PodName, Kept>>,
    closed: watch::Sender<bool>,
}

struct Kept {
    ring: Ring,
    /// Number of the last entry; a change wakes readers.
    news: watch::Sender<u64>,
    gone: Option<Instant>,
}

impl Default for LogBook {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl LogBook {
    /// Creates an empty book.
    pub fn new(bounds: Bounds) -> Self {
        Self { inner: Arc::new(Inner { bounds, pods: Mutex::default(), closed: watch::Sender::new(false) }) }
    }

    /// Opens a pod's log, or reopens the one it had before.
    pub fn open(&self, pod: &PodName) {
        let mut pods = self.pods();
        pods.entry(pod.clone()).or_insert_with(|| self.kept()).gone = None;
        self.forget(&mut pods);
    }

    /// Marks a pod as gone: its log is kept for [`Bounds::gone`].
    pub fn gone(&self, pod: &PodName) {
        let mut pods = self.pods();
        if let Some(kept) = pods.get_mut(pod) {
            kept.gone = Some(Instant::now());
        }
        self.forget(&mut pods);
    }

    /// Returns whether there is a log of this pod.
    pub fn has(&self, pod: &PodName) -> bool {
        self.pods().contains_key(pod)
    }

    /// Appends an entry with an id known from its source. Does nothing unless the log was opened with
    /// [`LogBook::open`].
    pub fn add(&self, pod: &PodName, id: LogId, kind: LogKind, text: &str) {
        let mut pods = self.pods();
        if let Some(kept) = pods.get_mut(pod) {
            kept.add(id, kind, text, &self.inner.bounds);
        }
    }

    /// Appends a new line with the next id.
    pub fn say(&self, pod: &PodName, at: i64, kind: LogKind, text: &str) {
        let mut pods = self.pods();
        if let Some(kept) = pods.get_mut(pod) {
            let id = kept.ring.next_id(at);
            kept.add(id, kind, text, &self.inner.bounds);
        }
    }

    /// Returns the last entries, oldest first; `None` if the pod isn't known.
    pub fn tail(&self, pod: &PodName, most: usize) -> Option<Vec<Arc<(LogId, LogEntry)>>> {
        Some(self.pods().get(pod)?.ring.tail(most))
    }

    /// Creates a reader that starts after the entry `after`, or else `most` entries before the end. Returns `None` if
    /// the pod isn't known.
    pub fn read(&self, pod: &PodName, after: Option<LogId>, most: usize) -> Option<Reader> {
        let pods = self.pods();
        let kept = pods.get(pod)?;
        let place = match after {
            Some(id) => kept.ring.after(id),
            None => kept.ring.place_before_end(most),
        };
        let (news, closed) = (kept.news.subscribe(), self.inner.closed.subscribe());
        Some(Reader { book: self.clone(), pod: pod.clone(), place, news, closed })
    }

    /// Ends all readers, so that a server that is stopping doesn't wait for them.
    pub fn close(&self) {
        self.inner.closed.send_replace(true);
    }

    fn kept(&self) -> Kept {
        Kept { ring: Ring::default(), news: watch::Sender::new(0), gone: None }
    }

    /// Drops pods that have been gone for too long and, beyond the limit, those that have been gone the longest.
    fn forget(&self, pods: &mut BTreeMap<PodName, Kept>) {
        let bounds = &self.inner.bounds;
        pods.retain(|_, kept| kept.gone.is_none_or(|gone| gone.elapsed() < bounds.gone));
        while pods.len() > bounds.pods {
            let first = pods.iter().filter_map(|(pod, kept)| Some((kept.gone?, pod.clone()))).min();
            let Some((_, pod)) = first else { return };
            pods.remove(&pod);
        }
    }

    fn pods(&self) -> MutexGuard<'_, BTreeMap<PodName, Kept>> {
        // Nothing panics while the lock is held, so poisoned data is consistent.
        self.inner.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn add(&mut self, id: LogId, kind: LogKind, text: &str, bounds: &Bounds) {
        let entry = LogEntry { kind, at: id.at / 1_000_000, text: cut(text) };
        let head = self.ring.push(id, entry, bounds.entries, bounds.bytes);
        self.news.send_replace(head);
    }
}

/// Truncates a line to [`LONGEST_LINE`] bytes and removes control characters, which could end a line or colour a page.
fn cut(text: &str) -> String {
    let mut end = text.len().min(LONGEST_LINE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut clean: String = text[..end].chars().filter(|c| !c.is_control() || *c == '\t').collect();
    if end < text.len() {
        clean.push('…');
    }
    clean
}

/// A position in a pod's log.
pub struct Reader {
    book: LogBook,
    pod: PodName,
    place: Place,
    news: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
}

impl Reader {
    /// Waits for the next entry; returns `None` once the book is closed or has dropped the pod.
    ///
    /// # Cancellation
    /// Safe: no entry is lost.
    pub async fn next(&mut self) -> Option<Read> {
        loop {
            if *self.closed.borrow_and_update() {
                return None;
            }
            self.news.borrow_and_update();
            {
                let pods = self.book.pods();
                if let Some(read) = pods.get(&self.pod)?.ring.next(&mut self.place) {
                    return Some(read);
                }
            }
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                _ = self.closed.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
