//! A coordinator inside this process, for `evenlight serve` without a server and for fault injection.
//!
//! It reproduces ZooKeeper's inconvenient behavior: sessions expire before their client knows, watches end at a disconnect,
//! replies get lost, writes run late, reads lag. It is not a distributed system of its own. It uses tokio's clock, so that
//! tests can pause time.

mod fault_connector;
mod faults;
pub mod journal;
mod session;
mod state;
mod tree;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

pub use self::fault_connector::FaultConnector;
use self::session::Session;
use self::state::State;
use super::{Connector, Coordinator, Error, Result, SessionId};

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
    state: Mutex<State>,
    up: watch::Sender<bool>,
}

impl Embedded {
    /// Creates an empty tree without sessions.
    pub fn new(config: EmbeddedConfig) -> Arc<Self> {
        Arc::new_cyclic(|embedded| Self {
            state: Mutex::new(State::new(config.session_timeout, embedded.clone())),
            config,
            up: watch::Sender::new(true),
        })
    }

    /// Returns a connector that opens sessions with this coordinator.
    pub fn connector(self: &Arc<Self>) -> Arc<dyn Connector> {
        Arc::new(EmbeddedConnector(Arc::clone(self)))
    }

    /// How long a session survives without its client.
    pub fn session_timeout(&self) -> Duration {
        self.config.session_timeout
    }

    /// Live sessions (those that the coordinator hasn't ended), oldest first.
    pub fn sessions(&self) -> Vec<SessionId> {
        self.lock().sessions()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_up(&self, up: bool) {
        let mut state = self.lock();
        self.up.send_replace(up);
        if up {
            state.reconnect_all();
        } else {
            state.sessions().into_iter().for_each(|session| state.disconnect(session));
        }
    }
}

struct EmbeddedConnector(Arc<Embedded>);

#[async_trait]
impl Connector for EmbeddedConnector {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        let mut up = self.0.up.subscribe();
        let reachable = tokio::time::timeout(self.0.session_timeout(), up.wait_for(|up| *up)).await;
        match reachable {
            Ok(Ok(_)) => Ok(Arc::new(Session::open(&self.0))),
            _ => Err(Error::Disconnected),
        }
    }
}
