//! Server-side rendering of the status page.

use leptos::prelude::*;
use leptos_meta::{Meta, Title};

use crate::cluster::{self, Picture};
use crate::format;
use crate::live::Live;
use crate::runtime::markup::Shown;

/// Status page.
#[component]
pub fn StatusPage() -> impl IntoView {
    let live = Live::expect();
    let (view, events) = (live.view.get_untracked(), live.events.get_untracked());
    let shown = view.map(|view| {
        let picture = Picture { view: &view, events: &events, now: view.at, zone: None, is_old: false };
        let at = (format::date(view.at, None), format::clock(view.at, None));
        (
            at,
            Shown::new("cluster static", cluster::array(&picture)),
            Shown::new("timeline", cluster::timeline(&picture)),
        )
    });
    view! {
        <Title text="Status" />
        <Meta http_equiv="refresh" content="5" />
        <h1>"Status"</h1>
        {shown
            .map(|((date, clock), array, timeline)| {
                view! {
                    <p class="muted status-line">
                        "As of " <time title=date>{clock}</time>
                        " UTC. This page needs no scripts and refreshes itself every 5 seconds; the "
                        <a href=shared::route::CLUSTER rel="external">
                            "cluster page"
                        </a> " is live."
                    </p>
                    {array}
                    {timeline}
                }
            })}
    }
}
