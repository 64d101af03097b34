//! Processes of the real binary on a real three-server ensemble, a real PostgreSQL and a real store, each behind TCP proxies
//! of its own, under faults of the kinds that [`faults::Fault`] lists, with ten uploads a second all the while.
//!
//! `EVENLIGHT_CHAOS_SEED=n` runs one seed alone, `EVENLIGHT_CHAOS_RUNS=n` so many; `EVENLIGHT_REPORT=folder` has the
//! outcomes written there as JSON.
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
