//! Checks the write history of one array's znodes, transaction by transaction, against the guarantees.
//!
//! - Only the session that owns the lowest election node writes as master: anything else is a *stale commit*. (A write counts
//!   as a master's by its path, not by whether it carried a fence.)
//! - After a record of a newer epoch, no other session writes one of an older epoch.
//! - A task's result is committed once in the life of its znode, by the session that holds the lock, for the attempt that the
//!   task names.
//! - No znode is larger than 64 KiB.

use std::collections::BTreeMap;

use serde::Deserialize;
use shared::cluster::Candidate;
use shared::job::{Job, Phase};
use shared::task::{Done, Lock, MAX_STRIKES, Task};

use crate::txlog::{Change, Txn};

/// Size limit of a znode, in bytes.
const LARGEST: usize = 64 << 10;

/// One master's term, derived from its own writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Reign {
    /// The master.
    pub pod: String,
    /// Its epoch, as announced.
    pub epoch: u64,
    /// When its election node carried the epoch, in ms since 1970.
    pub announced: i64,
    /// When it first wrote below `/jobs`, in ms since 1970.
    pub acted: Option<i64>,
    /// When it first created a task, in ms since 1970.
    pub published: Option<i64>,
    session: i64,
}

/// Findings in the history of an array's znodes.
#[derive(Debug, Default)]
pub struct Findings {
    /// Writes of masters that no longer led, or of an older epoch after a newer one's.
    pub stale: Vec<String>,
    /// Tasks committed twice, or by a session that didn't hold them.
    pub twice: Vec<String>,
    /// Any other violation.
    pub wrong: Vec<String>,
    /// The terms, in order.
    pub reigns: Vec<Reign>,
    /// Number of election nodes deleted by another session.
    pub evictions: usize,
    /// Number of committed tasks.
    pub commits: usize,
    /// Size of the largest znode, in bytes.
    pub largest: usize,
    /// Znodes left below `/jobs`.
    pub left: Vec<String>,
    /// Locks that ended with their sessions.
    pub orphaned: Vec<Orphaned>,
}

/// A lock whose session ended before its task was finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphaned {
    /// The task's path.
    pub task: String,
    /// The pod that held it.
    pub pod: String,
    /// Time during which it was held, in ms since 1970.
    pub held: std::ops::RangeInclusive<i64>,
}

impl Findings {
    /// Returns whether a task of the job lost enough holders by death for the job to fail.
    pub fn is_struck_out(&self, job: &str, died: impl Fn(&Orphaned) -> bool) -> bool {
        let folder = format!("/jobs/{job}/");
        let mut deaths: BTreeMap<&str, usize> = BTreeMap::new();
        for lock in self.orphaned.iter().filter(|lock| lock.task.starts_with(&folder) && died(lock)) {
            *deaths.entry(&lock.task).or_default() += 1;
        }
        deaths.values().any(|deaths| *deaths >= MAX_STRIKES)
    }
}

struct Node {
    created: i64,
    time: i64,
    owner: Option<i64>,
    data: Vec<u8>,
}

/// Checks the transactions on the nodes below `chroot`.
pub fn judge(chroot: &str, txns: &[Txn]) -> Findings {
    let mut court = Court {
        chroot,
        nodes: BTreeMap::new(),
        committed: BTreeMap::new(),
        epochs: BTreeMap::new(),
        found: Findings::default(),
    };
    for txn in txns {
        court.hear(txn);
    }
    let mut found = court.found;
    found.left = court.nodes.into_keys().filter(|path| path.starts_with("/jobs/")).collect();
    found
}

struct Court<'a> {
    chroot: &'a str,
    nodes: BTreeMap<String, Node>,
    /// Committed tasks by path and creation time of the task, and whether the result was revoked.
    committed: BTreeMap<(String, i64), bool>,
    /// The highest epoch that each session wrote.
    epochs: BTreeMap<i64, u64>,
    found: Findings,
}

