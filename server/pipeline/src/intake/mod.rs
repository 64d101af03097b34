//! Intake: uploads, from admission to the queued job. Any pod accepts them; no master is needed.

pub mod accept;
pub mod full;
pub mod gauge;
pub mod inspection;
pub mod measure;
pub mod turns;

mod adopt;
mod error;
mod hash;
mod resume;

pub use self::error::{Error, Result};
