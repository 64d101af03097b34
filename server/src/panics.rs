//! Messages of caught panics.

use std::any::Any;

/// Returns a panic's message; `None` if its payload isn't text.
pub fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied())
}
