//! The cluster page.

use leptos::prelude::*;

/// The cluster page.
#[component]
pub fn ClusterPage() -> impl IntoView {
    view! { <h1>"Cluster"</h1> }
}
