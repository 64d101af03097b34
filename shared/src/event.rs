//! Events of the array, causally ordered by Lamport stamps, and the messages a browser receives.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Stamp;
use crate::cluster::{ClusterView, JobProgress};
use crate::id::{ImageId, JobId, PodName};
use crate::job::Phase;

/// An event. Sorting by `stamp` never puts an effect before its cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Lamport stamp of the pod that caused or established the event.
    pub stamp: Stamp,
    /// That pod's wall clock, in ms since 1970; for display only, never a sort key.
    pub at: i64,
    /// The kind of event.
    #[serde(flatten)]
    pub what: What,
}

/// Kinds of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A pod's member znode appeared.
    PodJoined {
        /// The pod.
        pod: PodName,
    },
    /// A pod's member znode disappeared.
    PodLeft {
        /// The pod.
        pod: PodName,
    },
    /// A master acquired its epoch.
    Elected {
        /// The pod.
        pod: PodName,
        /// Its epoch.
        epoch: u64,
    },
    /// The master's election znode disappeared.
    LeaderLost {
        /// The pod that was master.
        pod: PodName,
    },
    /// A job's znodes were created.
    JobStarted {
        /// The job.
        job: JobId,
        /// Its image.
        image: ImageId,
    },
    /// A worker claimed a task.
    TaskClaimed {
        /// The job.
        job: JobId,
        /// The task's phase.
        phase: Phase,
        /// Index of the task within its phase.
        index: u32,
        /// The lock's holder.
        pod: PodName,
        /// Attempt number.
        attempt: u32,
    },
    /// A task's lock disappeared without a result.
    TaskFreed {
        /// The job.
        job: JobId,
        /// The task's phase.
        phase: Phase,
        /// Index of the task within its phase.
        index: u32,
        /// The lock's former holder.
        pod: PodName,
    },
    /// A task's result was committed.
    TaskDone {
        /// The job.
        job: JobId,
        /// The task's phase.
        phase: Phase,
        /// Index of the task within its phase.
        index: u32,
        /// The worker that committed it.
        pod: PodName,
    },
    /// A job's znodes are deleted or about to be; its image's page must refresh.
    JobEnded {
        /// The job.
        job: JobId,
        /// Its image.
        image: ImageId,
    },
    /// Images were added or deleted, or their jobs ended; the gallery must refresh.
    GalleryChanged,
    /// The serving pod lost or regained its connection to the coordinator.
    Connection {
        /// Whether it is connected now.
        connected: bool,
    },
}

/// Record in the data of `/cluster/leader`: events whose only trace is a znode's disappearance, which a later reader couldn't
/// see. The master writes the record in the same multi that causes the event, and every pod relays it to browsers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventLog {
    /// Record version of the writer.
    pub v: u32,
    /// Highest Lamport time of any event ever logged here.
    pub clock: u64,
    /// The last announced master, until the end of its term is established.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<Announced>,
    /// The members at the last write.
    pub members: Vec<Known>,
    /// Latest events, oldest first.
    pub events: Vec<Entry>,
    /// Fields of a later version, preserved as read.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A master that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// Pod name.
    pub pod: PodName,
    /// Name of its election znode.
    pub node: String,
}

/// A known member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Pod name.
    pub pod: PodName,
    /// Incarnation of the pod: see [`Member`](crate::cluster::Member).
    pub uuid: String,
}

/// Entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// An event known to this version.
    Event(Event),
    /// An event of a later version, preserved as read.
    Other(Value),
}

impl EventLog {
    /// Number of job events kept, and separately of all other events, so that many ending jobs don't push out the end of a
    /// term.
    pub const MAX_PER_KIND: usize = 48;

    /// Appends an event and drops the oldest of its kind beyond [`EventLog::MAX_PER_KIND`].
    pub fn push(&mut self, event: Event) {
        let of_job = |what: &What| matches!(what, What::JobEnded { .. });
        let kind = of_job(&event.what);
        self.clock = self.clock.max(event.stamp.clock);
        self.events.push(Entry::Event(event));
        let same = |entry: &Entry| match entry {
            Entry::Event(event) => of_job(&event.what) == kind,
            Entry::Other(_) => !kind,
        };
        if self.events.iter().filter(|entry| same(entry)).count() > Self::MAX_PER_KIND
            && let Some(oldest) = self.events.iter().position(same)
        {
            self.events.remove(oldest);
        }
    }

