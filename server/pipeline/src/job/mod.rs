//! Job logic, without I/O but for the look-up of companions: the plan of a run, what its znodes say, and the next step.

pub mod cause;
pub mod companions;
pub mod nodes;
pub mod plan;
pub mod rerun;
pub mod step;
