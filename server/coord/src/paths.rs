//! Znode paths: the only place that spells them.

use shared::id::JobId;
use shared::job::Phase;

/// Parent of the candidates for master.
pub const LEADER: &str = "/cluster/leader";
/// The doorbell; its version counts rings. It rings when work is accepted, deleted or ends.
pub const DOORBELL: &str = "/cluster/doorbell";
/// The event log, for events that no other record holds: the data of the candidates' parent.
pub const EVENT_LOG: &str = LEADER;
/// Parent of the live pods' member nodes.
pub const NODES: &str = "/nodes";
/// Parent of the active jobs.
pub const JOBS: &str = "/jobs";
/// Id of the installation to which the tree belongs.
pub const INSTALLATION: &str = "/installation";
/// Persistent nodes that every array needs.
pub const SKELETON: [&str; 4] = [LEADER, DOORBELL, NODES, JOBS];

/// Path of a candidate's node, from its name.
pub fn candidate(name: &str) -> String {
    format!("{LEADER}/{name}")
}

/// Path of a job's record.
pub fn job(job: &JobId) -> String {
    format!("{JOBS}/{job}")
}

/// Path of a phase's node, the parent of its tasks.
pub fn phase(job: &JobId, phase: Phase) -> String {
    format!("{JOBS}/{job}/{phase}")
}

/// Name of a task within its phase.
pub fn task_name(index: u32) -> String {
    format!("task_{index}")
}

/// Parses a task's number from its name.
pub fn task_index(name: &str) -> Option<u32> {
    name.strip_prefix("task_")?.parse().ok()
}

/// Path of a task's record.
pub fn task(job: &JobId, phase: Phase, index: u32) -> String {
    format!("{JOBS}/{job}/{phase}/task_{index}")
}

/// Parses a task's job, phase and number from its path.
pub fn parse_task(path: &str) -> Option<(JobId, Phase, u32)> {
    let (job, below) = path.strip_prefix(JOBS)?.strip_prefix('/')?.split_once('/')?;
    let (phase, name) = below.split_once('/')?;
    Some((job.parse().ok()?, phase.parse().ok()?, task_index(name)?))
}

/// Path of a task's lock.
pub fn lock(task: &str) -> String {
    format!("{task}/lock")
}

/// Path of a task's result.
pub fn done(task: &str) -> String {
    format!("{task}/done")
}
