//! What happened in a run, in its order: lines for people, facts for the checker, counts for the report.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use server::catalog::{Epoch, Write};
use server::coord::SessionId;
use tokio::time::Instant;

/// What the checker judges, besides the coordinator's own journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The catalog gave this epoch to a candidacy.
    Epoch(Epoch),
    /// A master's write to the catalog was answered: its epoch, which write, of what.
    Fenced { epoch: Epoch, name: &'static str, what: String, write: Write },
    /// Somebody who may marked the job to run again.
    Requeued { job: String },
}

/// One line of the history.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Duration,
    pub who: String,
    pub what: String,
}

/// What happened in a run.
pub struct History {
    begun: Instant,
    lines: Mutex<Vec<Line>>,
    facts: Mutex<Vec<Fact>>,
    faults: Mutex<BTreeMap<&'static str, u64>>,
    owners: Mutex<HashMap<SessionId, String>>,
    crashed: Mutex<Vec<SessionId>>,
    overslept: Mutex<Vec<SessionId>>,
    operations: AtomicU64,
    store_faults: AtomicU64,
    refused_commits: AtomicU64,
    refused_writes: AtomicU64,
    numbers: AtomicU32,
}

impl History {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            lines: Mutex::default(),
            facts: Mutex::default(),
            faults: Mutex::default(),
            owners: Mutex::default(),
            crashed: Mutex::default(),
            overslept: Mutex::default(),
            operations: AtomicU64::new(0),
            store_faults: AtomicU64::new(0),
            refused_commits: AtomicU64::new(0),
            refused_writes: AtomicU64::new(0),
            numbers: AtomicU32::new(0),
        }
    }

    /// A line for people.
    pub fn tell(&self, who: &str, what: impl FnOnce() -> String) {
        let line = Line { at: self.begun.elapsed(), who: who.to_owned(), what: what() };
        self.lines.lock().unwrap().push(line);
    }

    /// A fact for the checker.
    pub fn note(&self, fact: Fact) {
        self.facts.lock().unwrap().push(fact);
    }

    /// A fault of this kind was played.
    pub fn count(&self, kind: &'static str) {
        *self.faults.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// An operation was run.
    pub fn operation(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// A fault was played on the store.
    pub fn store_fault(&self) {
        self.store_faults.fetch_add(1, Ordering::Relaxed);
    }

    pub fn store_faults(&self) -> u64 {
        self.store_faults.load(Ordering::Relaxed)
    }

    /// The coordinator refused the commit of a claim that was lost.
    pub fn refused_commit(&self) {
        self.refused_commits.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused_commits(&self) -> u64 {
        self.refused_commits.load(Ordering::Relaxed)
    }

    /// The coordinator refused a deposed master's write.
    pub fn refused_write(&self) {
        self.refused_writes.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused_writes(&self) -> u64 {
        self.refused_writes.load(Ordering::Relaxed)
    }

    pub fn owns(&self, session: SessionId, pod: &str, number: u32) {
        self.owners.lock().unwrap().insert(session, format!("{pod}.{number}"));
    }

    pub fn crashed(&self, sessions: &[SessionId]) {
        self.crashed.lock().unwrap().extend_from_slice(sessions);
    }

    /// Whether the session's pod crashed while it had it.
    pub fn has_crashed(&self, session: SessionId) -> bool {
        self.crashed.lock().unwrap().contains(&session)
    }

    /// Sessions whose pod stood still until they ended.
    pub fn overslept(&self, sessions: &[SessionId]) {
        self.overslept.lock().unwrap().extend_from_slice(sessions);
    }

    /// Whether the session's pod stood still until it ended.
    pub fn has_overslept(&self, session: SessionId) -> bool {
        self.overslept.lock().unwrap().contains(&session)
    }

    /// The life that a session belongs to; `None` if it is the test's own.
    pub fn owner(&self, session: SessionId) -> Option<String> {
        self.owners.lock().unwrap().get(&session).cloned()
    }

    /// A number that nobody had.
    pub fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    pub fn facts(&self) -> Vec<Fact> {
        self.facts.lock().unwrap().clone()
    }

    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// How often a fault was played, by kind.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.faults.lock().unwrap().clone()
    }

    /// How often faults of these kinds were played.
    pub fn faults_of(&self, kinds: &[&str]) -> u64 {
        self.faults.lock().unwrap().iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, count)| count).sum()
    }
}
