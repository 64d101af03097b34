//! The command line: it reads what it is told, refuses what makes no sense before anything starts, and starts it.

pub mod equalize;
pub mod how;
pub mod limits;
pub mod locks;
pub mod orphans;
pub mod process;
pub mod serve;
