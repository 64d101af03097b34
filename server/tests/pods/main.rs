//! Whole pods in this process, while tests control their sessions, lives, store and coordinator.
#![allow(clippy::unwrap_used)]

#[path = "../support/faulty_store.rs"]
mod faulty_store;
#[path = "../support/images.rs"]
mod images;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/zookeeper.rs"]
mod zookeeper;

mod bay;
mod epoch;
mod forged;
mod granted;
mod many_tasks;
mod narrow;
mod oversized;
mod parents;
mod recovery;
mod strikes;
