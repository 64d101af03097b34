//! The succession: the former masters and why their terms ended. The mirror of a session records masters that are gone, and the
//! next master writes them into its own record, so that every pod knows them.

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::wall::now;
use coord::election::Candidacy;
use coord::{Coordinator, members, paths};
use shared::cluster::{Candidate, Ending};

use super::witness::Witness;
use crate::context::Pod;
use crate::mirror::leader_history::LeaderHistory;
use crate::mirror::{Mirror, Nodes};

/// How long a stopping pod tries to mark itself as leaving before it hands over.
const LEAVING_TIMEOUT: Duration = Duration::from_secs(1);

/// The last master that a pod saw, kept from one session to the next.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Option<LeaderHistory>>);

impl Memory {
    /// Keeps what the ending session saw.
    pub(crate) fn keep(&self, nodes: &Nodes) {
        if let Some(led) = &nodes.led {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(led.clone());
        }
    }

    fn last(&self) -> Option<LeaderHistory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writes the previous masters into this leader's own record, once it is announced. Nothing waits for it.
///
/// # Cancellation
/// Safe: the record then lacks the previous masters.
pub(super) async fn remember(
    pod: &Pod,
    coordinator: &dyn Coordinator,
    mirror: &Mirror,
    candidacy: &Candidacy,
    witness: &Witness,
    memory: &Memory,
) -> Infallible {
    let mut nodes = mirror.nodes();
    let own = |nodes: &Arc<Nodes>| {
        nodes.led.as_ref().is_some_and(|led| paths::candidate(&led.node) == candidacy.node() && led.gone.is_none())
    };
    let announced = nodes.wait_for(own).await.map(|nodes| nodes.clone());
    if let Ok(announced) = announced
        && let Some(led) = &announced.led
        && let Some(mut before) = announced.before.clone().or_else(|| memory.last())
        && before.node != led.node
    {
        if witness.has_evicted(&paths::candidate(&before.node)) {
            let at = before.gone.map_or_else(now, |(at, _)| at);
            before.gone = Some((at, Ending::Evicted));
        }
        let record = Candidate { past: before.past(), ..led.record.clone() };
        if let Err(error) = candidacy.fence().announce(coordinator, &record).await {
            tracing::info!(pod = %pod.config.name, ?error, "recording the previous leader failed");
        }
    }
    pending().await
}

/// Marks this pod as leaving, before it hands over.
pub(super) async fn say_leaving(pod: &Pod, coordinator: &dyn Coordinator, nodes: &Nodes) {
    let session = coordinator.session().to_string();
    let own = nodes.members.iter().find(|member| member.pod == pod.config.name && member.session == session);
    let Some(member) = own else { return };
    let said = tokio::time::timeout(LEAVING_TIMEOUT, members::say_leaving(coordinator, member)).await;
    if !matches!(said, Ok(Ok(_))) {
        tracing::debug!(pod = %pod.config.name, "handing over without announcing it");
    }
}
