//! The image page.

use leptos::prelude::*;

/// The image page.
#[component]
pub fn ImagePage() -> impl IntoView {
    view! { <h1>"Image"</h1> }
}
