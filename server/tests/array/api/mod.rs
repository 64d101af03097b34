//! The HTTP API over a local store and SQLite, without pods: accepted jobs stay queued.
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
