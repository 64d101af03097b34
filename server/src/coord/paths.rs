//! The only place that spells znodes.

use shared::id::JobId;
use shared::job::Phase;

/// Candidates for master.
pub const LEADER: &str = "/cluster/leader";
/// Its version counts rings: something was accepted, deleted or has ended.
pub const DOORBELL: &str = "/cluster/doorbell";
/// The log of events that no other record tells: the data of the candidates' parent.
pub const EVENT_LOG: &str = LEADER;
/// Live pods.
pub const NODES: &str = "/nodes";
/// Active jobs.
pub const JOBS: &str = "/jobs";
/// Which installation the tree belongs to.
pub const INSTALLATION: &str = "/installation";
/// Persistent nodes that every array has.
pub const SKELETON: [&str; 4] = [LEADER, DOORBELL, NODES, JOBS];

/// A candidacy's node, from its name.
pub fn candidate(name: &str) -> String {
    format!("{LEADER}/{name}")
}

/// A job's record.
pub fn job(job: &JobId) -> String {
    format!("{JOBS}/{job}")
}

/// A phase's folder.
pub fn phase(job: &JobId, phase: Phase) -> String {
    format!("{JOBS}/{job}/{phase}")
}

/// A task's name within its phase.
pub fn task_name(index: u32) -> String {
    format!("task_{index}")
}

/// A task's number, from its name.
pub fn task_index(name: &str) -> Option<u32> {
    name.strip_prefix("task_")?.parse().ok()
}

/// A task's record.
pub fn task(job: &JobId, phase: Phase, index: u32) -> String {
    format!("{JOBS}/{job}/{phase}/task_{index}")
}

/// A task's job, phase and number, from its path.
pub fn parse_task(path: &str) -> Option<(JobId, Phase, u32)> {
    let (job, below) = path.strip_prefix(JOBS)?.strip_prefix('/')?.split_once('/')?;
    let (phase, name) = below.split_once('/')?;
    Some((job.parse().ok()?, phase.parse().ok()?, task_index(name)?))
}

/// A task's lock.
pub fn lock(task: &str) -> String {
    format!("{task}/lock")
}

/// A task's result.
pub fn done(task: &str) -> String {
    format!("{task}/done")
}
