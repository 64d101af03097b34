//! Counter of overdue pixel work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Number of overdue pieces of work. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Overdue(Arc<AtomicUsize>);

/// One piece of work, shared by its thread and its watchdog.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    overdue: Overdue,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UnderWay,
    Overdue,
    Back,
}

impl Overdue {
    /// Returns the number of overdue pieces.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Registers a piece of work that begins.
    pub(super) fn watch(&self) -> Watched {
        Watched { overdue: self.clone(), state: Arc::new(Mutex::new(State::UnderWay)) }
    }
}

impl Watched {
    /// Records that the work has returned from its thread.
    pub(super) fn came_back(&self) {
        if self.enter(State::Back) == State::Overdue {
            self.overdue.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Records that the work should have returned by now; returns the number of overdue pieces.
    pub(super) fn is_overdue(&self) -> usize {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == State::UnderWay {
            *state = State::Overdue;
            self.overdue.0.fetch_add(1, Ordering::SeqCst);
        }
        drop(state);
        self.overdue.count()
    }

    fn enter(&self, next: State) -> State {
        // A single word can't be left half changed by a panic.
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}
