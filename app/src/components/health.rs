//! Why work waits, when it does.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use shared::cluster::{ClusterView, Health};

use crate::api;
use crate::live::Live;

/// As much of a view as the banner needs: it is in every page's HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Vitals {
    health: Health,
    pods: usize,
    min_pods: usize,
}

impl From<&ClusterView> for Vitals {
    fn from(view: &ClusterView) -> Self {
        Self { health: view.health, pods: view.live(), min_pods: view.min_pods }
    }
}

/// What a person needs to know about the array's health: a title and a sentence.
pub fn health_sentence(health: Health, pods: usize, min_pods: usize) -> (&'static str, String) {
    match health {
        Health::Ok => ("All is well", "A master leads, and work is done as it comes.".to_owned()),
        Health::NoMaster => {
            ("There is no master", "Uploads are kept and will run when a master is elected.".to_owned())
        }
        Health::TooFewPods => (
            "Too few pods",
            format!(
                "{pods} of at least {min_pods} {} here. Uploads are kept and will run when more have joined.",
                if pods == 1 { "is" } else { "are" }
            ),
        ),
        Health::Disconnected => (
            "This pod has lost the coordinator",
            "What you see may be old. Uploads are kept and will run when it is back.".to_owned(),
        ),
    }
}

/// A banner, only while work waits.
#[component]
pub fn HealthBanner() -> impl IntoView {
    let live = Live::expect();
    let first = Resource::new(|| (), |()| async { api::cluster().await.ok().as_ref().map(Vitals::from) });
    view! {
        <Suspense>
            {move || Suspend::new(async move {
                let first = first.await;
                let vitals = Memo::new(move |_| live.view.read().as_ref().map(Vitals::from).or(first));
                move || {
                    vitals
                        .get()
                        .filter(|vitals| vitals.health != Health::Ok)
                        .map(|vitals| {
                            let (title, sentence) = health_sentence(vitals.health, vitals.pods, vitals.min_pods);
                            view! {
                                <div class="banner" role="status" data-testid="health-banner">
                                    <strong>{title}</strong>
                                    " "
                                    <span>{sentence}</span>
                                </div>
                            }
                        })
                }
            })}
        </Suspense>
    }
}
