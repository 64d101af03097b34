//! What happened, in an order that every pod agrees on, and what a browser gets of it.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::cluster::{ClusterView, JobProgress};
use crate::id::{ImageId, JobId, PodName};
use crate::job::Phase;

/// One thing that happened. Sort by `stamp` and no cause stands after its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Lamport time, and the pod whose clock it was.
    pub stamp: Stamp,
    /// That pod's wall clock, in ms since 1970; shown, never sorted by.
    pub at: i64,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A pod's member znode appeared.
    PodJoined {
        /// The pod.
        pod: PodName,
    },
    /// A pod's member znode is gone.
    PodLeft {
        /// The pod.
        pod: PodName,
    },
    /// A master took its epoch.
    Elected {
        /// The pod.
        pod: PodName,
        /// Its epoch.
        epoch: u64,
    },
    /// The master's election znode is gone.
    LeaderLost {
        /// The pod that led.
        pod: PodName,
    },
    /// A job got its znodes.
    JobStarted {
        /// The job.
        job: JobId,
        /// Its image.
        image: ImageId,
    },
    /// A worker holds a task.
    TaskClaimed {
        /// The job.
        job: JobId,
        /// The task's phase.
        phase: Phase,
        /// The task's number in its phase.
        index: u32,
        /// The holder.
        pod: PodName,
        /// Which attempt it is.
        attempt: u32,
    },
    /// A lock vanished without a result.
    TaskFreed {
        /// The job.
        job: JobId,
        /// The task's phase.
        phase: Phase,
        /// The task's number in its phase.
        index: u32,
        /// Who held it.
        pod: PodName,
    },
    /// A task is committed.
    TaskDone {
        /// The job.
        job: JobId,
        /// The task's phase.
        phase: Phase,
        /// The task's number in its phase.
        index: u32,
        /// Who did it.
        pod: PodName,
    },
    /// A job's znodes are gone or it awaits their deletion: its image's page has news.
    JobEnded {
        /// The job.
        job: JobId,
        /// Its image.
        image: ImageId,
    },
    /// Images were added, deleted or have ended: the gallery has news.
    GalleryChanged,
    /// The serving pod lost or regained the coordinator.
    Connection {
        /// Whether it is connected now.
        connected: bool,
    },
}

/// A message of `GET /api/events`. The server-sent event's name is the variant's, its data the content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", content = "data", rename_all = "lowercase")]
pub enum Message {
    /// The whole view: first thing on a stream, and after a gap.
    Snapshot(Box<ClusterView>),
    /// The view changed; at most a few times a second.
    Cluster(Box<ClusterView>),
    /// Something happened.
    Event(Event),
    /// A job moved on.
    Progress(JobMoved),
    /// Events between the browser's last id and the oldest that is kept are lost; a snapshot follows.
    Gap(Gap),
}

impl Message {
    /// The server-sent event's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Message::Snapshot(_) => "snapshot",
            Message::Cluster(_) => "cluster",
            Message::Event(_) => "event",
            Message::Progress(_) => "progress",
            Message::Gap(_) => "gap",
        }
    }
}

/// A job moved on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMoved {
    /// The job.
    pub job: JobId,
    /// Its image.
    pub image: ImageId,
    /// How far it is.
    #[serde(flatten)]
    pub progress: JobProgress,
}

/// Which ids can't be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last id that the browser had.
    pub after: String,
}
