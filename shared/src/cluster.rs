//! The array as anyone may see it: who leads, who works, and on what.

use serde::{Deserialize, Serialize};

use crate::clock::Stamp;
use crate::id::{ImageId, JobId, PodName};
use crate::job::{Lane, Phase};

/// The record of a member's znode `/nodes/<pod>-<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Version of the writer's records.
    pub v: u32,
    /// The pod.
    pub pod: PodName,
    /// This start of the pod: new every time.
    pub uuid: String,
    /// Its session, as hexadecimal digits.
    pub session: String,
    /// The negotiated session timeout in ms: its lease.
    pub lease_ms: u64,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Threads of its process for pixel work, shared by the process's pods.
    pub cores: usize,
    /// The software's version.
    pub version: String,
    /// Phases that it can work on.
    pub kinds: Vec<Phase>,
    /// When it started, in ms since 1970.
    pub started: i64,
    /// Whether it was told to stop: it finishes what it holds and takes nothing new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// Whether its process lets faults be played on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub faults: bool,
    /// When it was written, Lamport.
    pub stamp: Stamp,
}

/// The record of an election znode: first as a candidate, then as the leader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Version of the writer's records.
    pub v: u32,
    /// The pod.
    pub pod: PodName,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Which incarnation of a process it lives in, as `/healthz` at its address tells; empty if it doesn't say.
    #[serde(default)]
    pub process: String,
    /// The pod's life in that process: another one when the pod was killed and started again by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub life: String,
    /// Where the process lives and listens, if it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Its epoch, once it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Since when it leads, in ms since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<i64>,
    /// Masters before it, latest first, at most [`Reign::KEPT`], once it leads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<Reign>,
    /// When it was written, Lamport.
    pub stamp: Stamp,
}

/// Where a process lives and listens: what another process of the same host can check without ever having met it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// The kernel and the network namespace.
    pub host: String,
    /// The address of its listening socket there, `address:port`.
    pub listens: String,
}

/// The time for which one pod was master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reign {
    /// The pod.
    pub pod: PodName,
    /// Its epoch.
    pub epoch: u64,
    /// Since when it led, in ms since 1970, by its clock.
    pub since: i64,
    /// When its successor noticed that it led no more, in ms since 1970, by the successor's clock.
    pub until: i64,
    /// Why it led no more.
    pub end: Ending,
}

impl Reign {
    /// How many are remembered.
    pub const KEPT: usize = 20;
}

/// Why a master is master no more, as far as its successor can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Its pod was told to stop, and handed over.
    HandedOver,
    /// Its pod lives and leads no more: its role failed, or a write of it was refused.
    SteppedDown,
    /// Its pod is gone or silent: its session ended with it.
    SessionEnded,
    /// Its successor found its process gone or cut off, and didn't wait for its session to end.
    Evicted,
}

/// The master, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leader {
    /// The pod.
    pub pod: PodName,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// How many masters there have been; `None` while it takes its epoch.
    pub epoch: Option<u64>,
    /// Since when, in ms since 1970.
    pub since: Option<i64>,
    /// Its election znode's name.
    pub node: String,
    /// Whether Kubernetes routes `master-service` to it; `None` without Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
}

/// How the label `role=master` of the master's pod stands. As text: `pending`, `set` or `failed: why`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Label {
    /// The pod, or not it alone, says so yet.
    Pending,
    /// Its pod says it, and no other.
    Set,
    /// The serving pod can't read the labels, or as master can't write them; this is why.
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

/// What the labels of Kubernetes' pods say, as the serving pod sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Pods that say `role=master`.
    pub masters: Vec<String>,
    /// Why the labels can't be read or written now.
    pub trouble: Option<String>,
}

impl Labels {
    /// How the master's label stands.
    pub fn of(&self, master: &PodName) -> Label {
        match &self.trouble {
            Some(why) => Label::Failed(why.clone()),
            None if self.masters.len() == 1 && self.masters[0] == master.as_str() => Label::Set,
            None => Label::Pending,
        }
    }
}

/// Whether a pod takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PodState {
    /// Its member znode is there.
    Up,
    /// It was seen, and its member znode is gone.
    Down,
}

/// A pod, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    /// The pod.
    pub pod: PodName,
    /// Up or down.
    pub state: PodState,
    /// Whether it is the master.
    pub leads: bool,
    /// Its session, as hexadecimal digits.
    pub session: String,
    /// The negotiated session timeout in ms.
    pub lease_ms: u64,
    /// `host:port` of its HTTP server.
    pub address: String,
    /// Threads for pixel work of its process.
    pub cores: usize,
    /// The software's version.
    pub version: String,
    /// When it started, in ms since 1970.
    pub started: i64,
    /// Tasks whose locks it holds now.
    pub holds: usize,
    /// Whether it was told to stop.
    #[serde(default)]
    pub leaving: bool,
    /// Whether faults can be played on it from the page: its process and the serving one allow it.
    pub faults: bool,
    /// The fault that is played on it now, if it lives in the serving process: nobody else can know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// What can be done to a pod to see what the others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// It was ended as by a crash.
    Killed,
    /// It does nothing, its heartbeats included, as a process that is stopped or in a long pause; it doesn't know.
    Frozen,
    /// It lives, and doesn't reach the coordinator.
    Disconnected,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 3] = [Fault::Killed, Fault::Frozen, Fault::Disconnected];

    /// The word in addresses: `POST /api/pods/{pod}/<verb>`.
    pub const fn verb(self) -> &'static str {
        match self {
            Fault::Killed => "kill",
            Fault::Frozen => "freeze",
            Fault::Disconnected => "disconnect",
        }
    }
}

