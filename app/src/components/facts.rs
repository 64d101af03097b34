//! List of labels and values.

use std::sync::{Arc, Mutex};

use leptos::prelude::*;
use leptos::tachys::reactive_graph::SharedReactiveFunction;

/// A label and a reactive value.
pub struct Fact {
    label: &'static str,
    value: SharedReactiveFunction<String>,
}

impl Fact {
    /// Creates a reactive value.
    pub fn new(label: &'static str, value: impl FnMut() -> String + Send + 'static) -> Self {
        Self { label, value: Arc::new(Mutex::new(value)) }
    }

    /// Creates a constant value.
    pub fn fixed(label: &'static str, value: String) -> Self {
        Self::new(label, move || value.clone())
    }
}

/// List of labels and values.
#[component]
pub fn Facts(
    /// The rows, top to bottom.
    rows: Vec<Fact>,
) -> impl IntoView {
    let rows = rows.into_iter().map(|Fact { label, value }| {
        view! {
            <div>
                <dt>{label}</dt>
                <dd>{value}</dd>
            </div>
        }
    });
    view! {
        <dl class="facts">
            {rows.collect_view()}
        </dl>
    }
}
