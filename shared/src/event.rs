//! What happened, in an order that every pod agrees on, and what a browser gets of it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// The record in the data of `/cluster/leader`: events that nothing else tells, since what tells them is that a znode is gone.
/// The master writes it, in the very multi that makes an event so, and every pod relays it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventLog {
    /// Version of the writer's records.
    pub v: u32,
    /// Lamport time of the last event that was ever in it.
    pub clock: u64,
    /// The master that was announced last, until it is known to lead no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<Announced>,
    /// The members that were there when it was written last.
    pub members: Vec<Known>,
    /// The latest events, oldest first.
    pub events: Vec<Entry>,
    /// Fields of a later version, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A master that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// The pod.
    pub pod: PodName,
    /// Its election znode's name.
    pub node: String,
}

/// A member that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The pod.
    pub pod: PodName,
    /// The start of the pod: see [`Member`](crate::cluster::Member).
    pub uuid: String,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// One that this version knows.
    Event(Event),
    /// One of a later version, kept as it came.
    Other(Value),
}

impl EventLog {
    /// Events of jobs that are kept, and as many of everything else: many jobs that end don't push a master's end out.
    pub const KEPT: usize = 48;

    /// Adds an event, and forgets the oldest of its kind above [`EventLog::KEPT`].
    pub fn push(&mut self, event: Event) {
        let of_job = |what: &What| matches!(what, What::JobEnded { .. });
        let kind = of_job(&event.what);
        self.clock = self.clock.max(event.stamp.clock);
        self.events.push(Entry::Event(event));
        let same = |entry: &Entry| match entry {
            Entry::Event(event) => of_job(&event.what) == kind,
            Entry::Other(_) => !kind,
        };
        if self.events.iter().filter(|entry| same(entry)).count() > Self::KEPT
            && let Some(oldest) = self.events.iter().position(same)
        {
            self.events.remove(oldest);
        }
    }

    /// The events later than a Lamport time that this version knows, oldest first.
    pub fn after(&self, clock: u64) -> impl Iterator<Item = &Event> {
        self.events.iter().filter_map(move |entry| match entry {
            Entry::Event(event) if event.stamp.clock > clock => Some(event),
            _ => None,
        })
    }
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
        for clock in 2..=EventLog::KEPT as u64 + 9 {
            log.push(event(clock, ended()));
        }
        let clocks: Vec<u64> = log.after(0).map(|event| event.stamp.clock).collect();
        assert_eq!((clocks.len(), clocks[0], clocks[1]), (EventLog::KEPT + 1, 1, 10));
        assert_eq!((log.clock, log.after(log.clock).count()), (EventLog::KEPT as u64 + 9, 0));
    }

    #[test]
    fn a_full_log_fits_into_a_znode() {
        let mut log = EventLog::default();
        let pod: PodName = "p".repeat(63).parse().unwrap();
        let stamp = |clock| Stamp { clock, pod: pod.clone() };
        for clock in 0..=EventLog::KEPT as u64 {
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
