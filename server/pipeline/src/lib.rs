//! The image pipeline: uploads become images, and jobs equalize them.
//!
//! [`intake`] accepts uploads. [`job`] plans a job and decides what it needs next; the master runs that. [`stages`] do the tasks
//! that workers claim, on the threads of [`compute`]. [`local`] does the same in one process, without an array.

pub mod compute;
pub mod hex;
pub mod intake;
pub mod job;
pub mod local;
pub mod orphans;
pub mod stages;
