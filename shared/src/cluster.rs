//! The cluster's state as the API and the pages show it, and the records of member and election znodes.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::id::{ImageId, JobId, PodName};
use crate::job::{Lane, Phase};

/// Record of a member znode `/nodes/<pod>-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Record version of the writer.
    pub v: u32,
    /// Pod name.
    pub pod: PodName,
    /// UUID of this incarnation of the pod; new at every start.
    pub uuid: String,
    /// ZooKeeper session id in hexadecimal.
    pub session: String,
    /// Session timeout granted by the server, in ms.
    pub lease_ms: u64,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Threads for pixel work in the pod's process, shared by all pods of the process.
    pub cores: usize,
    /// Software version.
    pub version: String,
    /// Phases that this pod can work on.
    pub kinds: Vec<Phase>,
    /// Start time, in ms since 1970.
    pub started: i64,
    /// Whether the pod is shutting down: it finishes its claimed tasks and claims no new ones.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// Whether the pod's process allows fault injection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub faults: bool,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
}

/// Record of an election znode, written by a candidate and updated once it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Record version of the writer.
    pub v: u32,
    /// Pod name.
    pub pod: PodName,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Process incarnation, as reported by `/healthz` at `address`; empty if unknown.
    #[serde(default)]
    pub process: String,
    /// Incarnation of the pod within its process; a new one after the pod alone was killed and restarted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub life: String,
    /// Host and listening socket of the process, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Epoch; set once the candidate leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Start of its term, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Previous terms, latest first, at most [`Reign::KEPT`]; set once the candidate leads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Reign>,
    /// Lamport stamp of this write.
    pub stamp: Stamp,
}

/// Where a process runs and listens. Lets any other process on the same host check whether it is alive, without earlier
/// contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Kernel and network namespace.
    pub host: String,
    /// Its listening socket, `address:port`.
    pub listens: String,
}

/// A term: the time during which one pod was master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reign {
    /// Pod name.
    pub pod: PodName,
    /// Epoch of the term.
    pub epoch: u64,
    /// Start, in ms since 1970, by the master's own clock.
    pub since: i64,
    /// When the successor noticed the end, in ms since 1970, by the successor's clock.
    pub until: i64,
    /// Why the term ended.
    pub end: Ending,
}

impl Reign {
    /// Number of past terms that are kept.
    pub const KEPT: usize = 20;
}

/// Why a term ended, as far as the successor can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The pod was asked to stop and handed over.
    HandedOver,
    /// The pod is alive but stopped leading: its master role failed, or one of its writes was fenced off.
    SteppedDown,
    /// The pod died or stopped responding, so its session expired.
    SessionEnded,
    /// A witness found the master's process gone or cut off, and evicted it without waiting for the session to expire.
    Evicted,
}

/// Current master, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// Pod name.
    pub pod: PodName,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Epoch; `None` until the master has acquired it.
    pub epoch: Option<u64>,
    /// Start of its term, in ms since 1970.
    pub since: Option<i64>,
    /// Name of its election znode.
    pub node: String,
    /// State of the pod label that makes Kubernetes route `master-service` to the master; `None` outside Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
}

/// State of the label `role=master` on the master's pod. Serialized as `pending`, `set` or `failed: <reason>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Label {
    /// The master's pod doesn't carry the label yet, or another pod still does.
    Pending,
    /// The master's pod carries the label and no other pod does.
    Set,
    /// The labels can't be read by the serving pod, or can't be written by it as master; with the reason.
    Failed(String),
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        match text.as_str() {
            "set" => Label::Set,
            "pending" => Label::Pending,
            other => Label::Failed(other.strip_prefix("failed: ").unwrap_or(other).to_owned()),
        }
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        match label {
            Label::Pending => "pending".to_owned(),
            Label::Set => "set".to_owned(),
            Label::Failed(why) => format!("failed: {why}"),
        }
    }
}

/// `role=master` labels of the Kubernetes pods, as seen by the serving pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Pods labelled `role=master`.
    pub masters: Vec<String>,
    /// Why the labels can't be read or written at present.
    pub trouble: Option<String>,
}

