//! Status page: rendered on the server, complete without scripts, and refreshed by the browser itself.

#[cfg(not(feature = "hydrate"))]
mod rendered;

#[cfg(not(feature = "hydrate"))]
pub use rendered::StatusPage;

/// In the browser: if the router gets here (by the back button, for example), it loads the server's page instead.
#[cfg(feature = "hydrate")]
#[leptos::component]
pub fn StatusPage() -> impl leptos::IntoView {
    leptos::prelude::Effect::new(|| {
        let _ = leptos::prelude::window().location().reload();
    });
}