/// The kind of a node, derived from its path.
enum Kind<'a> {
    Candidate,
    Job,
    Phase,
    Task,
    Lock(&'a str),
    Done(&'a str),
    Other,
}

fn kind(path: &str) -> Kind<'_> {
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["cluster", "leader", _] => Kind::Candidate,
        ["jobs", _] => Kind::Job,
        ["jobs", _, phase] if phase.parse::<Phase>().is_ok() => Kind::Phase,
        ["jobs", _, _, _] => Kind::Task,
        ["jobs", _, _, _, "lock"] => Kind::Lock(path.trim_end_matches("/lock")),
        ["jobs", _, _, _, "done"] => Kind::Done(path.trim_end_matches("/done")),
        _ => Kind::Other,
    }
}

impl Court<'_> {
    fn hear(&mut self, txn: &Txn) {
        let changes: Vec<Change> = txn.changes.iter().filter_map(|change| self.own(change)).collect();
        if changes.is_empty() {
            return;
        }
        let by_master: Vec<&str> =
            changes.iter().filter(|change| is_masters(change)).filter_map(Change::path).collect();
        if let Some(path) = by_master.first()
            && self.leader() != Some(txn.session)
        {
            self.found
                .stale
                .push(format!("zxid {:x}: session {:x} led no more and wrote {path}", txn.zxid, txn.session));
        }
        for change in &changes {
            self.judge(txn, change);
            self.apply(txn, change);
        }
        if !by_master.is_empty()
            && let Some(reign) = self.found.reigns.iter_mut().rev().find(|reign| reign.session == txn.session)
        {
            reign.acted.get_or_insert(txn.time);
            if changes
                .iter()
                .any(|change| matches!(change, Change::Create { path, .. } if matches!(kind(path), Kind::Task)))
            {
                reign.published.get_or_insert(txn.time);
            }
        }
    }

    /// Returns the change with its path below the chroot, if it belongs to this array.
    fn own(&self, change: &Change) -> Option<Change> {
        let mut change = change.clone();
        match &mut change {
            Change::Close => {}
            Change::Check { path }
            | Change::Create { path, .. }
            | Change::Set { path, .. }
            | Change::Delete { path } => {
                let own = path.strip_prefix(self.chroot)?.to_owned();
                own.starts_with('/').then_some(())?;
                *path = own;
            }
        }
        Some(change)
    }

    /// Returns the session of the leader: the candidate with the lowest sequence.
    fn leader(&self) -> Option<i64> {
        let sequence = |path: &str| path.rsplit_once('-').and_then(|(_, number)| number.parse::<u64>().ok());
        let candidates = self.nodes.iter().filter(|(path, _)| matches!(kind(path), Kind::Candidate));
        candidates.filter_map(|(path, node)| Some((sequence(path)?, node.owner?))).min().map(|(_, owner)| owner)
    }

    fn judge(&mut self, txn: &Txn, change: &Change) {
        let Some(path) = change.path() else { return };
        if let Change::Create { data, .. } | Change::Set { data, .. } = change {
            self.found.largest = self.found.largest.max(data.len());
            if data.len() > LARGEST {
                self.found.wrong.push(format!("{path} has {} bytes", data.len()));
            }
        }
        match (kind(path), change) {
            (Kind::Candidate, Change::Set { data, .. }) => self.judge_announcement(txn, path, data),
            (Kind::Candidate, Change::Delete { .. }) => {
                let own = self.nodes.get(path).and_then(|node| node.owner) == Some(txn.session);
                self.found.evictions += usize::from(!own);
            }
            (Kind::Job, Change::Create { data, .. } | Change::Set { data, .. }) => {
                if let Some(job) = self.read::<Job>(path, data) {
                    self.judge_epoch(txn, path, job.epoch);
                }
            }
            (Kind::Done(task), Change::Create { data, .. }) => self.judge_commit(txn, task, data),
            (Kind::Done(task), Change::Delete { .. }) => {
                if let Some(created) = self.nodes.get(task).map(|node| node.created) {
                    self.committed.insert((task.to_owned(), created), false);
                }
            }
            _ => {}
        }
    }

    fn judge_announcement(&mut self, txn: &Txn, path: &str, data: &[u8]) {
        let Some(Candidate { pod, epoch: Some(epoch), .. }) = self.read(path, data) else { return };
        if self.leader() != Some(txn.session) {
            self.found.stale.push(format!("zxid {:x}: {pod} announced epoch {epoch} and doesn't lead", txn.zxid));
        }
        self.judge_epoch(txn, path, epoch);
        let known = self.found.reigns.iter().any(|reign| reign.session == txn.session && reign.epoch == epoch);
        if !known {
            let (pod, session) = (pod.to_string(), txn.session);
            self.found.reigns.push(Reign { pod, epoch, announced: txn.time, acted: None, published: None, session });
        }
    }

    fn judge_epoch(&mut self, txn: &Txn, path: &str, epoch: u64) {
        let newer = self.epochs.iter().find(|(session, newest)| **session != txn.session && **newest >= epoch);
        if let Some((session, newest)) = newer {
            let writer = txn.session;
            self.found.stale.push(format!(
                "zxid {:x}: session {writer:x} wrote {path} with epoch {epoch} after session {session:x} had written epoch {newest}",
                txn.zxid
            ));
        }
        let own = self.epochs.entry(txn.session).or_default();
        *own = (*own).max(epoch);
    }

    fn judge_commit(&mut self, txn: &Txn, path: &str, data: &[u8]) {
        self.found.commits += 1;
        let lock = self.nodes.get(&format!("{path}/lock")).and_then(|lock| lock.owner);
        if lock != Some(txn.session) {
            self.found.twice.push(format!(
                "zxid {:x}: session {:x} committed {path} without holding it (its lock: {lock:x?})",
                txn.zxid, txn.session
            ));
        }
        let Some(task) = self.nodes.get(path) else { return };
        let created = task.created;
        let attempt = serde_json::from_slice::<Task>(&task.data).map(|task| task.attempt).ok();
        if let Some(done) = self.read::<Done>(path, data)
            && attempt != Some(done.attempt)
        {
            self.found.twice.push(format!("{path} is at attempt {attempt:?}, committed was attempt {}", done.attempt));
        }
        if self.committed.insert((path.to_owned(), created), true) == Some(true) {
            self.found.twice.push(format!("zxid {:x}: {path} was committed twice", txn.zxid));
        }
    }

    fn apply(&mut self, txn: &Txn, change: &Change) {
        match change.clone() {
            Change::Check { .. } => {}
            Change::Create { path, data, ephemeral } => {
                let owner = ephemeral.then_some(txn.session);
                self.nodes.insert(path, Node { created: txn.zxid, time: txn.time, owner, data });
            }
            Change::Set { path, data } => {
                if let Some(node) = self.nodes.get_mut(&path) {
                    node.data = data;
                }
            }
            Change::Delete { path } => drop(self.nodes.remove(&path)),
            Change::Close => {
                for (path, node) in self.nodes.extract_if(.., |_, node| node.owner == Some(txn.session)) {
                    if let (Kind::Lock(task), Ok(lock)) = (kind(&path), serde_json::from_slice::<Lock>(&node.data)) {
                        let (task, pod) = (task.to_owned(), lock.pod.to_string());
                        self.found.orphaned.push(Orphaned { task, pod, held: node.time..=txn.time });
                    }
                }
            }
        }
    }

    fn read<T: for<'a> Deserialize<'a>>(&mut self, path: &str, data: &[u8]) -> Option<T> {
        match serde_json::from_slice(data) {
            Ok(record) => Some(record),
            Err(error) => {
                self.found.wrong.push(format!("{path} can't be read: {error}"));
                None
            }
        }
    }
}

/// Returns whether only a master makes this change.
fn is_masters(change: &Change) -> bool {
    let Some(path) = change.path() else { return false };
    match (kind(path), change) {
        (_, Change::Check { .. }) => false,
        (Kind::Job | Kind::Phase, _) => true,
        // Workers write a task's record when they claim and release it.
        (Kind::Task, Change::Create { .. } | Change::Delete { .. }) => true,
        (Kind::Done(_), Change::Delete { .. }) => true,
        _ => false,
    }
}
