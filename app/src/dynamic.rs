//! One type for all closures in views.
//!
//! Leptos makes code anew for each type of closure that it renders, and each closure is a type of its own.
//! What goes through here shares that code, which makes the page's module smaller.

use std::sync::{Arc, Mutex};

use leptos::tachys::reactive_graph::SharedReactiveFunction;

/// A part of a view, or an attribute, that follows the signals it reads.
pub fn dynamic<T: 'static>(part: impl FnMut() -> T + Send + 'static) -> SharedReactiveFunction<T> {
    Arc::new(Mutex::new(part))
}
