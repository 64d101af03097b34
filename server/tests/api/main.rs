//! The HTTP API over a local store and SQLite, without pods: accepted jobs stay queued.
#![allow(clippy::unwrap_used)]

#[path = "../support/statements.rs"]
mod statements;

mod accepting;
mod bad_input;
mod downloading;
mod faulty;
mod guarding;
mod harness;
mod listing;
mod live;
mod logs;
mod managing;
mod outages;
mod resuming;
mod room;
mod wire;
mod zooming;
