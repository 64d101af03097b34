//! Page for unknown addresses.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::api;
use crate::runtime::settled::Settled;

/// Page for unknown addresses, with HTTP status 404.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    api::set_status(404);
    Settled::new(view! {
        <Title text="Not found" />
        <section class="empty">
            <p class="empty-mark" aria-hidden="true">"404"</p>
            <h1>"There is no page at this address."</h1>
            <p>"It may have been deleted, or the link is incomplete."</p>
            <p>
                <a class="button primary" href=shared::route::GALLERY>"Back to the gallery"</a>
            </p>
        </section>
    })
}
