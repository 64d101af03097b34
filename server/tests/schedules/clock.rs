//! Paused time: it jumps to the next timer when nothing else is left to do, and stands still while another thread works
//! for the run.

use tokio::task::spawn_blocking;

/// While it lives, time stands still.
pub struct Still {
    _ends: std::sync::mpsc::Sender<()>,
}

/// Holds the clock while a thread that tokio knows nothing of (SQLite's) works.
pub fn still() -> Still {
    let (ends, ended) = std::sync::mpsc::channel::<()>();
    spawn_blocking(move || ended.recv());
    Still { _ends: ends }
}
