//! The status page: rendered on the server, complete without scripts, refreshed by the browser itself.

#[cfg(not(feature = "hydrate"))]
mod rendered;

#[cfg(not(feature = "hydrate"))]
pub use rendered::StatusPage;

/// In the browser: when the router comes here (by the back button, say), the server's page is loaded instead.
#[cfg(feature = "hydrate")]
#[leptos::component]
pub fn StatusPage() -> impl leptos::IntoView {
    crate::dynamic::effect(|| {
        let _ = leptos::prelude::window().location().reload();
    });
}
