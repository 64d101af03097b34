//! Chaos tests: processes of the real binary on a real three-server ensemble, a real PostgreSQL and a real store, each behind
//! its own TCP proxies, under the faults listed in [`faults::Fault`], while clients upload ten images per second.
//!
//! `EVENLIGHT_CHAOS_SEED=n` runs a single seed, `EVENLIGHT_CHAOS_RUNS=n` that many runs; `EVENLIGHT_REPORT=folder` writes the
//! outcomes there as JSON.
#![allow(clippy::unwrap_used)]

mod array;
mod checker;
mod clients;
mod faults;
mod injection;
mod judges;
mod named;
mod page;
mod pod;
mod pool;
mod report;
mod rows;
mod run;
mod seeded;
mod standalone;
mod strangers;
mod txlog;
mod znodes;

use testkit::Evenlight;

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));
