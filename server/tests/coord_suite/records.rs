//! The format of the records that pods write.

use serde_json::Map;
use shared::clock::{Moment, Stamp};
use shared::cluster::{Candidate, Member};
use shared::id::PodName;
use shared::job::{Phase, Pointer};
use shared::task::{Done, Lock, Outcome, Task};

pub fn pod(name: &str) -> PodName {
    name.parse().unwrap()
}

pub fn stamp(name: &str, clock: u64) -> Stamp {
    Stamp { clock, pod: pod(name) }
}

pub fn moment() -> Moment {
    Moment { stamp: stamp("a", 1), at: 1 }
}

pub fn candidate(name: &str) -> Candidate {
    Candidate {
        v: 1,
        pod: pod(name),
        address: "127.0.0.1:3000".into(),
        process: "p".into(),
        life: String::new(),
        home: None,
        epoch: None,
        since: None,
        past: Vec::new(),
        stamp: stamp(name, 1),
    }
}

pub fn member(name: &str, uuid: &str) -> Member {
    Member {
        v: 1,
        pod: pod(name),
        uuid: uuid.into(),
        session: "1".into(),
        lease_ms: 4_000,
        address: "127.0.0.1:3000".into(),
        cores: 2,
        version: "0.1.0".into(),
        kinds: vec![Phase::Histograms],
        started: 1,
        leaving: false,
        faults: false,
        stamp: stamp(name, 1),
    }
}

pub fn task() -> Task {
    Task {
        v: 1,
        phase: Phase::Histograms,
        index: 0,
        first_part: 0,
        parts: 4,
        attempt: 0,
        strikes: Vec::new(),
        ends: std::collections::BTreeMap::new(),
        trouble: None,
        damaged: Vec::new(),
        claimed: None,
        freed: None,
        stamp: stamp("master", 1),
        extra: Map::from_iter([("later".to_owned(), 7.into())]),
    }
}

pub fn lock(name: &str, claim: &str) -> Lock {
    Lock { v: 1, pod: pod(name), claim: claim.into(), since: 1, stamp: stamp(name, 2) }
}

pub fn done(name: &str, attempt: u32) -> Done {
    let pointer = Pointer {
        key: format!("histograms/0.{attempt}"),
        bytes: 1,
        sha256: "0".repeat(64),
        table: None,
        notes: Vec::new(),
    };
    Done {
        v: 1,
        pod: pod(name),
        attempt,
        outcome: Outcome::Stored(pointer),
        started: 1,
        finished: 2,
        worked_ms: Some(1),
        stamp: stamp(name, 3),
    }
}