/// A job that failed, with what a person needs to try it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its image.
    pub image: ImageId,
    /// The file name that the image came with.
    pub name: String,
    /// Why it failed, as a sentence.
    pub reason: String,
    /// When, in ms since 1970.
    pub at: i64,
}

/// A task's state, as shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Nobody holds it.
    Waiting,
    /// Somebody holds its lock.
    Running,
    /// Its result is committed.
    Done,
    /// It has three strikes: nobody may claim it, and its job fails unless one of them is given back.
    Quarantined,
}

/// A task, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskView {
    /// Which task of its phase.
    pub index: u32,
    /// Waiting, running, done or quarantined.
    pub state: TaskState,
    /// How often it was claimed.
    pub attempt: u32,
    /// How many claims have ended neither in a commit nor in a release, besides the one that is being worked on.
    pub strikes: usize,
    /// The lock's holder, or who did it.
    pub pod: Option<PodName>,
    /// When the present or last claim was made, in ms since 1970.
    pub started: Option<i64>,
    /// When it was done, in ms since 1970.
    pub finished: Option<i64>,
}

/// A phase of a job, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseView {
    /// The phase.
    pub phase: Phase,
    /// Tasks that are done.
    pub done: u32,
    /// Tasks that there are, fixed from the beginning.
    pub total: u32,
    /// The tasks whose znodes exist, in order.
    pub tasks: Vec<TaskView>,
}

/// An active job, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobView {
    /// The job.
    pub job: JobId,
    /// Its image.
    pub image: ImageId,
    /// Which lane's slot it holds.
    pub lane: Lane,
    /// The epoch of the master that last wrote its record.
    pub epoch: u64,
    /// When the run began, in ms since 1970.
    pub started: i64,
    /// Its phases in their order.
    pub phases: Vec<PhaseView>,
}

impl JobView {
    /// The phase being worked on, with its tasks done and in all.
    pub fn progress(&self) -> Option<JobProgress> {
        let phase = self.phases.iter().find(|phase| phase.done < phase.total).or(self.phases.last())?;
        Some(JobProgress { phase: phase.phase, done: phase.done, total: phase.total })
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// The phase being worked on.
    pub phase: Phase,
    /// Its tasks that are done.
    pub done: u32,
    /// Its tasks.
    pub total: u32,
}

/// Jobs that wait in the catalog.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// Jobs that wait.
    pub queued: u64,
    /// Jobs that run.
    pub running: u64,
    /// When the oldest waiting job was accepted, in ms since 1970.
    pub oldest: Option<i64>,
}

/// How much room there is for more, as the serving pod last measured it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Room {
    /// Jobs that may wait; above, uploads are refused for a while.
    pub max_backlog: u64,
    /// Bytes free where the pixels are kept, in whole 16 MiB; `None` where nothing tells (S3).
    pub free: Option<u64>,
    /// Bytes that are kept free there; below, uploads are refused for a while.
    pub min_free: u64,
    /// Why uploads are refused just now, as a sentence.
    pub refused: Option<String>,
    /// That the store fails for everyone and since when, as a sentence; `None` while it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage: Option<String>,
}

/// Whether work is done, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// A master leads enough pods.
    Ok,
    /// Nobody leads, or the master isn't responding and its lease hasn't ended yet; uploads are taken and wait.
    NoMaster,
    /// Fewer pods than `--min-pods`; uploads are taken and wait.
    TooFewPods,
    /// The serving pod has lost the coordinator; what it shows may be old. Uploads are taken and wait.
    Disconnected,
}

/// A znode that isn't what the array writes at its path. It is set aside: nothing waits for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnexpectedZnode {
    /// Its path.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The array, as the serving pod sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterView {
    /// The pod whose view this is, and its clock.
    pub seen: Stamp,
    /// When, in ms since 1970.
    pub at: i64,
    /// Whether work is done.
    pub health: Health,
    /// Fewer pods than this, and work waits.
    pub min_pods: usize,
    /// `embedded` or `zookeeper`.
    pub coordinator: String,
    /// The master.
    pub leader: Option<Leader>,
    /// Pods, by name.
    pub pods: Vec<PodView>,
    /// Jobs with znodes, oldest first.
    pub jobs: Vec<JobView>,
    /// Jobs in the catalog.
    pub backlog: Backlog,
    /// Room for more of them.
    #[serde(default)]
    pub room: Room,
    /// Masters before this one, latest first.
    #[serde(default)]
    pub past: Vec<Reign>,
    /// Images whose latest job failed, latest first: a few.
    #[serde(default)]
    pub failed: Vec<Failure>,
    /// Znodes under the array's root that aren't what the array writes there: a few.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unexpected: Vec<UnexpectedZnode>,
    /// Since when the serving pod hasn't reached the coordinator, in ms since 1970; `None` while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<i64>,
    /// What an operator has to decide, as sentences: the catalog is older than the store, or doesn't know images in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
}

impl ClusterView {
    /// An active job.
    pub fn job(&self, job: &JobId) -> Option<&JobView> {
        self.jobs.iter().find(|view| view.job == *job)
    }

    /// Pods whose member znode is there.
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
