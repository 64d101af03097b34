//! Pod context: configuration, services and clock, which all roles of a pod share.

use std::sync::Arc;
use std::time::Duration;

use base::wall::now;
use catalog::Catalog;
use coord::Connector;
use pipeline::stages::context::TaskContext;
use shared::clock::{Clock, Moment, Stamp};
use shared::id::PodName;
use tokio::sync::watch;

use super::slots::Slots;

/// Pod configuration.
#[derive(Debug, Clone)]
pub struct PodConfig {
    /// Pod name.
    pub name: PodName,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Address of the listening socket of the pod's process.
    pub listens: String,
    /// Master: minimum number of live pods; with fewer, queued jobs wait.
    pub min_pods: usize,
    /// Master: images with fewer pixels than this become a single task.
    pub whole_below: u64,
    /// Master: parts per task, if the operator sets it.
    pub parts_per_task: Option<u32>,
    /// Master: maximum number of jobs that have znodes at the same time.
    pub max_active_jobs: usize,
    /// Master: an upload without activity for this long is abandoned.
    pub abandon_after: Duration,
    /// Master: how long deleted images are kept, so that the deletion can be undone.
    pub keep_deleted: Duration,
    /// Time limit of one task's work on a pixel thread.
    pub task_time: Duration,
    /// Time limit of all tasks of a job together.
    pub image_time: Duration,
    /// Master: interval between sweeps of the store.
    pub sweep_every: Duration,
    /// Master: how long an object that no row knows stays in quarantine.
    pub orphan_grace: Duration,
    /// Mean pause after the first failed attempt; doubled after each further failure, up to 64 times this value.
    pub backoff: Duration,
    /// How long a stopping pod waits for its running tasks.
    pub drain: Duration,
    /// Whether the process accepts injected faults for this pod.
    pub faults: bool,
    /// Publishes the epoch that this pod announced as master, or `None` when it isn't master.
    pub leadership: watch::Sender<Option<u64>>,
}

impl PodConfig {
    /// Returns the configuration of a pod of this name with the defaults of `evenlight serve`.
    pub fn named(name: PodName) -> Self {
        Self {
            name,
            address: String::new(),
            listens: String::new(),
            min_pods: 1,
            whole_below: 1_000_000,
            parts_per_task: None,
            max_active_jobs: 8,
            abandon_after: Duration::from_secs(15 * 60),
            keep_deleted: Duration::from_secs(24 * 60 * 60),
            task_time: Duration::from_secs(30 * 60),
            image_time: Duration::from_secs(12 * 60 * 60),
            sweep_every: Duration::from_secs(10 * 60),
            orphan_grace: Duration::from_secs(24 * 60 * 60),
            backoff: Duration::from_millis(100),
            drain: Duration::from_secs(20),
            faults: false,
            leadership: watch::Sender::new(None),
        }
    }
}

/// A pod.
pub struct Pod {
    /// Pod configuration.
    pub config: PodConfig,
    /// Opens sessions with the coordinator.
    pub connector: Arc<dyn Connector>,
    /// Durable backlog.
    pub catalog: Arc<dyn Catalog>,
    /// Store, pixel threads and limits.
    pub task_context: TaskContext,
    /// Free pixel threads of the process; a task is claimed only while holding one.
    pub slots: Slots,
    /// Lamport clock, shared by all lives of this pod in this process and by events that the process records in its name.
    pub clock: Arc<Clock>,
}

impl Pod {
    /// Returns a new stamp for an event of this pod.
    pub fn stamp(&self) -> Stamp {
        Stamp { clock: self.clock.tick(), pod: self.config.name.clone() }
    }

    /// Returns a new stamp together with the wall-clock time.
    pub fn moment(&self) -> Moment {
        Moment { stamp: self.stamp(), at: now() }
    }
}
