//! What the server is built on, each behind its interface: every catalog and every store runs the same tests, and the client of
//! Kubernetes' API runs against an API server in memory.
#![allow(clippy::unwrap_used)]

mod catalog;
mod kubernetes;
mod store;
