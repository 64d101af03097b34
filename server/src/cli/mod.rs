//! The command line: parses the arguments, rejects invalid combinations before anything starts, and runs the
//! subcommand.

mod backends;
pub mod endpoints;
pub mod equalize;
pub mod folder;
pub mod how;
pub mod limits;
pub mod locks;
pub mod names;
pub mod orphans;
pub mod process;
pub mod serve;
mod sidecars;
pub mod target;
