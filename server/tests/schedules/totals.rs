//! Totals of all runs, for the last line and the report.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::history::History;

/// Sums over runs. The names are those in `schedules.json`.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Totals {
    /// Number of runs.
    pub seeds: u64,
    /// Operations of pods on coordinator, catalog and store.
    pub operations: u64,
    /// Virtual seconds.
    pub seconds: u64,
    /// Injected faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Uploads answered with 202.
    pub acknowledged: u64,
    /// Of these: ended in one result with the oracle's bytes.
    pub done: u64,
    /// Of these: ended in a failure with a reason that the faults justify.
    pub failed: u64,
    /// Of these: deleted by their client.
    pub deleted: u64,
    /// Of these: none of the above.
    pub lost: u64,
    /// Duplicate images or results.
    pub duplicated: u64,
    /// Epochs taken.
    pub epochs: u64,
    /// Tasks committed.
    pub commits: u64,
    /// Commits of lost claims that took effect.
    pub stale_commits: u64,
    /// Commits of lost claims that were rejected.
    pub refused_commits: u64,
    /// Writes of deposed masters that took effect.
    pub stale_writes: u64,
    /// Writes of deposed masters that the coordinator rejected.
    pub refused_coordinator: u64,
    /// Writes of deposed masters that the catalog rejected.
    pub refused_catalog: u64,
}

impl Totals {
    /// Adds the counts of a run's history.
    pub fn add_history(&mut self, history: &History) {
        self.seeds += 1;
        self.operations += history.operations();
        self.seconds += history.elapsed().as_secs();
        self.refused_commits += history.refused_commits();
        self.refused_coordinator += history.refused_writes();
        for (kind, count) in history.faults() {
            *self.faults.entry(kind.to_owned()).or_default() += count;
        }
    }

    /// Adds the totals of another thread's runs.
    pub fn add(&mut self, other: &Totals) {
        let numbers = [
            (&mut self.seeds, other.seeds),
            (&mut self.operations, other.operations),
            (&mut self.seconds, other.seconds),
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.done, other.done),
            (&mut self.failed, other.failed),
            (&mut self.deleted, other.deleted),
            (&mut self.lost, other.lost),
            (&mut self.duplicated, other.duplicated),
            (&mut self.epochs, other.epochs),
            (&mut self.commits, other.commits),
            (&mut self.stale_commits, other.stale_commits),
            (&mut self.refused_commits, other.refused_commits),
            (&mut self.stale_writes, other.stale_writes),
            (&mut self.refused_coordinator, other.refused_coordinator),
            (&mut self.refused_catalog, other.refused_catalog),
        ];
        for (sum, more) in numbers {
            *sum += more;
        }
        for (kind, count) in &other.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
    }

    /// Returns a one-line summary.
    pub fn line(&self) -> String {
        let faults: Vec<String> = self.faults.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        format!(
            "{} seeds, {} operations, {} virtual s; faults: {}; uploads acknowledged {}, done {}, failed with a reason {}, \
             deleted {}, lost {}, duplicated {}; epochs {}; task commits {}, stale {}, refused {}; deposed masters' writes: \
             effective {}, refused by the coordinator {}, by the catalog {}",
            self.seeds,
            self.operations,
            self.seconds,
            if faults.is_empty() { "none".to_owned() } else { faults.join(", ") },
            self.acknowledged,
            self.done,
            self.failed,
            self.deleted,
            self.lost,
            self.duplicated,
            self.epochs,
            self.commits,
            self.stale_commits,
            self.refused_commits,
            self.stale_writes,
            self.refused_coordinator,
            self.refused_catalog,
        )
    }

    /// Writes the totals to the report's folder, if one is set.
    pub fn report(&self) {
        if let Some(folder) = std::env::var_os("EVENLIGHT_REPORT") {
            let folder = std::path::PathBuf::from(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("schedules.json"), serde_json::to_vec_pretty(self).unwrap()).unwrap();
        }
    }
}
