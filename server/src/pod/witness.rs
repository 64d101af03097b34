//! The witness: a candidate that waits watches the process before it in line, and evicts its election node when that
//! process is gone, or says itself that it is cut off, instead of waiting for its session to run out.
//!
//! A process that dies has its connections reset by its kernel, and new ones refused. So each waiting candidate keeps one
//! idle connection to its predecessor's HTTP server. When it breaks, the witness asks again; the process is gone if it
//! is refused twice, or if another incarnation answers in its place (`/healthz` tells which one answers, and the
//! candidate's record which one stands). When leader and next candidate die at once, each eviction makes the one before
//! the predecessor, until the candidate leads; those were asked once while they lived.
//!
//! When all die at once, whoever comes first has asked none of them. It needs no acquaintance where it knows better: its own
//! pod's former incarnation is gone, since it is here instead; and of a process of its own host (the same kernel and network
//! namespace) the kernel itself tells whether the socket that it listened on is there. Another incarnation with the same
//! pod at the announced address shows it as well. A pod that was killed by itself, for a trial, is gone as its process says.
//!
//! A process that hears nothing from ZooKeeper, while ZooKeeper hears it, renews its session with every attempt to connect
//! again, for 7/5 of the timeout, and then the servers wait for another one. But it knows that it is cut off and tells
//! whoever asks: after half a session timeout of that, in which the witness itself was connected, it is evicted as well.
//!
//! # Why a wrong witness is harmless
//! What is deleted is an election node, by a multi that checks the witness's own ([`Fence::evict`](crate::coord::fence::Fence::evict)). A leader that lives
//! on is deposed: its next write is refused by its fence, it loses nothing, and stands again. It costs a change of
//! masters, and a process that stands again is not evicted again within a session timeout.
//!
//! # Hazards
//! - *Slow is not gone*: a process that is stopped, swamped or in a long pause still has its connections accepted by its
//!   kernel; a full accept queue drops, and a lost route times out. Only *refused* counts. Those wait for the session.
//! - *The address leads elsewhere*: loopback addresses told to other machines, proxies, NAT, a service of many pods. Nobody
//!   is witnessed by an address until it has answered as the announced incarnation, or on the same host.
//! - *Pods of one process* live and die together, unless one is killed by itself, which the process knows: one's own process
//!   and address are never asked.
//! - *Two processes with one pod's name* would evict each other, at most once per session timeout.
//! - *NAT and firewalls* drop idle connections silently; then the death goes unnoticed here and the session's end tells.
//! - *A server that closes idle connections*, or answers and closes, is asked again ever more rarely: nothing spins.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::pending;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shared::cluster::{Candidate, Home};
use shared::id::PodName;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::mirror::Nodes;
use super::peer::{Answer, PATIENCE, ask, closed};
use crate::coord::election::{self, Candidacy};
use crate::coord::{Coordinator, paths, settle};
use crate::incarnation;

/// Between two refusals that together mean that a process is gone.
const AGAIN: Duration = Duration::from_millis(40);
/// After the first, questions that told nothing are repeated after this long, and twice as long each time: soon at
/// first, since a process that dies before it has answered once is nobody's to evict.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two questions.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// A connection that stood for so long shows that the address is well: the next break is looked into at once.
const LASTING: Duration = Duration::from_secs(5);
/// The longest between two looks at whether a process is cut off, or its pod was killed by itself.
const LOOK: Duration = Duration::from_millis(200);

/// The witness of one session's candidacies.
pub(super) struct Witness {
    pod: PodName,
    own_address: String,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Processes that have answered at the address that they announced.
    known: HashSet<String>,
    /// When each process was last evicted, and who evicted it: the sequence of this pod's candidacy.
    evicted: HashMap<String, (Instant, i64)>,
    /// Election nodes that this witness has removed.
    removed: HashSet<String>,
}

/// A candidate that is before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ahead {
    node: String,
    sequence: i64,
    address: String,
    process: String,
    pod: PodName,
    life: String,
    home: Option<Home>,
}

impl Ahead {
    /// The address at which a process of this host listens; `None` of processes elsewhere.
    fn listens_here(&self) -> Option<String> {
        let home = self.home.as_ref().filter(|home| home.host == incarnation::host())?;
        let mut address: SocketAddr = home.listens.parse().ok()?;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        Some(address.to_string())
    }

    /// What dies at once: a life, where its pod may be killed by itself, or else a process.
    fn who(&self) -> &str {
        if self.life.is_empty() { &self.process } else { &self.life }
    }

