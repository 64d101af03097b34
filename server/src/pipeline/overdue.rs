//! Counts pixel work that doesn't come back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How many pieces of work are overdue. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Overdue(Arc<AtomicUsize>);

/// One piece of work, as its thread and its watchdog see it.
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
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A piece of work that begins.
    pub(super) fn watch(&self) -> Watched {
        Watched { overdue: self.clone(), state: Arc::new(Mutex::new(State::UnderWay)) }
    }
}

impl Watched {
    /// Says that it has come back from its thread.
    pub(super) fn came_back(&self) {
        if self.enter(State::Back) == State::Overdue {
            self.overdue.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Says that it should have come back by now, and gives how many pieces are overdue.
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
        // One word can't be left half changed.
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), next)
    }
}
