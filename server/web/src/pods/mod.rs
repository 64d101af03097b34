//! Single pods: their logs, and faults injected into them. Any process answers for any pod.

pub mod faults;
pub mod logs;

mod relay;