    /// Whether it is a pod of this very process.
    fn is_at_home(&self) -> bool {
        self.process == incarnation::id()
    }
}

impl Witness {
    pub(super) fn new(pod: PodName, own_address: String) -> Self {
        Self { pod, own_address, memory: Mutex::default() }
    }

    /// Whether it was this witness that removed an election node.
    pub(super) fn has_evicted(&self, node: &str) -> bool {
        self.memory().removed.contains(node)
    }

    /// Watches whoever is before this candidacy, and evicts who is gone.
    ///
    /// # Cancellation
    /// Safe, and the only way to end it. An eviction that is under way may take effect all the same.
    ///
    /// # On connection loss
    /// Looks again after the reconnect.
    pub(super) async fn keep(
        &self,
        candidacy: &Candidacy,
        coordinator: &dyn Coordinator,
        nodes: watch::Receiver<Arc<Nodes>>,
    ) -> Infallible {
        let greeting = self.greet(candidacy, nodes.clone());
        let following = self.follow(candidacy, coordinator, nodes);
        tokio::join!(greeting, following).1
    }

    /// Asks everyone before the predecessor once, while they live: if they die together with it, they are known.
    async fn greet(&self, candidacy: &Candidacy, mut nodes: watch::Receiver<Arc<Nodes>>) {
        let entered = nodes.wait_for(|nodes| ahead_of(candidacy, nodes).is_some()).await.map(|nodes| nodes.clone());
        let Ok(entered) = entered else { return };
        let others = ahead_of(candidacy, &entered).unwrap_or_default();
        for ahead in others.iter().skip(1).filter(|ahead| !ahead.is_at_home() && self.may_be_witnessed(ahead)) {
            if let Ok(Answer::Peer(peer, _)) = timeout(PATIENCE, ask(&ahead.address)).await
                && peer.process == ahead.process
            {
                self.memory().known.insert(peer.process);
            }
        }
    }

    async fn follow(
        &self,
        candidacy: &Candidacy,
        coordinator: &dyn Coordinator,
        mut nodes: watch::Receiver<Arc<Nodes>>,
    ) -> Infallible {
        loop {
            let seen = nodes.borrow_and_update().clone();
            let predecessor = ahead_of(candidacy, &seen).and_then(|ahead| ahead.into_iter().next());
            let watched = predecessor.clone().filter(|ahead| self.may_be_witnessed(ahead));
            let watching = async {
                match &watched {
                    Some(ahead) => self.witness(candidacy, coordinator, ahead).await,
                    None => pending().await,
                }
            };
            let moved = async {
                let other = |nodes: &Arc<Nodes>| {
                    ahead_of(candidacy, nodes).and_then(|ahead| ahead.into_iter().next()) != predecessor
                };
                // Without a mirror the session is ending.
                if nodes.wait_for(other).await.is_err() {
                    pending::<()>().await;
                }
            };
            tokio::select! {
                never = watching => match never {},
                () = moved => {}
            }
        }
    }

    /// Watches one process and evicts it whenever it is gone.
    async fn witness(&self, candidacy: &Candidacy, coordinator: &dyn Coordinator, ahead: &Ahead) -> Infallible {
        loop {
            if let Some(until) = self.not_before(ahead, coordinator.session_timeout()) {
                sleep_until(until).await;
            }
            let why = tokio::select! {
                () = self.gone(ahead), if !ahead.is_at_home() => "its process is gone",
                why = self.cut_off(ahead, coordinator), if !ahead.is_at_home() => why,
                () = killed(&ahead.life), if ahead.is_at_home() => KILLED,
            };
            if settle::connected(coordinator).await.is_err() {
                pending::<()>().await;
            }
            match candidacy.fence().evict(coordinator, &ahead.node).await {
                Ok(evicted) => {
                    tracing::warn!(
                        node = ahead.node,
                        address = ahead.address,
                        evicted,
                        why,
                        "evicts the candidate before it"
                    );
                    let own = candidacy.node().rsplit('/').next().and_then(election::sequence).unwrap_or(i64::MIN);
                    self.memory().evicted.insert(ahead.who().to_owned(), (Instant::now(), own));
                    if evicted {
                        self.memory().removed.insert(ahead.node.clone());
                    }
                    // Its node is gone; whoever is before this candidacy then is looked at next.
                    pending::<()>().await;
                }
                // Whether it took effect is seen by who is ahead; if it didn't, it is looked at again.
                Err(error) => tracing::info!(node = ahead.node, %error, why, "not known to be evicted"),
            }
        }
    }

