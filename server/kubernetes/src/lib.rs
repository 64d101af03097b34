//! Kubernetes integration: labels the master's pod, and reads the logs of all pods.
//!
//! `master-service` selects `role=master`, so its routing follows the labels, which the master writes. Nothing else depends on
//! them: work, acceptance and readiness continue whatever the API does.
//!
//! # Hazards, and how they are handled
//! - **A deposed master that still labels** (frozen, partitioned, or late): each label carries its writer's epoch in the
//!   annotation `evenlight/epoch`. A master that reads an epoch higher than its own on any of the array's pods writes nothing.
//!   Each write has the state that was read as its precondition (`resourceVersion`), and a new master first writes its epoch to
//!   *every other* pod and only then labels itself master. By then everything an older master has read is out of date, and its
//!   late writes are rejected with 409, including those already in flight.
//! - **Conflicts** (409) also come from the kubelet, which may write a pod's status at any time: read again, decide again.
//! - **An unknown outcome** (a request that timed out may have run, or may run later): read again, decide again. A late request
//!   meets another `resourceVersion`.
//! - **A master that is gone** (its node dead, its API unreachable) can't remove its label: the next master does.
//! - **A process restarted in its pod** (kill -9; Kubernetes restarts the container and the labels stay): it doesn't lead, so
//!   it labels itself worker.
//! - **Pods deleted meanwhile**: 404 is as good as relabelled.
//! - **The API is unreachable, or forbids the request** (403): retried with a backoff; the page shows the reason; nothing waits
//!   for it.
//! - **A watch that ends, breaks or lost its position** (410): list again. A watch that is silent though it shouldn't be:
//!   everything is listed again periodically.
//! - **A foreign cluster**: outside a cluster nothing is written or shown unless a pod of this name exists.
//! - **Epochs that start over** (another catalog under running pods) are lower than the pods' annotations: the page shows it;
//!   replaced pods carry none.
//!
//! The module knows nothing of ZooKeeper or the catalog: a channel tells it whether this pod leads.

mod connect;
mod error;
mod follow;
mod join;
mod label;
mod labeler;
mod lines;
mod pods;
mod settings;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use logs::LogBook;
use shared::cluster::Labels;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use connect::{ConnectError, connect};
pub use label::Leadership;
pub use pods::{EPOCH, ROLE};
pub use settings::Settings;

use labeler::Labeler;
use pods::Seen;

/// The running tasks; dropping this stops them.
pub struct Kubernetes {
    labels: watch::Receiver<Option<Labels>>,
    book: LogBook,
    _tasks: JoinSet<()>,
}

impl Kubernetes {
    /// Starts to watch, to label and to read logs. Sends no request before it returns.
    pub fn start(client: Client, settings: Settings, leadership: watch::Receiver<Leadership>) -> Self {
        let settings = Arc::new(settings);
        let api: Api<Pod> = Api::default_namespaced(client);
        let (seen, watched) = watch::channel(Seen::default());
        let (trouble, troubled) = watch::channel(None);
        let (publish, labels) = watch::channel(None);
        let book = LogBook::default();
        let labeler = Labeler::new(api.clone(), settings.clone(), watched.clone(), leadership, trouble);
        let mut tasks = JoinSet::new();
        tasks.spawn(pods::watch(api.clone(), settings.clone(), seen));
        tasks.spawn(labeler.run());
        tasks.spawn(label::publish(settings.clone(), watched.clone(), troubled, publish));
        tasks.spawn(follow::all(api, settings, watched, book.clone()));
        Self { labels, book, _tasks: tasks }
    }

    /// A receiver of the labels as read; `None` as long as this cluster isn't known to be the array's.
    pub fn labels(&self) -> watch::Receiver<Option<Labels>> {
        self.labels.clone()
    }

    /// Returns the logs of all pods.
    pub fn logs(&self) -> LogBook {
        self.book.clone()
    }
}
