//! Faults of the store under whole pods: damage, failures, a full disk; and what the sweeper removes.

#![allow(clippy::unwrap_used, missing_docs)]

mod bed;
mod damage;
mod failing;
#[path = "../support/faulty_store.rs"]
mod faulty_store;
#[path = "../support/images.rs"]
mod images;
mod sweeping;
