//! Replays the coordinator's journal: the effect of each transaction on the tree, and whether it was allowed.

use std::collections::{BTreeMap, BTreeSet};

use server::coord::election::sequence;
use server::coord::embedded::journal::{Became, Cause, Transaction};
use server::coord::{SessionId, paths};
use shared::job::Job;
use shared::task::{Done, Outcome, Task};

use crate::history::History;

/// Size limit of a znode, in bytes.
const MAX_ZNODE: usize = 64 << 10;

/// The kind of a node below `/jobs`, derived from its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Job,
    Phase,
    Task,
    Lock,
    Done,
}

fn node(path: &str) -> Option<Node> {
    let below = path.strip_prefix(paths::JOBS)?.strip_prefix('/')?;
    match below.split('/').collect::<Vec<_>>().as_slice() {
        [_] => Some(Node::Job),
        [_, _] => Some(Node::Phase),
        [_, _, _] => Some(Node::Task),
        [_, _, _, "lock"] => Some(Node::Lock),
        [_, _, _, "done"] => Some(Node::Done),
        _ => None,
    }
}

/// The replayed tree, and the violations found.
#[derive(Default)]
pub struct Ledger {
    nodes: BTreeMap<String, (Vec<u8>, Option<SessionId>)>,
    epoch: u64,
    /// Keys of the results that any claim committed.
    pub committed: BTreeSet<String>,
    /// Locks that ended with a session: task and session.
    pub lost_locks: Vec<(String, SessionId)>,
    pub commits: u64,
    pub stale_commits: u64,
    pub stale_writes: u64,
    pub wrong: Vec<String>,
}

impl Ledger {
    /// Replays a journal.
    pub fn of(journal: &[Transaction], history: &History) -> Self {
        let mut ledger = Self::default();
        for transaction in journal {
            // The test's own sessions aren't checked.
            if history.owner(transaction.session).is_some() {
                ledger.judge(transaction);
            }
            transaction.changes.iter().for_each(|change| ledger.apply(&change.path, &change.became));
        }
        ledger
    }

    fn judge(&mut self, transaction: &Transaction) {
        let session = transaction.session;
        let leader = self.leader();
        for change in &transaction.changes {
            let path = change.path.as_str();
            let Some(kind) = node(path) else { continue };
            if transaction.cause == Cause::End {
                if kind == Node::Lock {
                    self.lost_locks.push((path.trim_end_matches("/lock").to_owned(), session));
                }
                continue;
            }
            let mine = matches!(
                (&change.became, kind),
                (_, Node::Job | Node::Phase)
                    | (Became::Created { .. } | Became::Deleted, Node::Task)
                    | (Became::Deleted, Node::Done)
            );
            if mine && leader != Some(session) {
                self.stale_writes += 1;
                self.wrong.push(format!("session {session} wrote {path} as a master, while {leader:?} led"));
            }
            if let (Became::Created { data, .. }, Node::Done) = (&change.became, kind) {
                self.judge_commit(path, data, session);
            }
        }
    }

    fn judge_commit(&mut self, path: &str, data: &[u8], session: SessionId) {
        let task_path = path.trim_end_matches("/done");
        self.commits += 1;
        let done: Done = serde_json::from_slice(data).unwrap();
        let holder = self.nodes.get(&paths::lock(task_path)).and_then(|(_, owner)| *owner);
        let task = self.nodes.get(task_path).map(|(data, _)| serde_json::from_slice::<Task>(data).unwrap());
        let attempt = task.map(|task| task.attempt);
        if holder != Some(session) || attempt != Some(done.attempt) {
            self.stale_commits += 1;
            self.wrong.push(format!(
                "session {session} committed attempt {} of {task_path}; the lock was {holder:?}'s, the attempt {attempt:?}",
                done.attempt
            ));
        }
        if let Outcome::Stored(pointer) = done.outcome
            && !self.committed.insert(pointer.key.clone())
        {
            self.wrong.push(format!("{} was committed twice", pointer.key));
        }
    }

    fn apply(&mut self, path: &str, became: &Became) {
        match became {
            Became::Created { data, .. } | Became::Set { data } if data.len() > MAX_ZNODE => {
                self.wrong.push(format!("{path} has {} bytes", data.len()));
            }
            _ => {}
        }
        match became {
            Became::Created { data, owner } => {
                self.nodes.insert(path.to_owned(), (data.clone(), *owner));
            }
            Became::Set { data } => {
                if let Some((before, _)) = self.nodes.get_mut(path) {
                    before.clone_from(data);
                }
            }
            Became::Deleted => drop(self.nodes.remove(path)),
        }
        if let (Some(Node::Job), Became::Created { data, .. } | Became::Set { data }) = (node(path), became) {
            let epoch = serde_json::from_slice::<Job>(data).unwrap().epoch;
            if epoch < self.epoch {
                self.stale_writes += 1;
                self.wrong.push(format!("{path} was written with epoch {epoch} after one with {}", self.epoch));
            }
            self.epoch = self.epoch.max(epoch);
        }
    }

    /// Returns the session with the lowest election node.
    pub fn leader(&self) -> Option<SessionId> {
        let prefix = format!("{}/", paths::LEADER);
        let candidates = self.nodes.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let numbered = candidates.filter_map(|(path, (_, owner))| Some((sequence(&path[prefix.len()..])?, *owner)));
        numbered.min_by_key(|(sequence, _)| *sequence).and_then(|(_, owner)| owner)
    }
}
