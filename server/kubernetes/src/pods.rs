//! The array's pods and their relevant state, kept up to date by a watch.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use tokio::sync::watch;

use super::error::{Trouble, root};
use super::settings::Settings;

/// The label selected by `master-service`.
pub const ROLE: &str = "role";
/// The annotation with the epoch of the master that last wrote the label.
pub const EPOCH: &str = "evenlight/epoch";

/// Timeout of a watch, in seconds; bounds how long a silently dead watch goes unnoticed.
const WATCH_TIMEOUT_SECONDS: u32 = 60;

/// Relevant state of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sibling {
    pub(super) name: String,
    pub(super) uid: String,
    /// `resourceVersion` as read: the precondition of a write.
    pub(super) version: Option<String>,
    /// Value of the label `role`.
    pub(super) role: Option<String>,
    /// Epoch of the master that last wrote the label.
    pub(super) epoch: Option<u64>,
    /// State of its container.
    pub(super) container: Instance,
}

/// The current start of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Instance {
    /// Number of restarts.
    pub(super) restarts: u32,
    /// Whether it has started, so that a log exists.
    pub(super) begun: bool,
    /// How the previous start ended.
    pub(super) before: Option<End>,
}

/// End of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Time, in ns since 1970.
    pub(super) at: i64,
    /// Description, such as `exit code 137 (OOMKilled)`.
    pub(super) how: String,
}

/// The array's pods, as last seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Pods by name; `None` until they have been listed once.
    pub(super) pods: Option<Arc<BTreeMap<String, Sibling>>>,
    /// Why they can't be watched at the moment.
    pub(super) trouble: Option<String>,
}

impl Seen {
    /// Returns the pod of this name.
    pub(super) fn pod(&self, name: &str) -> Option<&Sibling> {
        self.pods.as_ref()?.get(name)
    }
}

impl Sibling {
    /// Extracts the relevant state from a pod's object.
    pub(super) fn of(pod: &Pod, container: &str) -> Self {
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            version: pod.resource_version(),
            role: pod.labels().get(ROLE).cloned(),
            epoch: pod.annotations().get(EPOCH).and_then(|epoch| epoch.parse().ok()),
            container: Instance::of(pod, container),
        }
    }
}

impl Instance {
    fn of(pod: &Pod, container: &str) -> Self {
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
        let Some(status) = statuses.and_then(|all| all.iter().find(|status| status.name == container)) else {
            return Self::default();
        };
        let now = status.state.as_ref();
        let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        Self {
            restarts: u32::try_from(status.restart_count).unwrap_or(0),
            begun: now.is_some_and(|state| state.running.is_some() || state.terminated.is_some()) || before.is_some(),
            before: before.map(End::of),
        }
    }
}

impl End {
    fn of(ended: &ContainerStateTerminated) -> Self {
        let reason = ended.reason.as_deref().filter(|reason| !matches!(*reason, "Error" | "Completed"));
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let at = ended.finished_at.as_ref().map_or(0, |time| nanoseconds(time.0));
        Self { at, how: format!("exit code {}{reason}", ended.exit_code) }
    }
}

/// Converts to ns since 1970.
pub(super) fn nanoseconds(time: k8s_openapi::jiff::Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Keeps `seen` up to date, indefinitely.
///
/// # On connection loss
/// Resumes the watch where it ended, or starts from a fresh list, with a backoff while that fails.
pub(super) async fn watch(api: Api<Pod>, settings: Arc<Settings>, seen: watch::Sender<Seen>) {
    let config = watcher::Config::default().labels(&settings.selector).timeout(WATCH_TIMEOUT_SECONDS);
    let mut events = pin!(watcher(api, config).default_backoff());
    let mut listing = BTreeMap::new();
    while let Some(event) = events.next().await {
        let sibling = |pod: &Pod| Sibling::of(pod, &settings.container);
        match event {
            Ok(Event::Init) => listing.clear(),
            Ok(Event::InitApply(pod)) => {
                listing.insert(pod.name_any(), sibling(&pod));
            }
            Ok(Event::InitDone) => {
                let pods = Some(Arc::new(std::mem::take(&mut listing)));
                seen.send_replace(Seen { pods, trouble: None });
            }
            Ok(Event::Apply(pod)) => change(&seen, |pods| {
                pods.insert(pod.name_any(), sibling(&pod));
            }),
            Ok(Event::Delete(pod)) => change(&seen, |pods| {
                pods.remove(&pod.name_any());
            }),
            Err(error) => note(&seen, error),
        }
    }
}

fn change(seen: &watch::Sender<Seen>, change: impl FnOnce(&mut BTreeMap<String, Sibling>)) {
    seen.send_modify(|seen| {
        change(Arc::make_mut(seen.pods.get_or_insert_default()));
        seen.trouble = None;
    });
}

/// Records why the watch failed. A watch that must be listed again (410) is no failure.
fn note(seen: &watch::Sender<Seen>, error: watcher::Error) {
    let trouble = match error {
        watcher::Error::WatchError(status) if status.code == 410 => return,
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => Trouble::from(error).to_string(),
        other => root(&other),
    };
    tracing::debug!(trouble, "watch on our pods failed; retrying");
    seen.send_if_modified(|seen| {
        let trouble = Some(format!("can't watch our pods: {trouble}"));
        let changed = seen.trouble != trouble;
        seen.trouble = trouble;
        changed
    });
}
