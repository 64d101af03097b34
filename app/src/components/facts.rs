//! Labels and values in a list.

use leptos::prelude::*;
use leptos::tachys::reactive_graph::SharedReactiveFunction;

use crate::dynamic::dynamic;

/// A label and a value that follows the signals it reads.
pub struct Fact {
    label: &'static str,
    value: SharedReactiveFunction<String>,
}

impl Fact {
    /// A value in the page's type.
    pub fn new(label: &'static str, value: impl FnMut() -> String + Send + 'static) -> Self {
        Self { label, value: dynamic(value) }
    }

    /// A value that stays.
    pub fn fixed(label: &'static str, value: String) -> Self {
        Self::new(label, move || value.clone())
    }
}

/// Labels and values in a list.
#[component]
pub fn Facts(
    /// The rows, from the top.
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
