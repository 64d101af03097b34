//! What a panic that was caught said.

use std::any::Any;

/// The message that a panic was given; `None` if it carried something else.
pub fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied())
}
