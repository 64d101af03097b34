//! Which incarnation of a process this is: another one at each start, though name and address stay the same; and which
//! lives of its pods go on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use shared::id::PodName;
use tokio::sync::watch;
use uuid::Uuid;

/// The header in which `/healthz` tells it.
pub const PROCESS: &str = "evenlight-process";

/// The header in which `/healthz` tells for how many milliseconds the process has been cut off from the coordinator.
pub const CUT_OFF: &str = "evenlight-cut-off";

/// The header in which `/healthz` tells which pods live in the process: `name=life,…`.
pub const LIVES: &str = "evenlight-lives";

/// This process's incarnation: a UUID, made once.
pub fn id() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().simple().to_string());
    &ID
}

/// The kernel and the network namespace that this process lives in, empty if the system doesn't tell. Two processes that
/// say the same mean the same by an address of the machine, and a connection that is refused there is refused by the kernel
/// that knows who listens.
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

/// A pod's life in this process. It ends when this is dropped, however the pod ends.
pub struct Life(String);

impl Life {
    /// A pod begins to live.
    pub fn begin(pod: &PodName) -> Self {
        let id = Uuid::new_v4().simple().to_string();
        ALIVE.send_modify(|alive| drop(alive.insert(id.clone(), pod.clone())));
        Self(id)
    }

    /// Its id, which no other life has.
    pub fn id(&self) -> &str {
        &self.0
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        ALIVE.send_modify(|alive| drop(alive.remove(&self.0)));
    }
}

/// The pods that live in this process, by their lives, and changes of that.
pub fn lives() -> watch::Receiver<BTreeMap<String, PodName>> {
    ALIVE.subscribe()
}