    /// Waits until a process is known to be gone.
    async fn gone(&self, ahead: &Ahead) {
        // Its own former incarnation: it can't be where this one is.
        if ahead.pod == self.pod {
            return;
        }
        let here = ahead.listens_here();
        let address = here.as_ref().unwrap_or(&ahead.address);
        let mut pause = Duration::ZERO;
        loop {
            let begun = Instant::now();
            let known = here.is_some() || self.memory().known.contains(&ahead.process);
            match ask(address).await {
                Answer::Peer(peer, connection) if peer.process == ahead.process => {
                    self.memory().known.insert(peer.process);
                    closed(connection).await;
                    if begun.elapsed() >= LASTING {
                        pause = Duration::ZERO;
                    }
                }
                Answer::Peer(peer, _) if known || peer.has(&ahead.pod) => return,
                Answer::Refused if known => {
                    sleep(AGAIN).await;
                    if matches!(ask(address).await, Answer::Refused) {
                        return;
                    }
                }
                Answer::Peer(..) | Answer::Refused | Answer::Nothing => {}
            }
            sleep(pause.mul_f64(0.5 + super::jitter())).await;
            pause = (pause * 2).clamp(PAUSE, LONGEST_PAUSE);
        }
    }

    /// Waits until a process says that it has been cut off from the coordinator for half a session timeout, in which this
    /// one was connected: what cuts off both is the coordinator's trouble and nobody's fault.
    async fn cut_off(&self, ahead: &Ahead, coordinator: &dyn Coordinator) -> &'static str {
        let half = coordinator.session_timeout() / 2;
        let mut states = coordinator.states();
        loop {
            if settle::connected(coordinator).await.is_err() {
                pending::<()>().await;
            }
            let connected = Instant::now();
            states.mark_unchanged();
            // A disconnect, however short, is one.
            let lost = async { drop(states.changed().await) };
            let says_so = async {
                loop {
                    sleep((half / 4).min(LOOK)).await;
                    let answer = timeout(PATIENCE, ask(&ahead.address)).await;
                    let peer = answer.ok().and_then(Answer::peer).filter(|peer| peer.process == ahead.process);
                    let Some(peer) = peer else { continue };
                    if peer.has_lost(&ahead.life) {
                        return KILLED;
                    }
                    if peer.cut_off >= half && connected.elapsed() >= half {
                        return "it is cut off from the coordinator";
                    }
                }
            };
            tokio::select! {
                () = lost => {}
                why = says_so => return why,
            }
        }
    }

    /// When a process may be evicted that was evicted before: a session timeout later if it has stood again since, for
    /// then it lives, or this witness is wrong. The other pods of a process that is gone stood before, and go at once.
    fn not_before(&self, ahead: &Ahead, session_timeout: Duration) -> Option<Instant> {
        let last = self.memory().evicted.get(ahead.who()).copied();
        last.filter(|(_, own)| ahead.sequence > *own).map(|(at, _)| at + session_timeout)
    }

    fn may_be_witnessed(&self, ahead: &Ahead) -> bool {
        if ahead.process.is_empty() {
            return false;
        }
        if ahead.is_at_home() {
            return !ahead.life.is_empty();
        }
        ahead.pod == self.pod
            || ahead.listens_here().is_some()
            || (!ahead.address.is_empty() && ahead.address != self.own_address)
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        // Sets can't be left half changed.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a pod is evicted that was killed by itself.
const KILLED: &str = "it was killed";

/// Waits until a pod of this process doesn't live any more.
async fn killed(life: &str) {
    if incarnation::lives().wait_for(|alive| !alive.contains_key(life)).await.is_err() {
        pending().await
    }
}

/// The candidates before this one, nearest first; `None` if the picture doesn't show it (yet).
fn ahead_of(candidacy: &Candidacy, nodes: &Nodes) -> Option<Vec<Ahead>> {
    let path = |name: &str| paths::candidate(name);
    let at = nodes.candidates.iter().position(|(name, _)| path(name) == candidacy.node())?;
    let ahead = |(name, candidate): &(String, Candidate)| Ahead {
        node: path(name),
        sequence: election::sequence(name).unwrap_or(i64::MAX),
        address: candidate.address.clone(),
        process: candidate.process.clone(),
        pod: candidate.pod.clone(),
        life: candidate.life.clone(),
        home: candidate.home.clone(),
    };
    Some(nodes.candidates[..at].iter().rev().map(ahead).collect())
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
