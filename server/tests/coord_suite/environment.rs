//! The environment of a test: sessions with a coordinator, and the faults that both kinds can simulate.

use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use server::coord::embedded::{Embedded, EmbeddedConfig};
use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, Hint, SessionId, SessionState, Watch, ensure_skeleton};
use testkit::Ensemble;
use testkit::forwarder::Forwarder;

/// A session timeout that a busy machine doesn't exceed by accident.
const LONG: Duration = Duration::from_secs(5);
/// A session timeout for tests that wait for its end.
const SHORT: Duration = Duration::from_secs(2);

/// A coordinator for a single test, with its skeleton.
#[async_trait]
pub trait Environment: Send + Sync {
    /// Opens a session with this timeout.
    async fn open(&self, timeout: Duration) -> Seat;

    /// Opens a session that lives through the test.
    async fn session(&self) -> Seat {
        self.open(LONG).await
    }

    /// Opens a session whose expiry the test waits for.
    async fn short_session(&self) -> Seat {
        self.open(SHORT).await
    }
}

/// A session and its faults.
pub struct Seat {
    pub coordinator: Arc<dyn Coordinator>,
    faults: Box<dyn Faults>,
}

/// The faults of a session.
trait Faults: Send + Sync {
    fn cut(&self);
    fn mend(&self);
    fn lose_reply(&self);
}

impl Seat {
    /// Breaks the connection and waits until the session notices.
    pub async fn cut(&self) {
        self.faults.cut();
        self.state(SessionState::Disconnected).await;
    }

    /// Restores the connection and waits until the session is connected.
    pub async fn mend(&self) {
        self.faults.mend();
        self.state(SessionState::Connected).await;
    }

    /// Lets the next write take effect but loses its reply.
    pub fn lose_reply(&self) {
        self.faults.lose_reply();
    }

    /// Waits for a state.
    pub async fn state(&self, wanted: SessionState) {
        let mut states = self.coordinator.states();
        let wait = states.wait_for(|state| *state == wanted);
        soon(wait).await.unwrap();
    }

    /// Breaks the connection until the session has expired, as far as its client can tell.
    pub async fn outlive(&self) {
        self.cut().await;
        self.state(SessionState::Expired).await;
    }

    pub fn id(&self) -> SessionId {
        self.coordinator.session()
    }
}

impl std::ops::Deref for Seat {
    type Target = dyn Coordinator;
    fn deref(&self) -> &Self::Target {
        &*self.coordinator
    }
}

/// Time limit for expected events.
pub const SOON: Duration = Duration::from_secs(60);

/// Awaits an expected event, with a time limit.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(SOON, future).await.expect("it comes within a minute")
}

/// Returns the next hint, which must come.
pub async fn hint(watch: &mut Watch) -> Hint {
    soon(watch.changed()).await
}

/// Waits until this session sees that a node is gone.
pub async fn gone(coordinator: &dyn Coordinator, path: &str) {
    let wait = async {
        loop {
            let mut watch = coordinator.watch(path, server::coord::Scope::Node).await.unwrap();
            if coordinator.stat(path).await.unwrap().is_none() {
                return;
            }
            watch.changed().await;
        }
    };
    soon(wait).await;
}

/// The embedded coordinator. All its sessions have the same timeout; with paused time, long ones cost nothing.
pub struct EmbeddedEnvironment {
    pub embedded: Arc<Embedded>,
}

impl EmbeddedEnvironment {
    pub fn new() -> Self {
        Self { embedded: Embedded::new(EmbeddedConfig { session_timeout: LONG }) }
    }
}

#[async_trait]
impl Environment for EmbeddedEnvironment {
    async fn open(&self, _: Duration) -> Seat {
        let coordinator = self.embedded.connector().connect().await.unwrap();
        ensure_skeleton(&*coordinator).await.unwrap();
        let faults = EmbeddedFaults { embedded: Arc::clone(&self.embedded), session: coordinator.session() };
        Seat { coordinator, faults: Box::new(faults) }
    }
}

struct EmbeddedFaults {
    embedded: Arc<Embedded>,
    session: SessionId,
}

impl Faults for EmbeddedFaults {
    fn cut(&self) {
        self.embedded.disconnect(self.session);
    }
    fn mend(&self) {
        self.embedded.reconnect(self.session);
    }
    fn lose_reply(&self) {
        self.embedded.lose_reply(self.session);
    }
}

/// Real servers, in the test's own chroot.
pub struct ZooKeeperEnvironment {
    servers: String,
}

impl ZooKeeperEnvironment {
    pub async fn new() -> Self {
        let ensemble = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap();
        Self { servers: ensemble.connect_string_with_new_chroot() }
    }
}

#[async_trait]
impl Environment for ZooKeeperEnvironment {
    async fn open(&self, timeout: Duration) -> Seat {
        let (hosts, chroot) = self.servers.split_once('/').unwrap();
        let addresses = hosts.split(',').flat_map(|host| host.to_socket_addrs().unwrap()).collect();
        let forwarder = Forwarder::start(addresses).await;
        let connector = ZooKeeper::new(&format!("{}/{chroot}", forwarder.address()), timeout).unwrap();
        let coordinator = connector.connect().await.unwrap();
        ensure_skeleton(&*coordinator).await.unwrap();
        Seat { coordinator, faults: Box::new(forwarder) }
    }
}

impl Faults for Forwarder {
    fn cut(&self) {
        Forwarder::cut(self);
    }
    fn mend(&self) {
        Forwarder::mend(self);
    }
    fn lose_reply(&self) {
        Forwarder::lose_reply(self);
    }
}
