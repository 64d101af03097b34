//! Kubernetes: the master's pod says so by its label, and every pod reads what the others say.
//!
//! `master-service` selects `role=master`, so whom it routes to follows from labels, and labels are written by whoever
//! leads. Nothing else depends on them: work, acceptance and readiness go on whatever the API does.
//!
//! # Hazards, and what is done about them
//! - **A deposed master that still labels** (frozen, cut off, or late): each label carries the epoch of the master that
//!   wrote it, as the annotation `evenlight/epoch`. Whoever reads a higher epoch than its own on any of our pods writes
//!   nothing. What was read is the precondition of what is written (`resourceVersion`), and a new master first writes its
//!   epoch to *every* pod and only then calls itself master: so whatever an older one has read is out of date by then, and
//!   its late writes are refused with 409, also those that it sent before and that are still under way.
//! - **Conflicts** (409) also come from the kubelet, which writes a pod's status at any time: read again, decide again.
//! - **An unknown outcome** (a request that wasn't answered in time may be done, or may be done later): read again,
//!   decide again. A late one meets another `resourceVersion`.
//! - **A master that is gone** (its node dead, its API lost) can't take its label back: the next one does.
//! - **A process that came back in its pod** (kill -9; Kubernetes starts the container again and the labels stay): it
//!   doesn't lead, so it calls itself a worker.
//! - **Pods deleted meanwhile**: 404 is as good as relabelled.
//! - **The API is away, or forbids it** (403): tried again, ever slower; the page says why; nothing waits for it.
//! - **A watch that ends, breaks or forgot where it was** (410): listed anew. A watch that says nothing though it should:
//!   everything is listed anew now and then.
//! - **Somebody else's cluster**: outside a cluster nothing is written or shown unless a pod of this name is there.
//! - **Epochs that begin anew** (another catalog under running pods) are lower than the pods' annotations: the page says
//!   so; pods that are replaced carry none.
//!
//! It knows nothing of ZooKeeper or the catalog: whether this pod leads comes through a channel.

mod connect;
mod error;
mod follow;
mod join;
mod label;
mod labeler;
mod lines;
mod pods;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use shared::cluster::Labels;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use connect::{ConnectError, connect};
pub use label::{EPOCH, ROLE};

use crate::logs::LogBook;
use labeler::Labeler;
use pods::Seen;

/// What the module is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The name of this process's pod.
    pub pod: String,
    /// Selects the pods that are ours.
    pub selector: String,
    /// The container whose log is read.
    pub container: String,
    /// Whether this process runs in the cluster; if not, nothing happens unless its pod is there all the same.
    pub inside: bool,
}

/// Which master this pod is: its epoch; `None` while it isn't.
pub type Leadership = Option<u64>;

/// The running tasks. They end when this is dropped.
pub struct Kubernetes {
    labels: watch::Receiver<Option<Labels>>,
    book: LogBook,
    _tasks: JoinSet<()>,
}

impl Kubernetes {
    /// Starts to watch, to label and to read logs. Asks nothing before it returns.
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

    /// What the labels say; `None` as long as this isn't our cluster.
    pub fn labels(&self) -> watch::Receiver<Option<Labels>> {
        self.labels.clone()
    }

    /// The logs of all pods.
    pub fn logs(&self) -> LogBook {
        self.book.clone()
    }
}
