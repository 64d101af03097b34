//! Dispatcher of one session's watch events to its watches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::{Hint, Scope, Watch};

/// Number of hints that a watch buffers before it overflows and ends.
const CAPACITY: usize = 1_024;

/// The watches of one session. Open while the connection that feeds it is up; closing it ends all watches.
#[derive(Default)]
pub(super) struct Hub(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    open: bool,
    next: u64,
    watches: HashMap<u64, Slot>,
}

struct Slot {
    path: String,
    scope: Scope,
    hints: mpsc::Sender<Hint>,
}

impl Slot {
    fn covers(&self, path: &str) -> bool {
        match (self.scope, path.strip_prefix(self.path.as_str())) {
            (_, Some("")) => true,
            (Scope::Recursive, Some(below)) => self.path == "/" || below.starts_with('/'),
            _ => false,
        }
    }
}

/// Removes its watch from the hub when the watch is dropped.
struct Guard {
    hub: Arc<Hub>,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.hub.slots().watches.remove(&self.id);
    }
}

impl Hub {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts watches from now on.
    pub(super) fn open(&self) {
        self.slots().open = true;
    }

    /// Ends every watch and accepts no new ones.
    pub(super) fn close(&self) {
        let mut slots = self.slots();
        slots.open = false;
        slots.watches.clear();
    }

    /// Adds a watch; returns `None` if the hub is closed.
    pub(super) fn watch(self: &Arc<Self>, path: &str, scope: Scope) -> Option<Watch> {
        let mut slots = self.slots();
        if !slots.open {
            return None;
        }
        let (hints, receiver) = mpsc::channel(CAPACITY);
        let id = slots.next;
        slots.next += 1;
        slots.watches.insert(id, Slot { path: path.to_owned(), scope, hints });
        Some(Watch::new(receiver, Box::new(Guard { hub: Arc::clone(self), id })))
    }

    /// Notifies the watches that cover this node of its creation, change or deletion. A watch whose buffer is full ends.
    pub(super) fn tell(&self, path: &str) {
        self.slots()
            .watches
            .retain(|_, slot| !slot.covers(path) || slot.hints.try_send(Hint::Changed(path.to_owned())).is_ok());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn a_recursive_watch_covers_what_is_below_and_not_what_begins_alike() {
        let hub = Arc::new(Hub::default());
        hub.open();
        let mut watch = hub.watch("/jobs", Scope::Recursive).unwrap();
        for path in ["/jobs-old", "/", "/nodes/a", "/jobs/1/task"] {
            hub.tell(path);
        }
        assert_eq!(watch.changed().await, Hint::Changed("/jobs/1/task".into()));
    }

    #[tokio::test]
    async fn a_watch_that_nobody_reads_ends_instead_of_growing() {
        let hub = Arc::new(Hub::default());
        hub.open();
        let mut watch = hub.watch("/", Scope::Recursive).unwrap();
        for _ in 0..=CAPACITY {
            hub.tell("/x");
        }
        for _ in 0..CAPACITY {
            assert_eq!(watch.changed().await, Hint::Changed("/x".into()));
        }
        assert_eq!(watch.changed().await, Hint::Lost);
    }

    #[tokio::test]
    async fn a_dropped_watch_leaves_nothing_behind() {
        let hub = Arc::new(Hub::default());
        hub.open();
        drop(hub.watch("/", Scope::Node));
        assert!(hub.slots().watches.is_empty());
        hub.close();
        assert!(hub.watch("/", Scope::Node).is_none());
    }
}
