//! Evenlight's server: `cli` assembles a process from the crates in this folder, which are exported here.
//!
//! `cli` starts `pod` and `web`, which use `pipeline`; `pipeline` uses `store`, `catalog` and `codec`, which are independent of
//! one another, as are `coord` and `kube`. `logs` keeps the pods' log lines.

// The type of a rendered page is nested as deeply as its elements.
#![recursion_limit = "256"]

pub mod cli;

pub use base::{backoff, crypto, incarnation, panics, wall};
pub use kubernetes as kube;
pub use {catalog, codec, coord, logs, pipeline, pod, store, web};
