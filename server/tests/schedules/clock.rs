//! Paused time: it jumps to the next timer when nothing else is left to do, and stands still while another thread works for the
//! run.

use tokio::task::spawn_blocking;

/// Keeps time still until dropped.
pub struct Still {
    _ends: std::sync::mpsc::Sender<()>,
}

/// Stops the clock while a thread unknown to tokio (such as SQLite's) works.
pub fn still() -> Still {
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    spawn_blocking(move || ended.recv());
    Still { _ends: ends }
}
