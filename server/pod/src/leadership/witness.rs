//! The witness: a waiting candidate monitors the process of its predecessor in the election, and evicts that election node when
//! the process is gone or reports that it is cut off, instead of waiting until its session expires.
//!
//! When a process dies, its kernel resets its connections and refuses new ones. So each waiting candidate keeps one idle
//! connection to its predecessor's HTTP server. When it breaks, the witness connects again; the process is gone if it refuses
//! twice, or if another incarnation answers in its place (`/healthz` names the incarnation that answers, and the candidate's
//! record the one that is a candidate). When the leader and the next candidate die together, each eviction makes the candidate
//! before it the predecessor, until this candidate leads; those further ahead were probed once while they lived.
//!
//! When all other processes die together, the next candidate may not have probed any of them. No earlier probe is needed where
//! there is better evidence. The former incarnation of the witness's own pod is gone, since the new one runs. For a process on
//! the same host (the same kernel and network namespace), the kernel shows whether the socket that it listened on still exists.
//! Another incarnation with the same pod at the announced address is evidence as well. When a fault injection killed a single
//! pod, its process reports it.
//!
//! A process that receives nothing from ZooKeeper, while ZooKeeper receives from it, renews its session with every reconnect
//! attempt for 7/5 of the timeout, and then the servers wait for another timeout. But the process knows that it is cut off, and
//! reports it when asked. After half a session timeout of that, during which the witness itself was connected, it is evicted as
//! well.
//!
//! # Why a wrong eviction is harmless
//! An eviction deletes an election node, in a multi that checks the witness's own node
//! ([`Fence::evict`](coord::fence::Fence::evict)). A leader that is still alive is deposed: its fence rejects its next
//! write, nothing is lost, and it becomes a candidate again. The cost is one change of masters, and a process that becomes a
//! candidate again is not evicted again within a session timeout.
//!
//! # Hazards
//! - *Slow is not gone*: the kernel still accepts connections of a process that is stopped, overloaded or paused; a full accept
//!   queue drops them, and a lost route times out. Only *refused* counts. In all other cases the session decides.
//! - *The address leads elsewhere*: loopback addresses announced to other machines, proxies, NAT, a service in front of many
//!   pods. A process is judged by its address only after it has answered there as the announced incarnation, or if it is on the
//!   same host.
//! - *Pods of one process* live and die together, unless a fault injection kills a single one, which the process knows: the own
//!   process and address are never probed.
//! - *Two processes with the same pod name* would evict each other, at most once per session timeout.
//! - *NAT and firewalls* drop idle connections silently. Then the death goes unnoticed here, and the session's end reveals it.
//! - *A server that closes idle connections*, or that closes after each answer, is probed with growing pauses: no busy loop.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::pending;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::backoff::jitter;
use base::causes::chain;
use base::incarnation;
use coord::election::{self, Candidacy};
use coord::{Coordinator, paths, settle};
use shared::cluster::{Candidate, Home};
use shared::id::PodName;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::peer::{Answer, CONNECT_TIMEOUT, ask, closed};
use crate::mirror::Nodes;

/// Pause between the two refusals that together mean that a process is gone.
const REFUSAL_INTERVAL: Duration = Duration::from_millis(40);
/// Pause after the second inconclusive probe (the first is repeated at once), doubled after each further one. Short at first,
/// because a process that dies before it has answered once can't be evicted.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// Longest pause between two probes.
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// A connection that lasted this long shows that the address works: the next break is probed at once.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// Longest interval of checks whether a process is cut off or its pod was killed.
const WATCH_INTERVAL: Duration = Duration::from_millis(200);

/// The witness of one session's candidacies.
pub(super) struct Witness {
    pod: PodName,
    own_address: String,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Processes that have answered at their announced address.
    known: HashSet<String>,
    /// When each process was last evicted, with the sequence of this pod's candidacy that evicted it.
    evicted: HashMap<String, (Instant, i64)>,
    /// Election nodes that this witness has removed.
    removed: HashSet<String>,
}

/// A candidate ahead of this one.
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
    /// Returns the address at which a process on this host listens; `None` for processes on other hosts.
    fn listens_here(&self) -> Option<String> {
        let home = self.home.as_ref().filter(|home| home.host == incarnation::host())?;
        let mut address: SocketAddr = home.listens.parse().ok()?;
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        Some(address.to_string())
    }

    /// Returns the id of what dies as a unit: the pod's life if it has one, since a single pod can be killed; otherwise the
    /// process.
    fn who(&self) -> &str {
        if self.life.is_empty() { &self.process } else { &self.life }
    }

    /// Returns whether it is a pod of this process.
    fn is_at_home(&self) -> bool {
        self.process == incarnation::id()
    }
}

impl Witness {
    pub(super) fn new(pod: PodName, own_address: String) -> Self {
        Self { pod, own_address, memory: Mutex::default() }
    }

