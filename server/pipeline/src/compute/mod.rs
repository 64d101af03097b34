//! Computation on pixels: the process's threads and memory for it, its time limits, and a parallel map that keeps the order.

pub mod pixels;

pub(crate) mod deadline;
pub(crate) mod ordered;
mod overdue;
