//! Identity of this process's run, and of the pods' lives in it.
//!
//! An incarnation is new at each start, although the process's name and address stay the same. A life is one run of a pod in
//! the process. `/healthz` reports both: a waiting candidate uses them to tell whether the process or pod of the candidate
//! ahead of it is gone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use shared::id::PodName;
use tokio::sync::watch;
use uuid::Uuid;

/// Header of `/healthz` with the process's incarnation.
pub const PROCESS: &str = "evenlight-process";

/// Header of `/healthz` with how long the process has been cut off from the coordinator, in milliseconds.
pub const CUT_OFF: &str = "evenlight-cut-off";

/// Header of `/healthz` with the pods that run in the process: `name=life,…`.
pub const LIVES: &str = "evenlight-lives";

/// Returns this process's incarnation: a UUID, generated once.
pub fn id() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().simple().to_string());
    &ID
}

/// Identifies the kernel (by its boot id) and the network namespace of this process; empty if the system doesn't reveal
/// them. For two processes with the same value, an address of the machine means the same, and a refused connection was
/// refused by the kernel that knows all listeners.
pub fn host() -> &'static str {
    static HOST: LazyLock<String> = LazyLock::new(|| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let network = std::fs::read_link("/proc/self/ns/net");
        match (boot, network) {
            (Ok(boot), Ok(network)) => format!("{}/{}", boot.trim(), network.display()),
            _ => String::new(),
        }
    });
    &HOST
}

static ALIVE: LazyLock<watch::Sender<BTreeMap<String, PodName>>> = LazyLock::new(watch::Sender::default);

/// A pod's life in this process. It ends on drop, however the pod ends.
pub struct Life(String);

impl Life {
    /// Begins a life of a pod.
    pub fn begin(pod: &PodName) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        ALIVE.send_modify(|alive| drop(alive.insert(id.clone(), pod.clone())));
        Self(id)
    }

    /// Its unique id.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        ALIVE.send_modify(|alive| drop(alive.remove(&self.0)));
    }
}

/// Watches the lives in this process: pods by the ids of their lives.
pub fn lives() -> watch::Receiver<BTreeMap<String, PodName>> {
    ALIVE.subscribe()
}
