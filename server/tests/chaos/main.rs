//! Chaos tests: processes of the real binary on a real three-server ensemble, a real PostgreSQL and a real store, each behind
//! its own TCP proxies, under the faults listed in [`faults::Fault`], while clients upload ten images per second.
//!
//! `EVENLIGHT_CHAOS_SEED=n` runs a single seed, `EVENLIGHT_CHAOS_RUNS=n` that many runs; `EVENLIGHT_REPORT=folder` writes the
//! outcomes there as JSON.
#![allow(clippy::unwrap_used)]

#[path = "../support/client.rs"]
mod client;
#[path = "../support/images.rs"]
mod images;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/processes.rs"]
mod processes;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/s3.rs"]
mod s3;
#[path = "../support/zookeeper.rs"]
mod zookeeper;

mod checker;
mod clients;
mod dice;
mod faults;
mod judges;
mod named;
mod page;
mod pod;
mod pool;
mod report;
mod rows;
mod run;
mod seeded;
mod site;
mod standalone;
mod strangers;
mod txlog;
mod znodes;
