//! Type-erased closures for views, effects and memos, to reduce code size.
//!
//! Leptos generates code for each closure type, and each closure has its own type. Closures that go through this module share
//! one type, and so the generated code.

use std::sync::{Arc, Mutex};

use leptos::prelude::*;
use leptos::tachys::reactive_graph::SharedReactiveFunction;

/// Reactive part of a view, or reactive attribute.
pub fn dynamic<T: 'static>(part: impl FnMut() -> T + Send + 'static) -> SharedReactiveFunction<T> {
    Arc::new(Mutex::new(part))
}

/// Runs once the page is hydrated, and again whenever a signal it has read changes. Never runs on the server.
pub fn effect(run: impl FnMut() + 'static) {
    start(Box::new(run));
}

fn start(mut run: Box<dyn FnMut()>) {
    Effect::new(move |_: Option<()>| run());
}

/// Derived value, recomputed when a signal it has read changes. Notifies its readers only if the value differs.
pub fn memo<T: PartialEq + Send + Sync + 'static>(value: impl Fn() -> T + Send + Sync + 'static) -> Memo<T> {
    kept(Box::new(value))
}

fn kept<T: PartialEq + Send + Sync + 'static>(value: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
    Memo::new(move |_| value())
}
