//! Unexpected znodes: nodes that someone other than the array wrote, changed or protected.
//!
//! They are set aside: pages show them, and nothing waits for them. One that belongs to a job and that the job needs *spoils*
//! it: the job fails with that reason. Records of a later version spoil nothing, because in a rolling upgrade that version's
//! masters continue with them.

use std::collections::BTreeMap;

use coord::paths;
use coord::record::{self, Unreadable};
use serde::de::DeserializeOwned;
use shared::cluster::UnexpectedZnode;
use shared::id::JobId;

/// Reason for a node that may not be read.
pub(crate) const FORBIDDEN: &str = "its access control list, which the array didn't set, keeps the array out";

/// Unexpected znodes by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unexpected(BTreeMap<String, Found>);

/// What is wrong with a znode.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    reason: String,
    spoils: bool,
}

impl Unexpected {
    /// Returns at most `most` of them, for display.
    pub fn shown(&self, most: usize) -> Vec<UnexpectedZnode> {
        self.iter()
            .take(most)
            .map(|(path, reason)| UnexpectedZnode { path: path.into(), reason: reason.into() })
            .collect()
    }

    /// Logs those that `before` doesn't contain.
    pub(crate) fn log_new(&self, before: &Self) {
        for (path, reason) in self.iter().filter(|(path, _)| !before.0.contains_key(*path)) {
            tracing::warn!(path, reason, "unexpected znode; set aside");
        }
    }

    /// Returns a node that spoils a job: its path and the reason.
    pub(crate) fn spoiling(&self, job: &JobId) -> Option<(&str, &str)> {
        let path = paths::job(job);
        let from = self.0.range(path.clone()..);
        let mut below = from.take_while(|(found, _)| is_below(found, &path)).filter(|(_, found)| found.spoils);
        below.next().map(|(path, found)| (path.as_str(), found.reason.as_str()))
    }

    /// Returns the jobs whose own record is spoiled, with its path and the reason.
    pub(crate) fn spoiled_jobs(&self) -> Vec<(JobId, &str, &str)> {
        let job = |path: &str| path.strip_prefix(paths::JOBS)?.strip_prefix('/')?.parse().ok();
        let spoiled = self.0.iter().filter(|(_, found)| found.spoils);
        spoiled.filter_map(|(path, found)| Some((job(path)?, path.as_str(), found.reason.as_str()))).collect()
    }

    pub(crate) fn mark(&mut self, path: &str, reason: &str, spoils: bool) {
        self.0.insert(path.to_owned(), Found { reason: reason.to_owned(), spoils });
    }

    /// Marks a record that can't be parsed.
    pub(crate) fn note(&mut self, path: &str, why: &Unreadable, spoils: bool) {
        self.mark(path, &why.to_string(), spoils && why.is_foreign());
    }

    /// Parses a job's record; marks it if it can't be parsed.
    pub(crate) fn read<T: DeserializeOwned>(&mut self, path: &str, data: &[u8]) -> Option<T> {
        record::read(data).inspect_err(|why| self.note(path, why, true)).ok()
    }

    /// Removes a node and everything below it, before they are read again.
    pub(crate) fn clear_below(&mut self, node: &str) {
        if !self.0.is_empty() {
            self.0.retain(|path, _| !is_below(path, node));
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, found)| (path.as_str(), found.reason.as_str()))
    }
}

/// Returns whether a path is this node or lies below it.
fn is_below(path: &str, node: &str) -> bool {
    path.strip_prefix(node).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shared::task::Done;

    use super::*;

    #[test]
    fn a_spoiled_node_is_found_by_its_job_and_a_stranger_spoils_nothing() {
        let (job, other): (JobId, JobId) = ("a".repeat(32).parse().unwrap(), "b".repeat(32).parse().unwrap());
        let mut found = Unexpected::default();
        found.mark(&format!("{}/stranger", paths::job(&job)), "unknown", false);
        assert_eq!(found.spoiling(&job), None);
        let done = format!("{}/split/task_0/done", paths::job(&job));
        assert!(found.read::<Done>(&done, b"{").is_none());
        assert_eq!(found.spoiling(&job).unwrap().0, done);
        assert!(found.spoiling(&other).is_none() && found.spoiled_jobs().is_empty());
        found.clear_below(&paths::job(&job));
        assert_eq!(found, Unexpected::default());
    }

    #[test]
    fn a_later_versions_record_spoils_nothing() {
        let job: JobId = "a".repeat(32).parse().unwrap();
        let mut found = Unexpected::default();
        assert!(found.read::<Done>(&paths::job(&job), br#"{"v": 2, "is": "new"}"#).is_none());
        assert!(found.spoiling(&job).is_none() && found.shown(9).len() == 1);
    }
}
