//! Which incarnation of a process this is: another one at each start, though name and address stay the same.

use std::sync::LazyLock;

use uuid::Uuid;

/// The header in which `/healthz` tells it.
pub const PROCESS: &str = "evenlight-process";

/// The header in which `/healthz` tells for how many milliseconds the process has been cut off from the coordinator.
pub const CUT_OFF: &str = "evenlight-cut-off";

/// This process's incarnation: a UUID, made once.
pub fn id() -> &'static str {
    static ID: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().simple().to_string());
    &ID
}
