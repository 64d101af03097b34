//! The history of a run: lines for people, facts for the checker, counts for the report.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use server::coord::SessionId;
use tokio::time::Instant;

/// Facts that the checker uses in addition to the coordinator's journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A candidacy took this epoch.
    Epoch { n: i64, candidacy: String },
    /// A master's fenced write to the catalog was answered.
    Fenced { candidacy: String, name: &'static str, what: String, applied: bool },
    /// A master learned that another candidacy holds the epoch, after a fenced write that changed nothing.
    NotMine { candidacy: String },
    /// A client's retry queued the job again.
    Requeued { job: String },
}

/// One line of the history.
#[derive(Debug, Clone)]
pub struct Line {
    pub at: Duration,
    pub who: String,
    pub what: String,
}

/// The history of a run.
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

    /// Adds a line for people.
    pub fn tell(&self, who: &str, what: impl FnOnce() -> String) {
        let line = Line { at: self.begun.elapsed(), who: who.to_owned(), what: what() };
        self.lines.lock().unwrap().push(line);
    }

    /// Adds a fact for the checker.
    pub fn note(&self, fact: Fact) {
        self.facts.lock().unwrap().push(fact);
    }

    /// Counts an injected fault of this kind.
    pub fn count(&self, kind: &'static str) {
        *self.faults.lock().unwrap().entry(kind).or_default() += 1;
    }

    /// Counts an operation.
    pub fn operation(&self) {
        self.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an injected fault of the store.
    pub fn store_fault(&self) {
        self.store_faults.fetch_add(1, Ordering::Relaxed);
    }

    pub fn store_faults(&self) -> u64 {
        self.store_faults.load(Ordering::Relaxed)
    }

    /// Counts the commit of a lost claim that the coordinator rejected.
    pub fn refused_commit(&self) {
        self.refused_commits.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused_commits(&self) -> u64 {
        self.refused_commits.load(Ordering::Relaxed)
    }

    /// Counts a deposed master's write that the coordinator rejected.
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

    /// Returns whether the session's pod crashed while it had the session.
    pub fn has_crashed(&self, session: SessionId) -> bool {
        self.crashed.lock().unwrap().contains(&session)
    }

    /// Records sessions whose pod was paused until they ended.
    pub fn overslept(&self, sessions: &[SessionId]) {
        self.overslept.lock().unwrap().extend_from_slice(sessions);
    }

    /// Returns whether the session's pod was paused until the session ended.
    pub fn has_overslept(&self, session: SessionId) -> bool {
        self.overslept.lock().unwrap().contains(&session)
    }

    /// Returns the life that a session belongs to; `None` for the test's own sessions.
    pub fn owner(&self, session: SessionId) -> Option<String> {
        self.owners.lock().unwrap().get(&session).cloned()
    }

    /// Returns an unused number.
    pub fn number(&self) -> u32 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Returns the time since the run started.
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

    /// Returns the number of injected faults by kind.
    pub fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.faults.lock().unwrap().clone()
    }

    /// Returns the number of injected faults of these kinds.
    pub fn faults_of(&self, kinds: &[&str]) -> u64 {
        self.faults.lock().unwrap().iter().filter(|(kind, _)| kinds.contains(kind)).map(|(_, count)| count).sum()
    }
}
