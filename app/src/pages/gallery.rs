//! The gallery page.

use leptos::prelude::*;

/// The gallery page.
#[component]
pub fn GalleryPage() -> impl IntoView {
    view! { <h1>"Gallery"</h1> }
}
