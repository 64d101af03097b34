//! One type for all closures in views, for all effects, and for all memos of a type.
//!
//! Leptos makes code anew for each type of closure that it is given, and each closure is a type of its own.
//! What goes through here shares that code, which makes the page's module smaller.

use std::sync::{Arc, Mutex};

use leptos::prelude::*;
use leptos::tachys::reactive_graph::SharedReactiveFunction;

/// A part of a view, or an attribute, that follows the signals it reads.
pub fn dynamic<T: 'static>(part: impl FnMut() -> T + Send + 'static) -> SharedReactiveFunction<T> {
    Arc::new(Mutex::new(part))
}

/// Runs once the page is hydrated, and again whenever a signal changes that it has read. Never on the server.
pub fn effect(run: impl FnMut() + 'static) {
    start(Box::new(run));
}

fn start(mut run: Box<dyn FnMut()>) {
    Effect::new(move |_: Option<()>| run());
}

/// A value that is made anew when a signal changes that it was made of; who reads it hears of it when it is another.
pub fn memo<T: PartialEq + Send + Sync + 'static>(value: impl Fn() -> T + Send + Sync + 'static) -> Memo<T> {
    kept(Box::new(value))
}

fn kept<T: PartialEq + Send + Sync + 'static>(value: Box<dyn Fn() -> T + Send + Sync>) -> Memo<T> {
    Memo::new(move |_| value())
}