    /// Returns the events after a Lamport time that this version knows, oldest first.
    pub fn after(&self, clock: u64) -> impl Iterator<Item = &Event> {
        self.events.iter().filter_map(move |entry| match entry {
            Entry::Event(event) if event.stamp.clock > clock => Some(event),
            _ => None,
        })
    }
}

/// Message of `GET /api/events`. The variant is the server-sent event's name, the content its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", content = "data", rename_all = "lowercase")]
pub enum Message {
    /// The whole view: first on a stream, and after a gap.
    Snapshot(Box<ClusterView>),
    /// The view changed; sent at most a few times a second.
    Cluster(Box<ClusterView>),
    /// An event happened.
    Event(Event),
    /// A job made progress.
    Progress(JobMoved),
    /// The events between the browser's last id and the oldest one kept are lost; a snapshot follows.
    Gap(Gap),
}

impl Message {
    /// Returns the server-sent event's name.
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

/// Progress of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMoved {
    /// The job.
    pub job: JobId,
    /// Its image.
    pub image: ImageId,
    /// Current progress.
    #[serde(flatten)]
    pub progress: JobProgress,
}

/// Range of events that can't be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Last event id the browser received.
    pub after: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn event(clock: u64, what: What) -> Event {
        Event { stamp: Stamp { clock, pod: "a".parse().unwrap() }, at: 0, what }
    }

    fn ended() -> What {
        What::JobEnded { job: "0".repeat(32).parse().unwrap(), image: "1".repeat(32).parse().unwrap() }
    }

    #[test]
    fn ends_of_jobs_do_not_push_a_masters_end_out_of_the_log() {
        let mut log = EventLog::default();
        log.push(event(1, What::LeaderLost { pod: "b".parse().unwrap() }));
        for clock in 2..=EventLog::MAX_PER_KIND as u64 + 9 {
            log.push(event(clock, ended()));
        }
        let clocks: Vec<u64> = log.after(0).map(|event| event.stamp.clock).collect();
        assert_eq!((clocks.len(), clocks[0], clocks[1]), (EventLog::MAX_PER_KIND + 1, 1, 10));
        assert_eq!((log.clock, log.after(log.clock).count()), (EventLog::MAX_PER_KIND as u64 + 9, 0));
    }

    #[test]
    fn a_full_log_fits_into_a_znode() {
        let mut log = EventLog::default();
        let pod: PodName = "p".repeat(63).parse().unwrap();
        let stamp = |clock| Stamp { clock, pod: pod.clone() };
        for clock in 0..=EventLog::MAX_PER_KIND as u64 {
            let (clock, at) = (u64::MAX - 99 + clock, i64::MAX);
            log.push(Event { stamp: stamp(clock), at, what: ended() });
            log.push(Event { stamp: stamp(clock), at, what: What::Elected { pod: pod.clone(), epoch: u64::MAX } });
        }
        let length = serde_json::to_vec(&log).unwrap().len();
        assert!(length < 32 * 1024, "{length} bytes");
    }

    #[test]
    fn an_event_of_a_later_version_is_kept_and_not_relayed() {
        let written = r#"{"v":2,"clock":7,"members":[],"events":[{"what":"moon-landed","stamp":{"clock":7,"pod":"a"}}],"more":1}"#;
        let mut log: EventLog = serde_json::from_str(written).unwrap();
        assert_eq!(log.after(0).count(), 0);
        log.push(event(8, ended()));
        let text = serde_json::to_string(&log).unwrap();
        assert!(text.contains("moon-landed") && text.contains(r#""more":1"#), "{text}");
        assert_eq!(serde_json::from_str::<EventLog>("{}").unwrap(), EventLog::default());
    }
}
