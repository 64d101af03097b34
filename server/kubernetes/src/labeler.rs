//! Reconciler of the pods' labels.

use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;

use super::error::{Trouble, answered};
use super::label::{Change, Leadership, Plan, plan};
use super::pods::{EPOCH, ROLE, Seen, Sibling};
use super::settings::Settings;

/// Interval between rescans without a trigger.
const RESCAN_INTERVAL: Duration = Duration::from_secs(30);
/// Maximum number of immediate retries after conflicts.
const MAX_CONFLICT_RETRIES: u32 = 8;
/// Number of pods written concurrently.
const AT_ONCE: usize = 16;

/// Why the labels aren't as they should be.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the pod {0} has been labelled by a later master, of epoch {1}")]
    Superseded(String, u64),
    #[error("no pod {0} matches the selector")]
    Absent(String),
    #[error("can't write the label of {pod}: {trouble}")]
    Write {
        pod: String,
        #[source]
        trouble: Trouble,
    },
    #[error("can't list our pods: {0}")]
    List(#[source] Trouble),
}

impl Failure {
    fn is_conflict(&self) -> bool {
        matches!(self, Failure::Write { trouble: Trouble::Conflict, .. })
    }
}

/// The labelling task.
pub(super) struct Labeler {
    api: Api<Pod>,
    settings: Arc<Settings>,
    seen: watch::Receiver<Seen>,
    leadership: watch::Receiver<Leadership>,
    /// The current failure, for the page.
    trouble: watch::Sender<Option<String>>,
}

impl Labeler {
    pub(super) fn new(
        api: Api<Pod>,
        settings: Arc<Settings>,
        seen: watch::Receiver<Seen>,
        leadership: watch::Receiver<Leadership>,
        trouble: watch::Sender<Option<String>>,
    ) -> Self {
        Self { api, settings, seen, leadership, trouble }
    }

    /// Reconciles indefinitely: when the leadership changes, when the watch shows a deviation, and periodically. After a
    /// failure it backs off, unless the leadership changes.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        loop {
            let leads = *self.leadership.borrow_and_update();
            // From here on the watch shows states at least as new as the next list.
            self.seen.mark_unchanged();
            let outcome = self.reconcile(leads).await;
            self.tell(leads, &outcome);
            let wait = match outcome {
                Ok(()) => {
                    backoff.reset();
                    RESCAN_INTERVAL
                }
                Err(_) => backoff.pause(),
            };
            tokio::select! {
                changed = self.leadership.changed() => {
                    // The sender is gone: the pod has ended.
                    if changed.is_err() { return }
                    backoff.reset();
                }
                () = deviation(&mut self.seen, &self.settings.pod, leads), if outcome.is_ok() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Reads the pods and writes the necessary changes; reads again after a conflict.
    async fn reconcile(&self, leads: Leadership) -> Result<(), Failure> {
        let mut conflicts = 0;
        loop {
            match self.once(leads).await {
                Err(failure) if failure.is_conflict() && conflicts < MAX_CONFLICT_RETRIES => conflicts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn once(&self, leads: Leadership) -> Result<(), Failure> {
        let params = ListParams::default().labels(&self.settings.selector);
        let pods = answered(self.api.list(&params)).await.map_err(Failure::List)?;
        let pods: Vec<Sibling> = pods.iter().map(|pod| Sibling::of(pod, &self.settings.container)).collect();
        match plan(&self.settings.pod, leads, pods.iter()) {
            // Outside a cluster: not the array's cluster, nothing to do.
            Plan::Absent if !self.settings.inside => Ok(()),
            Plan::Absent => Err(Failure::Absent(self.settings.pod.clone())),
            Plan::Superseded { pod, epoch } => Err(Failure::Superseded(pod, epoch)),
            Plan::Write { others, own } => self.write(others, own).await,
        }
    }

    /// Writes first to the other pods, then to its own: by then everything an older master has read is out of date. A pod that
    /// can't be written doesn't keep this one from labelling itself: two masters in a Service are better than only a dead one.
    async fn write(&self, others: Vec<Change>, own: Option<Change>) -> Result<(), Failure> {
        let written: Vec<_> =
            stream::iter(others).map(|change| self.patch(change)).buffer_unordered(AT_ONCE).collect().await;
        let others = written.into_iter().find_map(Result::err);
        if let Some(conflict) = others.as_ref().filter(|failure| failure.is_conflict()) {
            tracing::debug!(%conflict, "label conflict; reading the pods again");
            return others.map_or(Ok(()), Err);
        }
        if let Some(own) = own {
            let role = own.role;
            self.patch(own).await?;
            tracing::info!(pod = self.settings.pod, role, "labelled");
        }
        others.map_or(Ok(()), Err)
    }

    async fn patch(&self, change: Change) -> Result<(), Failure> {
        let mut metadata = json!({ "resourceVersion": change.version, "labels": { ROLE: change.role } });
        if let Some(epoch) = change.epoch {
            metadata["annotations"] = json!({ EPOCH: epoch.to_string() });
        }
        let (params, body) = (PatchParams::default(), Patch::Merge(json!({ "metadata": metadata })));
        match answered(self.api.patch_metadata(&change.pod, &params, &body)).await {
            Ok(_) => Ok(()),
            // Another pod that is gone carries no label any more.
            Err(Trouble::Gone) if change.pod != self.settings.pod => Ok(()),
            Err(trouble) => Err(Failure::Write { pod: change.pod, trouble }),
        }
    }

    fn tell(&self, leads: Leadership, outcome: &Result<(), Failure>) {
        let why = outcome.as_ref().err().map(ToString::to_string);
        self.trouble.send_if_modified(|told| {
            let changed = *told != why;
            if let Some(why) = why.as_ref().filter(|_| changed) {
                tracing::warn!(pod = self.settings.pod, epoch = leads, why, "setting the label `role` failed");
            }
            *told = why;
            changed
        });
    }
}

/// Waits for a watch event after which a label needs changing. Each event triggers at most one reading of the pods, however
/// late it arrives.
async fn deviation(seen: &mut watch::Receiver<Seen>, me: &str, leads: Leadership) {
    while seen.changed().await.is_ok() {
        let pods = seen.borrow_and_update().pods.clone();
        let plan = pods.map(|pods| plan(me, leads, pods.values()));
        if plan.is_some_and(|plan| plan != Plan::nothing() && plan != Plan::Absent) {
            return;
        }
    }
    // The watch has ended: leave it to the caller's timer.
    std::future::pending().await
}
