//! The master's pulse: a liveness probe of the master's process, for display.
//!
//! An election node stays until its session ends, seconds after its pod fell silent. The page must show it sooner, so the
//! observer requests the master's `/healthz` a few times per second. The answer is displayed and decides nothing.
//!
//! # Hazards
//! - *The address leads elsewhere* (NAT, a proxy, a loopback address announced to another machine): a process counts as silent
//!   only after it has answered at its address as the announced incarnation.
//! - *This process was paused or is starved*: its timers are late, so a round that took too long is ignored.
//! - *Pods of one process* share its pulse and live or die together; faults injected into them are known without probing.

use std::sync::Arc;
use std::time::Duration;

use base::incarnation;
use shared::cluster::Candidate;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::leadership::peer::{Peer, ask};
use crate::mirror::Nodes;

/// Pause between two probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(300);
/// Probe timeout.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// A round that exceeds its timeout by more than this is ignored.
const LATE_AFTER: Duration = Duration::from_millis(150);
/// A master cut off from the coordinator for this long counts as silent.
const CUT_OFF: Duration = Duration::from_millis(500);

/// Probes the master's process forever. `silent` holds the election node of a master that doesn't answer.
///
/// # Cancellation
/// Safe.
pub(super) async fn follow(nodes: watch::Receiver<Arc<Nodes>>, silent: watch::Sender<Option<String>>) {
    let mut known = String::new();
    loop {
        sleep(PROBE_INTERVAL).await;
        let leader = nodes.borrow().candidates.first().cloned().filter(|(_, leader)| can_be_asked(leader));
        let Some((node, leader)) = leader else {
            silent.send_if_modified(|silent| silent.take().is_some());
            continue;
        };
        let began = Instant::now();
        let peer = timeout(PROBE_TIMEOUT, ask(&leader.address)).await.ok().and_then(|answer| answer.peer());
        if began.elapsed() > PROBE_TIMEOUT + LATE_AFTER {
            continue;
        }
        let is_heard = peer.as_ref().is_some_and(|peer| is_well(peer, &leader));
        if is_heard && known != leader.process {
            tracing::debug!(process = leader.process, address = leader.address, "the master's process answers");
            known.clone_from(&leader.process);
        }
        let found = (!is_heard && known == leader.process).then_some(node);
        silent.send_if_modified(|silent| std::mem::replace(silent, found.clone()) != found);
    }
}

/// Returns whether the candidate leads, in another process than this one.
fn can_be_asked(leader: &Candidate) -> bool {
    leader.epoch.is_some() && !leader.process.is_empty() && leader.process != incarnation::id()
}

fn is_well(peer: &Peer, leader: &Candidate) -> bool {
    peer.process == leader.process && peer.cut_off < CUT_OFF
}
