//! Intake: uploads, from admission to the queued job. Any pod accepts them; no master is needed.

pub mod accept;
pub mod gauge;
pub mod inspection;
pub mod turns;

mod adopt;
mod resume;
