//! What several crates of the server use and none of them owns.

pub mod backoff;
pub mod crypto;
pub mod incarnation;
pub mod panics;
pub mod wall;
