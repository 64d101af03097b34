//! Evenlight's server: pods, and everything they are made of.
//!
//! `cli` starts `pod` and `web`, which use `pipeline`; `pipeline` uses `coord`, `store`, `catalog` and `codec`, which
//! are independent of one another, as is `kube`. `logs` keeps the pods' log lines.

// The type of a rendered page is nested as deeply as its elements.
#![recursion_limit = "256"]

pub mod backoff;
pub mod catalog;
pub mod cli;
pub mod codec;
pub mod coord;
pub mod crypto;
pub mod incarnation;
pub mod kube;
pub mod logs;
pub mod panics;
pub mod pipeline;
pub mod pod;
pub mod store;
pub mod wall;
pub mod web;
