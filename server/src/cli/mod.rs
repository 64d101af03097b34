//! The command line: parses the arguments, rejects invalid combinations before anything starts, and runs the
//! subcommand.

pub mod equalize;
pub mod how;
pub mod limits;
pub mod locks;
pub mod orphans;
pub mod process;
pub mod serve;
mod sidecars;
