//! The cluster's state as the API and the pages show it.

mod label;
mod record;

use serde::{Deserialize, Serialize};

pub use self::label::{Label, Labels};
pub use self::record::{Candidate, Ending, Home, Member, Reign};
use crate::clock::Stamp;
use crate::id::{ImageId, JobId, PodName};
use crate::job::{Lane, Phase};

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
    /// Creates the view of an array without master, pods and jobs.
    pub fn empty(seen: Stamp) -> Self {
        Self {
            seen,
            at: 0,
            health: Health::NoMaster,
            min_pods: 1,
            coordinator: "embedded".to_owned(),
            leader: None,
            pods: Vec::new(),
            jobs: Vec::new(),
            backlog: Backlog::default(),
            room: Room::default(),
            past: Vec::new(),
            failed: Vec::new(),
            unexpected: Vec::new(),
            cut_off: None,
            alert: None,
        }
    }

    /// Returns an active job.
    pub fn job(&self, job: &JobId) -> Option<&JobView> {
        self.jobs.iter().find(|view| view.job == *job)
    }

    /// Returns the number of pods whose member znode exists.
    pub fn live(&self) -> usize {
        self.pods.iter().filter(|pod| pod.state == PodState::Up).count()
    }
}
