//! Banners that explain why work waits.

use leptos::prelude::*;
use shared::cluster::{ClusterView, Health};

use crate::cluster::{health_sentence, room_sentence};
use crate::live::Live;
use crate::runtime::markup::{Element, Shown, el, of};

/// Banners, shown only while there is a problem.
#[component]
pub fn HealthBanner() -> impl IntoView {
    let live = Live::expect();
    move || match &*live.view.read() {
        Some(view) => Shown::new("banners", banners(view)),
        None => Shown::kept("banners"),
    }
}

fn banners(view: &ClusterView) -> impl Iterator<Item = Element> {
    let (title, sentence) = health_sentence(view);
    let health = (view.health != Health::Ok).then(|| banner("health-banner", title, sentence));
    let room = room_sentence(view).map(|sentence| banner("room-banner", "Capacity is low", sentence));
    let outage = view.room.outage.clone().map(|sentence| banner("store-banner", "The store is unavailable", sentence));
    let alert = view.alert.clone().map(|sentence| banner("alert-banner", "An operator has to decide.", sentence));
    health.into_iter().chain(alert).chain(room).chain(outage)
}

fn banner(name: &'static str, title: &'static str, sentence: String) -> Element {
    of("div", "banner")
        .attr("role", "status")
        .test(name)
        .add(el("strong").text(title))
        .text(" ")
        .add(el("span").text(sentence))
}
