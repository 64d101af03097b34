//! What several crates of the server use and none of them owns.

pub mod backoff;
pub mod causes;
pub mod crypto;
pub mod fault;
pub mod incarnation;
pub mod panics;
pub mod wall;
