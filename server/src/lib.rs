//! Evenlight's server: the pod and all that it is made of. `cli` starts `pod` and `web`; they use `pipeline`;
//! `pipeline` uses `coord`, `store`, `catalog` and `codec`, which know nothing of one another; nor does `kube`.
//! `logs` keeps what pods say.

// The type of a rendered page nests as deep as its elements.
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
