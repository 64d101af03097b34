//! Panics of tasks: their messages, and how they reach the caller that awaits the task.

use std::any::Any;

use tokio::task::JoinError;

/// The message of a panic; `None` if its payload is no text.
pub fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied())
}

/// Continues the panic of a task in the caller that awaited it: a panic is a defect, and must not pass for an outage that is
/// waited for. Returns the error of a task that was aborted.
pub fn resume(error: JoinError) -> JoinError {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(aborted) => aborted,
    }
}
