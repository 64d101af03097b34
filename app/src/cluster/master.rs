//! The current master and previous terms.

use shared::cluster::{Ending, Leader, Reign};

use super::health::{health_sentence, trouble};
use super::panel::{facts, moment, panel, quiet, table};
use super::picture::Picture;
use super::why;
use crate::format;
use crate::runtime::markup::{Element, el, of};

/// Renders the master, its epoch and term, the array's health, and why work is slow.
pub fn card(picture: &Picture<'_>) -> Element {
    let view = picture.view;
    let leader = view.leader.as_ref();
    let trouble = if picture.is_old { Some(lost()) } else { trouble(view) };
    let ok = trouble.is_none().to_string();
    let (title, sentence) = trouble.unwrap_or_else(|| health_sentence(view));
    let name = leader.map_or("none".to_owned(), |leader| leader.pod.to_string());
    panel("leader", "Master", "")
        .add(of("p", "leader-name").test("leader").text(name))
        .all(leader.map(|leader| about(picture, leader)))
        .add(of("p", "health").attr("data-ok", ok).add(el("strong").text(title)).text(". ").text(sentence))
        .add(of("p", "why").test("why").add(el("strong").text("Why is it slow? ")).text(why::sentence(picture)))
        .add(of("p", "muted").text(format!(
            "Coordinator: {}. Seen by {} at Lamport time {}.",
            view.coordinator, view.seen.pod, view.seen.clock
        )))
}

fn about(picture: &Picture<'_>, leader: &Leader) -> Element {
    let epoch = leader.epoch.map_or("pending".to_owned(), |epoch| epoch.to_string());
    let mut rows = vec![("Epoch", epoch, "")];
    if let Some(since) = leader.since {
        rows.push(("Leads for", format::span(picture.now - since), ""));
        rows.push(("Since", format::date(since, picture.zone), ""));
    }
    let session = picture.view.pods.iter().find(|pod| pod.pod == leader.pod).map(|pod| pod.session.clone());
    rows.push(("Session", session.filter(|session| !session.is_empty()).unwrap_or("none".to_owned()), "mono"));
    let label = leader.label.clone().map_or("not on Kubernetes".to_owned(), String::from);
    rows.push(("Label role=master", label, ""));
    rows.push(("Address", leader.address.clone(), "mono"));
    rows.push(("Election node", leader.node.clone(), "mono"));
    facts("facts", rows)
}

/// Renders the previous terms, latest first, each with why it ended.
pub fn history(picture: &Picture<'_>) -> Element {
    let past = &picture.view.past;
    let panel =
        panel("history", "Previous masters", if past.is_empty() { String::new() } else { past.len().to_string() });
    if past.is_empty() {
        return panel.add(quiet("No previous masters."));
    }
    let row = |reign: &Reign| {
        el("tr")
            .key(reign.epoch.to_string())
            .test("reign")
            .add(el("td").text(reign.epoch.to_string()))
            .add(el("td").text(reign.pod.to_string()))
            .add(el("td").add(moment(reign.since, picture.zone)))
            .add(el("td").text(format::span(reign.until - reign.since)))
            .add(el("td").text(ending(reign.end)))
    };
    panel.add(table(&["Epoch", "Pod", "Since", "For", "How it ended"], past.iter().map(row)))
}

/// Describes why a term ended.
const fn ending(end: Ending) -> &'static str {
    match end {
        Ending::HandedOver => "Handed over on shutdown",
        Ending::SteppedDown => "Stepped down; its pod kept running",
        Ending::SessionEnded => "Lease expired: pod gone or silent",
        Ending::Evicted => "Evicted by its successor: process gone or cut off",
    }
}

/// Title and sentence for when the page has lost its server.
fn lost() -> (&'static str, String) {
    let sentence = "This page shows the last known state and reconnects by itself.";
    ("The connection to the server is lost", sentence.to_owned())
}
