//! The coordinator itself: its configuration, its state behind a lock, and whether it can be reached.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::super::SessionId;
use super::journal::Transaction;
use super::state::{self, State};

/// Configuration of the embedded coordinator.
#[derive(Debug, Clone)]
pub struct EmbeddedConfig {
    /// How long a session, with its ephemeral nodes, survives without its client.
    pub session_timeout: Duration,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { session_timeout: Duration::from_secs(2) }
    }
}

/// A coordinator in this process.
pub struct Embedded {
    config: EmbeddedConfig,
    state: Arc<Mutex<State>>,
    pub(super) up: watch::Sender<bool>,
}

impl Embedded {
    /// Creates an empty tree without sessions.
    pub fn new(config: EmbeddedConfig) -> Arc<Self> {
        Arc::new(Self { state: State::shared(config.session_timeout), config, up: watch::Sender::new(true) })
    }

    /// How long a session survives without its client.
    pub fn session_timeout(&self) -> Duration {
        self.config.session_timeout
    }

    /// Live sessions (those that the coordinator hasn't ended), oldest first.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.lock().sessions()
    }

    /// Records every transaction from now on, without a limit; meant for runs that end.
    pub fn keep_journal(&self) {
        self.lock().journal.get_or_insert_default();
    }

    /// Returns the transactions committed since [`Embedded::keep_journal`], oldest first.
    pub fn journal(&self) -> Vec<Transaction> {
        self.lock().journal.clone().unwrap_or_default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        state::lock(&self.state)
    }

    pub(super) fn set_up(&self, up: bool) {
        let mut state = self.lock();
        self.up.send_replace(up);
        if up {
            state.reconnect_all();
        } else {
            state.sessions().into_iter().for_each(|session| state.disconnect(session));
        }
    }
}
