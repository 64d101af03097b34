//! Times that stay right while the page is open.

use leptos::prelude::*;

use crate::dynamic::dynamic;
use crate::format;
use crate::live::Live;

/// A moment: the date in UTC at first, once hydrated how long ago it was, with the local date as its title.
#[component]
pub fn Ago(
    /// The moment, in ms since 1970.
    at: i64,
) -> impl IntoView {
    let live = Live::expect();
    let text = Memo::new(move |_| match live.now.get() {
        Some(now) => format::ago(now - at),
        None => format::date(at, None),
    });
    view! {
        <time datetime=format::rfc3339(at) title=dynamic(move || format::date(at, live.zone.get()))>
            {text}
        </time>
    }
}

/// How long something lasts: since a moment, and still.
#[component]
pub fn Elapsed(
    /// The moment, in ms since 1970.
    #[prop(into)]
    since: Signal<i64>,
    /// The server's clock when it wrote the page, in ms since 1970.
    #[prop(into)]
    seen: Signal<i64>,
) -> impl IntoView {
    let live = Live::expect();
    let text = move || lasting(live, since.get(), seen.get());
    view! {
        <time datetime=dynamic(move || format::rfc3339(since.get())) title=dynamic(move || format::date(since.get(), live.zone.get()))>
            {dynamic(text)}
        </time>
    }
}

/// How long something has lasted: by this machine's clock, or by the server's until the page is hydrated.
pub fn lasting(live: Live, since: i64, seen: i64) -> String {
    format::span(live.now.get().unwrap_or(seen) - since)
}
