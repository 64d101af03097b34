//! The life cycle of a pod: its sessions, each from joining to its end.
//!
//! A pod lives through many sessions. Each session has its own mirror of the znodes, member node, candidacy and worker. When a
//! session ends, all of them are dropped; the next one starts with nothing but the claims that were lost, whose strikes must be
//! given back.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use base::incarnation::Life;
use base::panics;
use coord::{Coordinator, Error, ensure_skeleton, members, settle};
use futures::FutureExt;
use shared::cluster::Member;
use shared::job::RECORD_VERSION;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::context::Pod;
use super::leadership::candidate;
use super::leadership::succession::Memory;
use super::mirror::{Mirror, Nodes};
use super::worker::Worker;
use super::worker::claims::Claims;
use super::worker::journal::Journal;
use super::worker::picker::KINDS;

/// How long a pod that has joined waits until the mirror shows its member node.
const FIRST_SIGHT: Duration = Duration::from_secs(1);

/// How far a session got.
enum Lasted {
    /// The pod had joined.
    Joined,
    /// The session ended before the pod had joined.
    NeverJoined,
}

impl Pod {
    /// Runs the pod until `stop`; then hands over, finishes the tasks it holds, and leaves. A panic in a role ends the session:
    /// a pod that lived on without its roles would be worse than none.
    ///
    /// # Cancellation
    /// Dropping the future equals a crash: nothing is handed over, and the session ends by its timeout.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (claims, memory) = (Claims::default(), Memory::default());
        let life = Life::begin(&self.config.name);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        while !stop.is_cancelled() {
            let connected = tokio::select! {
                connected = self.connector.connect() => connected,
                () = stop.cancelled() => return,
            };
            match connected {
                Ok(coordinator) => {
                    let session =
                        AssertUnwindSafe(self.clone().session(coordinator.clone(), &claims, (&memory, &life), &stop));
                    match session.catch_unwind().await {
                        Ok(Lasted::Joined) => backoff.reset(),
                        Ok(Lasted::NeverJoined) => backoff.wait_until(&stop).await,
                        Err(panic) => {
                            let panic = panics::message(&*panic).unwrap_or("no message");
                            tracing::error!(pod = %self.config.name, panic, "role panicked; restarting session");
                            coordinator.close().await;
                            backoff.wait_until(&stop).await;
                        }
                    }
                    claims.lose();
                }
                Err(error) => {
                    tracing::warn!(pod = %self.config.name, error = %chain(&error), "connecting to the coordinator failed; retrying");
                    backoff.wait_until(&stop).await;
                }
            }
        }
    }

    /// Runs one session, from joining to its end.
    async fn session(
        self: Arc<Self>,
        coordinator: Arc<dyn Coordinator>,
        claims: &Claims,
        (memory, life): (&Memory, &Life),
        stop: &CancellationToken,
    ) -> Lasted {
        let (name, session) = (self.config.name.clone(), coordinator.session());
        let start = uuid::Uuid::new_v4();
        let uuid = start.simple().to_string();
        let joined = tokio::select! {
            joined = self.join(&coordinator, &uuid) => joined,
            () = stop.cancelled() => {
                coordinator.close().await;
                return Lasted::NeverJoined;
            }
        };
        let mirror = match joined {
            Ok(mirror) => mirror,
            Err(error) => {
                tracing::warn!(pod = %name, %session, error = %chain(&error), "session ended before the pod joined");
                coordinator.close().await;
                return Lasted::NeverJoined;
            }
        };
        tracing::info!(pod = %name, %session, lease_ms = coordinator.session_timeout().as_millis() as u64, "joined");
        let worker = Worker {
            pod: self.clone(),
            coordinator: coordinator.clone(),
            nodes: mirror.nodes(),
            claims: claims.clone(),
            journal: Journal::new(self.catalog.clone()),
            stop: stop.clone(),
            start: start.as_u128() as usize,
        };
        // Joining doesn't wait for earlier sessions' debts: they are settled while the pod works.
        let settling = claims.settle(&*coordinator, mirror.nodes(), || self.stamp());
        let working = worker.run();
        let staying = self.stay(&coordinator, &uuid, mirror.nodes());
        let standing =
            candidate::stand(self.clone(), coordinator.clone(), mirror.clone(), (memory, life), stop.clone());
        let mut states = coordinator.states();
        let ended = async move { states.wait_for(|state| state.is_terminal()).await.map(|_| ()) };
        tokio::select! {
            never = staying => match never {},
            _ = ended => {
                memory.keep(&mirror.nodes().borrow());
                tracing::warn!(pod = %name, %session, "session over; roles stopped");
            }
            drained = self.until_drained(async { tokio::join!(working, standing, settling); }, stop) => {
                if !drained {
                    self.release_all(&*coordinator, claims).await;
                }
                tracing::info!(pod = %name, drained, "left");
                coordinator.close().await;
            }
        }
        Lasted::Joined
    }

    /// Joins again whenever the pod's member node is gone although its session lives (the node or its parent was deleted).
    async fn stay(
        &self,
        coordinator: &Arc<dyn Coordinator>,
        uuid: &str,
        mut nodes: watch::Receiver<Arc<Nodes>>,
    ) -> Infallible {
        let missing = |nodes: &Arc<Nodes>| nodes.loaded && !nodes.members.iter().any(|member| member.uuid == uuid);
        // The first snapshot predates joining. If the node never appears in the mirror, treat it as deleted.
        let shown = nodes.wait_for(|nodes| !missing(nodes));
        drop(tokio::time::timeout(FIRST_SIGHT, shown).await);
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            // A stale mirror is harmless: joining is idempotent.
            if nodes.wait_for(missing).await.is_err() {
                std::future::pending::<()>().await;
            }
            match self.join_again(coordinator, uuid).await {
                Ok(()) => tracing::warn!(pod = %self.config.name, "member node deleted; joined again"),
                Err(error) if error.is_terminal() => std::future::pending().await,
                Err(error) => {
                    tracing::warn!(pod = %self.config.name, error = %chain(&error), "member node deleted; joining again failed")
                }
            }
            backoff.wait().await;
            if !missing(&nodes.borrow()) {
                backoff.reset();
            }
        }
    }

    /// Runs all roles; after `stop`, waits for them to end, but at most the drain time. Returns whether they ended.
    async fn until_drained(&self, roles: impl Future<Output = ()>, stop: &CancellationToken) -> bool {
        let drain = async {
            stop.cancelled().await;
            tokio::time::sleep(self.config.drain).await;
        };
        tokio::select! {
            () = roles => true,
            () = drain => false,
        }
    }

    /// Releases all held claims after the drain time: the tasks are free at once and get no strike.
    async fn release_all(&self, coordinator: &dyn Coordinator, claims: &Claims) {
        let release = claims.release(coordinator, || self.stamp());
        if tokio::time::timeout(coordinator.session_timeout(), release).await.is_err() {
            tracing::warn!(pod = %self.config.name, "coordinator doesn't answer; claims end with the session");
        }
    }

    /// Loads the mirror, then announces the pod. In this order, because an earlier start of this pod may have stamped records
    /// that are still there, and this start's stamps must be later.
    async fn join(&self, coordinator: &Arc<dyn Coordinator>, uuid: &str) -> Result<Arc<Mirror>, Error> {
        loop {
            settle::connected(&**coordinator).await?;
            match self.join_once(coordinator, uuid).await {
                Err(Error::Disconnected | Error::Unknown(_)) => {}
                ended => return ended,
            }
        }
    }

    async fn join_once(&self, coordinator: &Arc<dyn Coordinator>, uuid: &str) -> Result<Arc<Mirror>, Error> {
        ensure_skeleton(&**coordinator).await?;
        let mirror = Arc::new(Mirror::start(coordinator.clone(), self.clock.clone()));
        mirror.loaded().await?;
        self.announce(coordinator, uuid).await?;
        Ok(mirror)
    }

    async fn join_again(&self, coordinator: &Arc<dyn Coordinator>, uuid: &str) -> Result<(), Error> {
        loop {
            settle::connected(&**coordinator).await?;
            let announced = async {
                ensure_skeleton(&**coordinator).await?;
                self.announce(coordinator, uuid).await
            };
            match announced.await {
                Err(Error::Disconnected | Error::Unknown(_)) => {}
                ended => return ended,
            }
        }
    }

    /// Creates the pod's member node.
    async fn announce(&self, coordinator: &Arc<dyn Coordinator>, uuid: &str) -> Result<(), Error> {
        let now = self.moment();
        let member = Member {
            v: RECORD_VERSION,
            pod: self.config.name.clone(),
            uuid: uuid.to_owned(),
            session: coordinator.session().to_string(),
            lease_ms: u64::try_from(coordinator.session_timeout().as_millis()).unwrap_or(u64::MAX),
            address: self.config.address.clone(),
            cores: self.task_context.pixels.threads(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kinds: KINDS.to_vec(),
            started: now.at,
            leaving: false,
            faults: self.config.faults,
            stamp: now.stamp,
        };
        members::join(&**coordinator, &member).await.map(drop)
    }
}
