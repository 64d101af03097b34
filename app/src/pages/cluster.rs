//! The cluster page: the array at work, live.

use leptos::either::Either;
use leptos::prelude::*;
use leptos_meta::Title;
use shared::cluster::ClusterView;
use shared::event::Event;

use crate::api;
use crate::components::{LeaderCard, Locks, PodLog, Pods, ProblemNotice, Timeline, Work};
use crate::live::Live;
use crate::settled::Settled;

/// The cluster page.
#[component]
pub fn ClusterPage() -> impl IntoView {
    let first = Resource::new(|| (), |()| async { (api::cluster().await, api::recent_events().await) });
    Settled::new(view! {
        <Title text="Cluster" />
        <h1>"Cluster"</h1>
        <Suspense fallback=|| view! { <p class="loading" role="status">"Asking the cluster …"</p> }>
            {move || Suspend::new(async move {
                match first.await {
                    (Ok(view), recent) => Either::Left(view! { <Cluster first=view recent /> }),
                    (Err(problem), _) => {
                        Either::Right(
                            view! { <ProblemNotice problem again=Callback::new(move |()| first.refetch()) /> },
                        )
                    }
                }
            })}
        </Suspense>
    })
}

#[component]
fn Cluster(first: ClusterView, recent: Vec<Event>) -> impl IntoView {
    let live = Live::expect();
    let view = Signal::derive(move || live.view.get().unwrap_or_else(|| first.clone()));
    view! {
        <div class="cluster">
            <LeaderCard view />
            <Pods view />
            <Work view />
            <Locks view />
            <PodLog view />
            <Timeline recent />
        </div>
    }
}
