//! Labels and logs against an in-memory API server that follows Kubernetes' rules (versions, selectors, watches, log streams)
//! and injects faults on request. Time is paused, so waiting takes no time.
mod api;
mod cluster;
mod labels;
mod logs;
