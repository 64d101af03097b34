//! One pod: a member of the array, a candidate for leadership, always a worker, and sometimes the master.
//!
//! `life` runs a pod through its sessions. In each session it mirrors the znodes ([`mirror`]), works (`worker`) and stands as a
//! candidate (`leadership`); the winner is the `master` until its term ends. The [`observer`] shows pages what the mirror shows.

pub mod array;
pub mod installation;
pub mod mirror;
pub mod observer;
pub mod renderer;
pub mod slots;

mod context;
mod job_failure;
mod leadership;
mod life;
mod master;
mod worker;

pub use self::context::{Pod, PodConfig};