impl Labels {
    /// Returns the state of the master's label.
    pub fn of(&self, master: &PodName) -> Label {
        match &self.trouble {
            Some(why) => Label::Failed(why.clone()),
            None if self.masters.len() == 1 && self.masters[0] == master.as_str() => Label::Set,
            None => Label::Pending,
        }
    }
}

/// Whether a pod is a member of the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodState {
    /// Its member znode exists.
    Up,
    /// It was a member earlier; its member znode is gone.
    Down,
}

/// Pod, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// Pod name.
    pub pod: PodName,
    /// Up or down.
    pub state: PodState,
    /// Whether this pod is the master.
    pub leads: bool,
    /// ZooKeeper session id in hexadecimal.
    pub session: String,
    /// Session timeout granted by the server, in ms.
    pub lease_ms: u64,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Threads for pixel work in the pod's process.
    pub cores: usize,
    /// Software version.
    pub version: String,
    /// Start time, in ms since 1970.
    pub started: i64,
    /// Number of task locks the pod holds.
    pub holds: usize,
    /// Whether the pod is shutting down.
    #[serde(default)]
    pub leaving: bool,
    /// Whether faults can be injected from the page: both the pod's process and the serving process must allow it.
    pub faults: bool,
    /// Fault currently injected. Known only for pods of the serving process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// Fault that can be injected into a pod to watch the array recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// Terminated as by a crash.
    Killed,
    /// Paused without noticing, heartbeats included, like a process under SIGSTOP or in a long GC pause.
    Frozen,
    /// Running, but cut off from the coordinator.
    Disconnected,
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 3] = [Fault::Killed, Fault::Frozen, Fault::Disconnected];

    /// Path segment of the endpoint: `POST /api/pods/{pod}/<verb>`.
    pub const fn verb(self) -> &'static str {
        match self {
            Fault::Killed => "kill",
            Fault::Frozen => "freeze",
            Fault::Disconnected => "disconnect",
        }
    }
}

/// Failed job, with what an operator needs to retry it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Image of the job.
    pub image: ImageId,
    /// File name the image was uploaded with.
    pub name: String,
    /// Reason, as a sentence.
    pub reason: String,
    /// When it failed, in ms since 1970.
    pub at: i64,
}

/// State of a task, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// No worker holds its lock.
    Waiting,
    /// A worker holds its lock.
    Running,
    /// Its result is committed.
    Done,
    /// Three strikes: no worker may claim it, and its job fails unless one of the strikes is given back.
    Quarantined,
}

/// Task, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Index of the task within its phase.
    pub index: u32,
    /// Waiting, running, done or quarantined.
    pub state: TaskState,
    /// Number of claims so far.
    pub attempt: u32,
    /// Number of strikes, not counting the claim in progress.
    pub strikes: usize,
    /// The lock's holder, or the worker that committed the result.
    pub pod: Option<PodName>,
    /// When the current or last claim was made, in ms since 1970.
    pub started: Option<i64>,
    /// When the result was committed, in ms since 1970.
    pub finished: Option<i64>,
}

/// Phase of a job, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseView {
    /// The phase.
    pub phase: Phase,
    /// Number of finished tasks.
    pub done: u32,
    /// Number of tasks; fixed when the run is planned.
    pub total: u32,
    /// Tasks that have a znode, in order.
    pub tasks: Vec<TaskView>,
}

/// Active job, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// Job id.
    pub job: JobId,
    /// Image of the job.
    pub image: ImageId,
    /// Lane whose slot the job occupies.
    pub lane: Lane,
    /// Epoch of the master that last wrote the job's record.
    pub epoch: u64,
    /// Start of the run, in ms since 1970.
    pub started: i64,
    /// Phases, in order.
    pub phases: Vec<PhaseView>,
}

impl JobView {
    /// Returns the progress of the current phase: the first unfinished one, or else the last.
    pub fn progress(&self) -> Option<JobProgress> {
        let phase = self.phases.iter().find(|phase| phase.done < phase.total).or(self.phases.last())?;
        Some(JobProgress { phase: phase.phase, done: phase.done, total: phase.total })
    }
}

/// Progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Current phase.
    pub phase: Phase,
    /// Finished tasks of that phase.
    pub done: u32,
    /// All tasks of that phase.
    pub total: u32,
}

