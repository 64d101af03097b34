//! Live pages: the hub of a pod's messages, and the event streams that read it.

pub mod hub;

pub(crate) mod events;
