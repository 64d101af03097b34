//! Labels and values in a list.

use leptos::prelude::*;
use leptos::tachys::reactive_graph::SharedReactiveFunction;

use crate::dynamic::dynamic;

/// A label and a value that follows the signals it reads.
pub struct Fact {
    label: &'static str,
    value: SharedReactiveFunction<String>,
    class: &'static str,
}

impl Fact {
    /// A value in the page's type.
    pub fn new(label: &'static str, value: impl FnMut() -> String + Send + 'static) -> Self {
        Self { label, value: dynamic(value), class: "" }
    }

    /// A value that stays.
    pub fn fixed(label: &'static str, value: String) -> Self {
        Self::new(label, move || value.clone())
    }

    /// A name or an address, in the type for code.
    pub fn code(label: &'static str, value: impl FnMut() -> String + Send + 'static) -> Self {
        Self { class: "mono", ..Self::new(label, value) }
    }
}

/// Labels and values in a list.
#[component]
pub fn Facts(
    /// The rows, from the top.
    rows: Vec<Fact>,
    /// Closer together, one line each.
    #[prop(optional)]
    small: bool,
) -> impl IntoView {
    let rows = rows.into_iter().map(|Fact { label, value, class }| {
        view! {
            <div>
                <dt>{label}</dt>
                <dd class=class>{value}</dd>
            </div>
        }
    });
    view! {
        <dl class="facts" class:small=small>
            {rows.collect_view()}
        </dl>
    }
}
