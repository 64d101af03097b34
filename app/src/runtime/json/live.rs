//! Readers for the stream's messages, given by the names of their fields. The tests compare them with what the server writes.

use shared::clock::Stamp;
use shared::cluster::{
    Backlog, ClusterView, Ending, Failure, Fault, Health, JobProgress, JobView, Label, Leader, PhaseView, PodState,
    PodView, Reign, Room, TaskState, TaskView, UnexpectedZnode,
};
use shared::event::{Event, JobMoved, What};
use shared::id::{ImageId, JobId, PodName};
use shared::job::{Lane, Phase};
use shared::log::{LogId, LogKind, PodLine};

use crate::runtime::json::{Json, Read, records, texts, words};

texts!(ImageId, JobId, PodName, Phase, LogId);

words! {
    PodState { "up" => Up, "down" => Down }
    TaskState { "waiting" => Waiting, "running" => Running, "done" => Done, "quarantined" => Quarantined }
    Health { "ok" => Ok, "no-master" => NoMaster, "too-few-pods" => TooFewPods, "disconnected" => Disconnected }
    Fault { "killed" => Killed, "frozen" => Frozen, "disconnected" => Disconnected }
    Ending {
        "handed-over" => HandedOver, "stepped-down" => SteppedDown, "session-ended" => SessionEnded, "evicted" => Evicted,
    }
    Lane { "small" => Small, "large" => Large }
    LogKind { "line" => Line, "note" => Note }
}

records! {
    Stamp { clock, pod }
    Leader { pod, address, epoch, since, node, label }
    Reign { pod, epoch, since, until, end }
    PodView {
        pod, state, leads, session, lease_ms, address, cores, version, started, holds, leaving, faults, fault,
    }
    Failure { image, name, reason, at }
    UnexpectedZnode { path, reason }
    TaskView { index, state, attempt, strikes, pod, started, finished }
    PhaseView { phase, done, total, tasks }
    JobView { job, image, lane, epoch, started, phases }
    JobProgress { phase, done, total }
    Backlog { queued, running, oldest }
    Room { max_backlog, free, min_free, refused, outage }
    ClusterView {
        seen, at, health, min_pods, coordinator, leader, pods, jobs, backlog, room, past, failed, unexpected, cut_off,
        alert,
    }
    PodLine { pod, id, kind, at, text }
}

impl Read for Label {
    fn read(json: &Json) -> Option<Self> {
        json.text().map(|text| Label::from(text.to_owned()))
    }
}

impl Read for JobMoved {
    fn read(json: &Json) -> Option<Self> {
        Some(Self {
            job: Read::read(json.field("job"))?,
            image: Read::read(json.field("image"))?,
            // Flattened into the object.
            progress: Read::read(json)?,
        })
    }
}

impl Read for Event {
    fn read(json: &Json) -> Option<Self> {
        Some(Self { stamp: Read::read(json.field("stamp"))?, at: Read::read(json.field("at"))?, what: what(json)? })
    }
}

