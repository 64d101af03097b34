//! Labels and logs against an API server in memory that keeps Kubernetes' rules (versions, selectors, watches, log
//! streams) and plays faults on request. Time is paused: what waits, waits in no time.
#![allow(clippy::unwrap_used)]

mod api;
mod labels;
mod logs;
