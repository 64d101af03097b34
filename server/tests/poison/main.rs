//! Poison: images that panic, exceed their time or memory limit, or are bombs. Each ends in a sentence, and no other job is
//! disturbed.
#![allow(clippy::unwrap_used)]

#[path = "../support/client.rs"]
mod client;
#[path = "../support/faulty_store.rs"]
mod faulty_store;
#[path = "../support/images.rs"]
mod images;
#[path = "../support/processes.rs"]
mod processes;

mod bombs;
mod door;
mod files;
mod memory;
mod panics;
mod time;