    /// Returns whether this witness removed an election node.
    pub(super) fn has_evicted(&self, node: &str) -> bool {
        self.memory().removed.contains(node)
    }

    /// Watches the predecessor of this candidacy, whichever it is, and evicts it when it is gone.
    ///
    /// # Cancellation
    /// Safe, and the only way to end it. An eviction in flight may still take effect.
    ///
    /// # On connection loss
    /// Continues after the reconnect.
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

    /// Probes every candidate ahead of the predecessor once while they live, so that they can be evicted if they die together
    /// with it.
    async fn greet(&self, candidacy: &Candidacy, mut nodes: watch::Receiver<Arc<Nodes>>) {
        let entered = nodes.wait_for(|nodes| ahead_of(candidacy, nodes).is_some()).await.map(|nodes| nodes.clone());
        let Ok(entered) = entered else { return };
        let others = ahead_of(candidacy, &entered).unwrap_or_default();
        for ahead in others.iter().skip(1).filter(|ahead| !ahead.is_at_home() && self.may_be_witnessed(ahead)) {
            if let Ok(Answer::Peer(peer, _)) = timeout(CONNECT_TIMEOUT, ask(&ahead.address)).await
                && peer.process == ahead.process
            {
                self.note_answer(ahead);
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
                // If the mirror has ended, the session is ending.
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

    /// Watches one process and evicts it when it is gone.
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
                        "evicting the candidate ahead"
                    );
                    let own = candidacy.node().rsplit('/').next().and_then(election::sequence).unwrap_or(i64::MIN);
                    self.memory().evicted.insert(ahead.who().to_owned(), (Instant::now(), own));
                    if evicted {
                        self.memory().removed.insert(ahead.node.clone());
                    }
                    // Its node is gone; the caller moves on to the next predecessor.
                    pending::<()>().await;
                }
                // The mirror shows whether it took effect; if it didn't, the process is watched again.
                Err(error) => {
                    tracing::info!(node = ahead.node, error = %chain(&error), why, "eviction outcome unknown")
                }
            }
        }
    }

    /// Waits until a process is known to be gone.
    async fn gone(&self, ahead: &Ahead) {
        // A former incarnation of this pod: it is gone, since this one runs.
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
                    self.note_answer(ahead);
                    closed(connection).await;
                    if begun.elapsed() >= STABLE_AFTER {
                        pause = Duration::ZERO;
                    }
                }
                Answer::Peer(peer, _) if known || peer.has(&ahead.pod) => return,
                Answer::Refused if known => {
                    sleep(REFUSAL_INTERVAL).await;
                    if matches!(ask(address).await, Answer::Refused) {
                        return;
                    }
                }
                Answer::Peer(..) | Answer::Refused | Answer::Nothing => {}
            }
            sleep(pause.mul_f64(0.5 + jitter())).await;
            pause = (pause * 2).clamp(RECONNECT_PAUSE, LONGEST_PAUSE);
        }
    }

    /// Notes that a process answered at its announced address, so that a refusal there proves that it is gone.
    fn note_answer(&self, ahead: &Ahead) {
        if self.memory().known.insert(ahead.process.clone()) {
            tracing::debug!(process = ahead.process, address = ahead.address, "candidate ahead answers");
        }
    }

    /// Waits until a process reports that it has been cut off from the coordinator for half a session timeout, during which
    /// this process was connected. If both are cut off, the coordinator is to blame.
    async fn cut_off(&self, ahead: &Ahead, coordinator: &dyn Coordinator) -> &'static str {
        let half = coordinator.session_timeout() / 2;
        let mut states = coordinator.states();
        loop {
            if settle::connected(coordinator).await.is_err() {
                pending::<()>().await;
            }
            let connected = Instant::now();
            states.mark_unchanged();
            // Any disconnect counts, however short.
            let lost = async { drop(states.changed().await) };
            let says_so = async {
                loop {
                    sleep((half / 4).min(WATCH_INTERVAL)).await;
                    let answer = timeout(CONNECT_TIMEOUT, ask(&ahead.address)).await;
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

    /// Returns the earliest time at which a process that was evicted before may be evicted again: one session timeout later if
    /// it has become a candidate again since, because then it is alive or this witness is wrong. Other pods of a process that
    /// is gone were candidates before, and are evicted at once.
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
        // Every update is atomic, so a poisoned lock holds valid data.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reason for evicting a pod that a fault injection killed.
const KILLED: &str = "it was killed";

/// Waits until a pod of this process no longer lives.
async fn killed(life: &str) {
    if incarnation::lives().wait_for(|alive| !alive.contains_key(life)).await.is_err() {
        pending().await
    }
}

/// Returns the candidates ahead of this one, nearest first; `None` if the mirror doesn't show this one (yet).
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
