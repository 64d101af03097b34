//! HTTP server of a pod: the JSON API, the pages, and the event streams that keep pages live.
//!
//! Every pod serves all of it. Reads need the catalog and this pod's view of the znodes; writes need the catalog and
//! the store. Nothing here needs a master.

// The type of a rendered page is nested as deeply as its elements.
#![recursion_limit = "256"]

pub mod live;
pub mod pods;
pub mod problem;

mod cluster;
mod compat;
mod connections;
mod downloads;
mod guard;
mod health;
mod images;
mod pages;
mod pictures;
mod router;
mod uploads;

use std::sync::Arc;

use catalog::Catalog;
use pipeline::compute::pixels::Pixels;
use pipeline::intake::accept::Accept;
use shared::cluster::ClusterView;
use store::Store;
use tokio::sync::watch;

pub use base::fault::FaultError;
pub use connections::clients::Clients;
pub use connections::listen;
pub use health::CutOff;
pub use live::hub::EventHub;
pub use pictures::renders::Renders;
pub use pods::faults::Faults;
pub use pods::logs::PodLogs;
pub use router::router;

/// State shared by all handlers. Cheap to clone.
#[derive(Clone)]
pub struct WebState {
    /// Catalog of images and jobs.
    pub catalog: Arc<dyn Catalog>,
    /// Store of the images' bytes.
    pub store: Store,
    /// Accepts uploads and enforces their limits.
    pub accept: Accept,
    /// Thread pool that renders pictures.
    pub pixels: Pixels,
    /// The array as this pod sees it.
    pub view: watch::Receiver<Arc<ClusterView>>,
    /// Measures how long this process has been cut off from the coordinator.
    pub cut_off: CutOff,
    /// Hub that streams and pages read this pod's messages from.
    pub events: EventHub,
    /// Injects faults into pods; `None` without `--allow-faults`.
    pub faults: Option<Arc<dyn Faults>>,
    /// Cache of rendered pictures.
    pub renders: Renders,
    /// Logs of all pods.
    pub logs: PodLogs,
    /// Limits that keep one client from starving the others.
    pub clients: Clients,
}
