//! The candidate: enters the election, leads while it may, and enters again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use base::incarnation::{self, Life};
use coord::election::Candidacy;
use coord::{Coordinator, Error, ensure_skeleton, settle};
use shared::cluster::{Candidate, Home};
use shared::job::RECORD_VERSION;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::succession::{self, Memory};
use super::witness::Witness;
use crate::context::Pod;
use crate::master::term::Master;
use crate::mirror::Mirror;

/// How long a master that has handed over stays a member, so that the others see why its term ended.
const LEAVING_GRACE: Duration = Duration::from_millis(100);

/// Takes part in the election until `stop` or the session's end. On `stop`, the election node is deleted first, so that a
/// successor leads while this pod still finishes its tasks.
pub(crate) async fn stand(
    pod: Arc<Pod>,
    coordinator: Arc<dyn Coordinator>,
    mirror: Arc<Mirror>,
    (memory, life): (&Memory, &Life),
    stop: CancellationToken,
) {
    let witness = Witness::new(pod.config.name.clone(), pod.config.address.clone());
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    while !stop.is_cancelled() {
        match candidacy(&pod, &coordinator, &mirror, (&witness, memory, life), &stop).await {
            Ok(()) => backoff.reset(),
            Err(error) if error.is_terminal() => return,
            Err(error) => {
                tracing::warn!(pod = %pod.config.name, error = %chain(&error), "candidacy ended; standing again");
                backoff.wait_until(&stop).await;
                if settle::connected(&*coordinator).await.is_err() {
                    return;
                }
                // The parent of the election nodes may have been deleted.
                if matches!(error, Error::NoNode(_))
                    && let Err(error) = ensure_skeleton(&*coordinator).await
                {
                    tracing::warn!(pod = %pod.config.name, error = %chain(&error), "recreating the base znodes failed");
                }
            }
        }
    }
}

/// Runs one candidacy, from creating its node to its end.
async fn candidacy(
    pod: &Arc<Pod>,
    coordinator: &Arc<dyn Coordinator>,
    mirror: &Arc<Mirror>,
    (witness, memory, life): (&Witness, &Memory, &Life),
    stop: &CancellationToken,
) -> Result<(), Error> {
    let candidate = Candidate {
        v: RECORD_VERSION,
        pod: pod.config.name.clone(),
        address: pod.config.address.clone(),
        process: incarnation::id().to_owned(),
        life: life.id().to_owned(),
        home: home(&pod.config.listens),
        epoch: None,
        since: None,
        past: Vec::new(),
        stamp: pod.stamp(),
    };
    let candidacy = Candidacy::enter(coordinator.clone(), &candidate).await?;
    let led = AtomicBool::new(false);
    let outcome = tokio::select! {
        never = witness.keep(&candidacy, &**coordinator, mirror.nodes()) => match never {},
        won = candidacy.wait_to_lead() => match won {
            Ok(()) => {
                led.store(true, Ordering::Relaxed);
                let remembering = succession::remember(pod, &**coordinator, mirror, &candidacy, witness, memory);
                tokio::select! {
                    never = remembering => match never {},
                    ended = lead(pod, coordinator, mirror, &candidacy, candidate, stop) => ended,
                }
            }
            Err(error) => Err(error),
        },
        () = stop.cancelled() => Ok(()),
    };
    let hands_over = stop.is_cancelled() && led.load(Ordering::Relaxed);
    if hands_over {
        let nodes = mirror.nodes().borrow().clone();
        succession::say_leaving(pod, &**coordinator, &nodes).await;
    }
    // In every case, this node must not block the next candidate.
    candidacy.resign().await?;
    if hands_over {
        // Let the others see the `leaving` mark before the member node is gone.
        tokio::time::sleep(LEAVING_GRACE).await;
    }
    outcome
}

/// Returns the host and listening address of this process, if known.
fn home(listens: &str) -> Option<Home> {
    let host = incarnation::host();
    let known = !host.is_empty() && !listens.is_empty();
    known.then(|| Home { host: host.to_owned(), listens: listens.to_owned() })
}

async fn lead(
    pod: &Arc<Pod>,
    coordinator: &Arc<dyn Coordinator>,
    mirror: &Arc<Mirror>,
    candidacy: &Candidacy,
    candidate: Candidate,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let name = &pod.config.name;
    let _told = Told(&pod.config.leadership);
    let master = Master::new(pod.clone(), coordinator.clone(), mirror.clone(), candidacy);
    let hand_over = master.hand_over();
    tokio::select! {
        ended = master.run(candidate) => tracing::warn!(pod = %name, reason = %chain(&ended), "no longer master"),
        () = candidacy.lost() => tracing::warn!(pod = %name, reason = "the election node is gone", "no longer master"),
        () = stop.cancelled() => {
            tracing::info!(pod = %name, reason = "stopping", "handing over");
            // In its own task: the end of the drain time must not cut it short.
            if let Err(panic) = tokio::spawn(hand_over).await {
                tracing::error!(pod = %name, %panic, "recording the orderly stop panicked");
            }
        }
    }
    Ok(())
}

/// Clears the published leadership when dropped, so that it ends with the term in every case, even when the session is dropped.
struct Told<'a>(&'a watch::Sender<Option<u64>>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
