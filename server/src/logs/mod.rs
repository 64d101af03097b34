//! What pods say, kept in memory: the last lines of each, also of those that are gone.
//!
//! A book keeps a ring of entries for each pod. A reader is nothing but a place in a ring, so a slow reader costs no
//! memory: when the ring has moved past its place it is told so and goes on with what there is. Entries have ids that
//! follow from the log itself ([`LogId`]), so a reader may go on at another pod's book where it stopped at this one's.

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
use ring::{Place, Ring};

/// What a book may hold.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Entries of a pod.
    pub entries: usize,
    /// Bytes of a pod's entries.
    pub bytes: usize,
    /// Pods; above it, those that went first are forgotten.
    pub pods: usize,
    /// How long a pod that is gone is kept.
    pub gone: Duration,
}

impl Default for Bounds {
    /// At most 32 MiB in all.
    fn default() -> Self {
        Self { entries: 4_000, bytes: 512 << 10, pods: 64, gone: Duration::from_secs(30 * 60) }
    }
}

/// Bytes of a line; what is longer is cut.
pub const LONGEST_LINE: usize = 8 << 10;

/// The logs of some pods. Clones are the same book.
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
    /// The number of the last entry; wakes readers.
    news: watch::Sender<u64>,
    gone: Option<Instant>,
}

impl Default for LogBook {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl LogBook {
    /// An empty book.
    pub fn new(bounds: Bounds) -> Self {
        Self { inner: Arc::new(Inner { bounds, pods: Mutex::default(), closed: watch::Sender::new(false) }) }
    }

    /// A pod is there: it has a log from now on, empty or the one it had before.
    pub fn open(&self, pod: &PodName) {
        let mut pods = self.pods();
        pods.entry(pod.clone()).or_insert_with(|| self.kept()).gone = None;
        self.forget(&mut pods);
    }

    /// A pod is gone: its log is kept for a while.
    pub fn gone(&self, pod: &PodName) {
        let mut pods = self.pods();
        if let Some(kept) = pods.get_mut(pod) {
            kept.gone = Some(Instant::now());
        }
        self.forget(&mut pods);
    }

    /// Whether there is a log of this pod.
    pub fn has(&self, pod: &PodName) -> bool {
        self.pods().contains_key(pod)
    }

    /// Adds an entry whose id is known from where it was read. Nothing happens without [`LogBook::open`].
    pub fn add(&self, pod: &PodName, id: LogId, kind: LogKind, text: &str) {
        let mut pods = self.pods();
        if let Some(kept) = pods.get_mut(pod) {
            kept.add(id, kind, text, &self.inner.bounds);
        }
    }

    /// Adds what was said just now, and gives it the next id.
    pub fn say(&self, pod: &PodName, at: i64, kind: LogKind, text: &str) {
        let mut pods = self.pods();
        if let Some(kept) = pods.get_mut(pod) {
            let id = kept.ring.next_id(at);
            kept.add(id, kind, text, &self.inner.bounds);
        }
    }

    /// The last entries, oldest first; `None` if the pod isn't known.
    pub fn tail(&self, pod: &PodName, most: usize) -> Option<Vec<Arc<(LogId, LogEntry)>>> {
        Some(self.pods().get(pod)?.ring.tail(most))
    }

    /// Reads on after an entry, or from as many entries before the end. `None` if the pod isn't known.
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

    /// Ends all readers: the server is about to stop, and would otherwise wait for them.
    pub fn close(&self) {
        self.inner.closed.send_replace(true);
    }

    fn kept(&self) -> Kept {
        Kept { ring: Ring::default(), news: watch::Sender::new(0), gone: None }
    }

    /// Forgets pods that went long ago, and above the bound those that went first.
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
        // Nothing panics while it is held, so what is inside is whole.
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

/// At most [`LONGEST_LINE`] bytes, and no control characters, which would end a line or colour a page.
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

/// What a reader gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The next entry.
    Entry(Arc<(LogId, LogEntry)>),
    /// Entries before the next one are lost: the book is bounded.
    Missed,
}

/// A place in a pod's log.
pub struct Reader {
    book: LogBook,
    pod: PodName,
    place: Place,
    news: watch::Receiver<u64>,
    closed: watch::Receiver<bool>,
}

impl Reader {
    /// The next entry; `None` once the book is closed or has forgotten the pod.
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
