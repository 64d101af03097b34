//! One pod: a member of the array, a candidate for leadership, always a worker, and sometimes the master.

pub mod array;
pub mod installation;
pub mod leader_history;
pub mod mirror;
pub mod observer;
pub mod renderer;
pub mod slots;
pub mod unexpected;

mod candidate;
mod changes;
mod claims;
mod context;
mod deletion;
mod dirty;
mod driver;
mod event_log;
mod job_end;
mod job_failure;
mod job_tasks;
mod journal;
mod life;
mod master;
mod master_context;
mod master_error;
mod peer;
mod picker;
mod pulse;
mod snapshot;
mod standstill;
mod succession;
mod sweeper;
mod vigil;
mod witness;
mod worker;

pub use self::context::{Pod, PodConfig};