/// Reads the event's kind, which is flattened into the event.
fn what(json: &Json) -> Option<What> {
    let pod = || PodName::read(json.field("pod"));
    let job = || JobId::read(json.field("job"));
    let image = || ImageId::read(json.field("image"));
    let task = || Some((Phase::read(json.field("phase"))?, u32::read(json.field("index"))?));
    Some(match json.field("what").text()? {
        "pod-joined" => What::PodJoined { pod: pod()? },
        "pod-left" => What::PodLeft { pod: pod()? },
        "elected" => What::Elected { pod: pod()?, epoch: Read::read(json.field("epoch"))? },
        "leader-lost" => What::LeaderLost { pod: pod()? },
        "job-started" => What::JobStarted { job: job()?, image: image()? },
        "job-ended" => What::JobEnded { job: job()?, image: image()? },
        "task-claimed" => {
            let (phase, index) = task()?;
            What::TaskClaimed { job: job()?, phase, index, pod: pod()?, attempt: Read::read(json.field("attempt"))? }
        }
        "task-freed" => {
            let (phase, index) = task()?;
            What::TaskFreed { job: job()?, phase, index, pod: pod()? }
        }
        "task-done" => {
            let (phase, index) = task()?;
            What::TaskDone { job: job()?, phase, index, pod: pod()? }
        }
        "gallery-changed" => What::GalleryChanged,
        "connection" => What::Connection { connected: bool::read(json.field("connected"))? },
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn same<T: Read + PartialEq + std::fmt::Debug + serde::Serialize>(value: &T) {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(T::read(&Json::parse(&text).unwrap()).as_ref(), Some(value), "{text}");
    }

    fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(digit: char) -> T {
        digit.to_string().repeat(32).parse().unwrap()
    }

    fn pod(name: &str) -> PodName {
        name.parse().unwrap()
    }

    #[test]
    fn a_view_with_everything_in_it_is_read_as_the_server_writes_it() {
        let task = |state| TaskView {
            index: 3,
            state,
            attempt: 2,
            strikes: 1,
            pod: Some(pod("pod-2")),
            started: Some(5),
            finished: Some(1_795_353_802_071),
        };
        let states = [TaskState::Waiting, TaskState::Running, TaskState::Done, TaskState::Quarantined];
        let phase = PhaseView { phase: Phase::Histograms, done: 1, total: 4, tasks: states.map(task).to_vec() };
        let job =
            |lane| JobView { job: id('a'), image: id('b'), lane, epoch: 7, started: -1, phases: vec![phase.clone()] };
        let one = |state, fault| PodView {
            pod: pod("pod-1"),
            state,
            leads: true,
            session: "0x1".to_owned(),
            lease_ms: 4_000,
            address: "h:1".to_owned(),
            cores: 2,
            version: "0.1.0".to_owned(),
            started: 1,
            holds: 1,
            leaving: true,
            faults: true,
            fault,
        };
        let faults = [None, Some(Fault::Killed), Some(Fault::Frozen), Some(Fault::Disconnected)];
        let ends = [Ending::HandedOver, Ending::SteppedDown, Ending::SessionEnded, Ending::Evicted];
        let label = Some(Label::Failed("why".to_owned()));
        let full = ClusterView {
            seen: Stamp { clock: 9, pod: pod("pod-1") },
            at: 8,
            health: Health::Ok,
            min_pods: 2,
            coordinator: "zookeeper".to_owned(),
            leader: Some(Leader {
                pod: pod("pod-1"),
                address: String::new(),
                epoch: Some(3),
                since: Some(4),
                node: "n".to_owned(),
                label,
            }),
            pods: faults
                .iter()
                .flat_map(|fault| [PodState::Up, PodState::Down].map(|state| one(state, *fault)))
                .collect(),
            jobs: [Lane::Small, Lane::Large].map(job).to_vec(),
            backlog: Backlog { queued: 1, running: 2, oldest: Some(3) },
            room: Room { max_backlog: 1, free: Some(2), min_free: 3, refused: Some("full".to_owned()), outage: None },
            past: ends.map(|end| Reign { pod: pod("pod-9"), epoch: 1, since: 2, until: 3, end }).to_vec(),
            failed: vec![Failure { image: id('c'), name: "<b>".to_owned(), reason: "r".to_owned(), at: 1 }],
            unexpected: vec![UnexpectedZnode { path: "/jobs/x".to_owned(), reason: "r".to_owned() }],
            cut_off: Some(6),
            alert: Some("a backup was restored".to_owned()),
        };
        same(&full);
        for health in [Health::NoMaster, Health::TooFewPods, Health::Disconnected] {
            same(&ClusterView { health, leader: None, cut_off: None, alert: None, past: Vec::new(), ..full.clone() });
        }
    }

    #[test]
    fn every_event_and_message_is_read_as_the_server_writes_it() {
        let (job, image, phase, index, pod) = (id::<JobId>('a'), id::<ImageId>('b'), Phase::Split, 4, pod("pod-1"));
        let all = [
            What::PodJoined { pod: pod.clone() },
            What::PodLeft { pod: pod.clone() },
            What::Elected { pod: pod.clone(), epoch: 2 },
            What::LeaderLost { pod: pod.clone() },
            What::JobStarted { job: job.clone(), image: image.clone() },
            What::JobEnded { job: job.clone(), image: image.clone() },
            What::TaskClaimed { job: job.clone(), phase, index, pod: pod.clone(), attempt: 3 },
            What::TaskFreed { job: job.clone(), phase, index, pod: pod.clone() },
            What::TaskDone { job: job.clone(), phase, index, pod: pod.clone() },
            What::GalleryChanged,
            What::Connection { connected: true },
            What::Connection { connected: false },
        ];
        for what in all {
            same(&Event { stamp: Stamp { clock: 1, pod: pod.clone() }, at: 2, what });
        }
        same(&JobMoved { job, image, progress: JobProgress { phase, done: 1, total: 2 } });
        for kind in [LogKind::Line, LogKind::Note] {
            let id = LogId { at: 1_700_000_000_123_456_789, nth: 2 };
            same(&PodLine { pod: pod.clone(), id, kind, at: 5, text: "\u{1b}[33m WARN \"x\"".to_owned() });
        }
    }
}