/// Jobs in the catalog that haven't ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Number of queued jobs.
    pub queued: u64,
    /// Number of running jobs.
    pub running: u64,
    /// When the oldest queued job was accepted, in ms since 1970.
    pub oldest: Option<i64>,
}

/// Capacity for more uploads, as last measured by the serving pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Room {
    /// Maximum backlog; above it, uploads are rejected for now.
    pub max_backlog: u64,
    /// Free bytes in the store, rounded down to 16 MiB; `None` if the store doesn't report it (S3).
    pub free: Option<u64>,
    /// Minimum of free bytes; below it, uploads are rejected for now.
    pub min_free: u64,
    /// Why uploads are currently rejected, as a sentence.
    pub refused: Option<String>,
    /// Store outage that affects all pods, with its start, as a sentence; `None` while the store works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<String>,
}

/// Whether the array makes progress, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// A master leads, and enough pods are up.
    Ok,
    /// No pod leads, or the master doesn't respond and its session hasn't expired yet. Uploads are accepted and wait.
    NoMaster,
    /// Fewer than `--min-pods` pods are up. Uploads are accepted and wait.
    TooFewPods,
    /// The serving pod is cut off from the coordinator, so its view may be stale. Uploads are accepted and wait.
    Disconnected,
}

/// Znode whose content doesn't match what the array writes at its path. It is ignored: no work waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnexpectedZnode {
    /// Path of the znode.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The array, as seen by the serving pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// Stamp of the view: the serving pod and its clock.
    pub seen: Stamp,
    /// Time of the view, in ms since 1970.
    pub at: i64,
    /// Whether the array makes progress.
    pub health: Health,
    /// Minimum number of pods; below it, work waits.
    pub min_pods: usize,
    /// `embedded` or `zookeeper`.
    pub coordinator: String,
    /// Current master.
    pub leader: Option<Leader>,
    /// Pods, by name.
    pub pods: Vec<PodView>,
    /// Jobs that have znodes, oldest first.
    pub jobs: Vec<JobView>,
    /// Unfinished jobs in the catalog.
    pub backlog: Backlog,
    /// Capacity for more uploads.
    #[serde(default)]
    pub room: Room,
    /// Previous terms, latest first.
    #[serde(default)]
    pub past: Vec<Reign>,
    /// Images whose latest job failed, latest first; only the first few.
    #[serde(default)]
    pub failed: Vec<Failure>,
    /// Unexpected znodes under the array's root; only the first few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexpected: Vec<UnexpectedZnode>,
    /// Since when the serving pod has been cut off from the coordinator, in ms since 1970; `None` while connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<i64>,
    /// Conditions that need an operator's decision, as sentences: the catalog is older than the store, or images in the store
    /// are missing from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

impl ClusterView {
    /// Returns an active job.
    pub fn job(&self, job: &JobId) -> Option<&JobView> {
        self.jobs.iter().find(|view| view.job == *job)
    }

    /// Returns the number of pods whose member znode exists.
    pub fn live(&self) -> usize {
        self.pods.iter().filter(|pod| pod.state == PodState::Up).count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_label_is_a_short_text() {
        let all = [Label::Pending, Label::Set, Label::Failed("forbidden".to_owned())];
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"["pending","set","failed: forbidden"]"#);
        assert_eq!(serde_json::from_str::<[Label; 3]>(r#"["pending","set","failed: forbidden"]"#).unwrap(), all);
    }

    #[test]
    fn the_label_is_set_when_the_master_alone_says_so() {
        let master: PodName = "evenlight-a".parse().unwrap();
        let says = |masters: &[&str], trouble: Option<&str>| {
            let masters = masters.iter().map(|name| (*name).to_owned()).collect();
            Labels { masters, trouble: trouble.map(str::to_owned) }.of(&master)
        };
        assert_eq!(says(&[], None), Label::Pending);
        assert_eq!(says(&["evenlight-a"], None), Label::Set);
        assert_eq!(says(&["evenlight-b"], None), Label::Pending);
        assert_eq!(says(&["evenlight-a", "evenlight-b"], None), Label::Pending);
        assert_eq!(says(&["evenlight-a"], Some("the API is away")), Label::Failed("the API is away".to_owned()));
    }
}
