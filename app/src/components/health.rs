//! Why work waits, when it does.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};
use shared::cluster::{ClusterView, Health};

use crate::live::Live;
use crate::{api, format};

/// As much of a view as the banner needs: it is in every page's HTML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Vitals {
    health: Health,
    sentence: (String, String),
    /// What there is to say of the room for more.
    room: Option<String>,
}

impl From<&ClusterView> for Vitals {
    fn from(view: &ClusterView) -> Self {
        let (title, sentence) = health_sentence(view);
        Self { health: view.health, sentence: (title.to_owned(), sentence), room: room_sentence(view) }
    }
}

impl Vitals {
    /// Titles, sentences and names for tests, as long as there is something to say.
    fn notices(&self) -> Vec<(String, String, &'static str)> {
        let (title, sentence) = self.sentence.clone();
        let health = (self.health != Health::Ok).then_some((title, sentence, "health-banner"));
        let room = self.room.clone().map(|sentence| ("There is little room".to_owned(), sentence, "room-banner"));
        health.into_iter().chain(room).collect()
    }
}

/// What a person needs to know about the array's health: a title and a sentence.
pub fn health_sentence(view: &ClusterView) -> (&'static str, String) {
    let (pods, min_pods) = (view.live(), view.min_pods);
    match view.health {
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
        Health::Disconnected => {
            let since = view.cut_off.map(|at| format!(" since {} UTC", format::clock(at, None))).unwrap_or_default();
            (
                "The coordinator can't be reached",
                format!(
                    "This pod hasn't reached it{since}: what you see may be old. Uploads are taken and wait; work goes on by itself when it is back."
                ),
            )
        }
    }
}

/// What a person should know before uploads are refused, and while they are: from nine tenths of the backlog's limit on,
/// and when less than twice the space that is kept free is left.
pub fn room_sentence(view: &ClusterView) -> Option<String> {
    let (room, queued) = (&view.room, view.backlog.queued);
    if let Some(refused) = &room.refused {
        return Some(format!("Uploads are refused for a while: {refused}"));
    }
    if room.max_backlog > 0 && queued >= room.max_backlog - room.max_backlog / 10 {
        return Some(format!(
            "{} of at most {} jobs wait; above, uploads are refused for a while.",
            format::count(queued),
            format::count(room.max_backlog)
        ));
    }
    let free = room.free.filter(|free| *free < room.min_free.saturating_mul(2))?;
    Some(format!(
        "{} of the store's disk are free; below {}, uploads are refused.",
        format::bytes(free),
        format::bytes(room.min_free)
    ))
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
                let vitals = Memo::new(move |_| live.view.read().as_ref().map(Vitals::from).or_else(|| first.clone()));
                move || {
                    vitals
                        .get()
                        .map(|vitals| vitals.notices())
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(title, sentence, name)| {
                            view! {
                                <div class="banner" role="status" data-testid=name>
                                    <strong>{title}</strong>
                                    " "
                                    <span>{sentence}</span>
                                </div>
                            }
                        })
                        .collect_view()
                }
            })}
        </Suspense>
    }
}
