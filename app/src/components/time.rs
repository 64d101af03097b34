//! Relative times that stay current while the page is open.

use leptos::prelude::*;

use crate::format;
use crate::live::Live;

/// A time: first the date in UTC; once hydrated, how long ago it was, with the local date as title.
#[component]
pub fn Ago(
    /// The time, in ms since 1970.
    at: i64,
) -> impl IntoView {
    let live = Live::expect();
    let text = Memo::new(move |_| match live.now.get() {
        Some(now) => format::ago(now - at),
        None => format::date(at, None),
    });
    view! {
        <time datetime=format::rfc3339(at) title=move || format::date(at, live.zone.get())>
            {text}
        </time>
    }
}
