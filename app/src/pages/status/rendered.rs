//! What the server renders.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::{Meta, Title};
use shared::cluster::ClusterView;

use crate::api;
use crate::components::{LeaderCard, Locks, Pods, ProblemNotice, Work};
use crate::format;

/// The status page.
#[component]
pub fn StatusPage() -> impl IntoView {
    let view = Resource::new(|| (), |()| api::cluster());
    view! {
        <Title text="Status" />
        <Meta http_equiv="refresh" content="5" />
        <h1>"Status"</h1>
        <Suspense>
            {move || Suspend::new(async move {
                match view.await {
                    Ok(view) => Either::Left(view! { <Status view /> }),
                    Err(problem) => {
                        api::set_status(problem.status);
                        Either::Right(view! { <ProblemNotice problem /> })
                    }
                }
            })}
        </Suspense>
    }
}

#[component]
fn Status(view: ClusterView) -> impl IntoView {
    let at = format::date(view.at, None);
    let clock = format::clock(view.at, None);
    let view = Signal::stored(view);
    view! {
        <p class="muted status-line">
            "As of " <time title=at>{clock}</time> " UTC. This page needs no scripts and refreshes itself every 5 seconds; the "
            <a href=shared::route::CLUSTER rel="external">
                "cluster page"
            </a> " is live."
        </p>
        <div class="cluster static">
            <LeaderCard view />
            <Pods view />
            <Work view />
            <Locks view />
        </div>
    }
}
