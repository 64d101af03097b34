//! The parts of a mirror that must be read again, found from the paths of changed znodes.

use std::collections::BTreeSet;
use std::str::FromStr;

use coord::paths;
use shared::id::JobId;
use shared::job::Phase;

/// The parts of the mirror that must be read again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Dirty {
    pub(super) everything: bool,
    pub(super) members: bool,
    pub(super) candidates: bool,
    pub(super) log: bool,
    pub(super) doorbell: bool,
    pub(super) job_list: bool,
    pub(super) jobs: BTreeSet<JobId>,
    pub(super) tasks: BTreeSet<(JobId, Phase, u32)>,
}

impl Dirty {
    /// Marks what the znode at this path is part of.
    pub(super) fn mark(&mut self, path: &str) {
        let mut names = path.split('/').skip(1);
        match (names.next(), names.next(), names.next(), names.next()) {
            (Some("nodes"), ..) => self.members = true,
            (Some("cluster"), Some("leader"), None, _) => self.log = true,
            (Some("cluster"), Some("leader"), ..) => self.candidates = true,
            (Some("cluster"), Some("doorbell"), ..) => self.doorbell = true,
            (Some("jobs"), Some(job), Some(phase), Some(task)) => {
                // Unknown names belong to a later version, or to no version.
                if let (Ok(job), Ok(phase), Some(index)) =
                    (JobId::from_str(job), Phase::from_str(phase), paths::task_index(task))
                {
                    self.tasks.insert((job, phase, index));
                } else if let Ok(job) = JobId::from_str(job) {
                    self.jobs.insert(job);
                }
            }
            (Some("jobs"), Some(job), ..) => match JobId::from_str(job) {
                Ok(job) => drop(self.jobs.insert(job)),
                Err(_) => self.job_list = true,
            },
            (Some("jobs"), None, ..) => self.job_list = true,
            _ => self.everything = true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_hint_names_only_what_must_be_read_again() {
        let job = "a".repeat(32);
        let mut dirty = Dirty::default();
        dirty.mark(&format!("/jobs/{job}/histograms/task_7/lock"));
        dirty.mark(&format!("/jobs/{job}/histograms/task_7/done"));
        assert_eq!(dirty.tasks, BTreeSet::from([(job.parse().unwrap(), Phase::Histograms, 7)]));
        assert!(dirty.jobs.is_empty() && !dirty.everything);
        dirty.mark(&format!("/jobs/{job}/histograms"));
        assert_eq!(dirty.jobs.len(), 1);
        dirty.mark(&format!("/jobs/{job}/render/task_1"));
        assert_eq!(dirty.tasks.len(), 1, "a phase of a later version is left alone");
    }
}
