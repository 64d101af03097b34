//! Views of the array. Each is a pure function of a [`Picture`].
//!
//! The cluster page updates them live; the status page shows them as rendered by the server at one moment.

mod health;
mod lanes;
mod master;
mod pods;
mod spans;
mod terminals;
mod timeline;
mod why;
mod work;

use std::collections::BTreeMap;

use shared::cluster::ClusterView;
use shared::event::Event;
use shared::id::PodName;

use crate::format::{self, Zone};
use crate::live::{Level, LogLine};
use crate::markup::{Element, el, of};

pub use health::{health_sentence, room_sentence};

/// State of the array at one moment: the input of the views.
pub struct Picture<'a> {
    /// View of the array.
    pub view: &'a ClusterView,
    /// Events, latest first by `(clock, pod)`.
    pub events: &'a [Event],
    /// Current time, in ms since 1970.
    pub now: i64,
    /// Time zone of the reader, once known.
    pub zone: Zone,
    /// Whether the state is stale: the page has lost its server.
    pub is_old: bool,
}

/// Log lines, and the reader's filters.
pub struct Said<'a> {
    /// Lines of each pod, oldest first.
    pub logs: &'a BTreeMap<PodName, Vec<LogLine>>,
    /// Search text, case-insensitive; only matching lines are shown.
    pub search: &'a str,
    /// Minimum severity of the lines shown.
    pub least: Level,
    /// Whether updates are paused.
    pub paused: bool,
}

/// Renders the cluster page, except its terminals and timeline.
pub fn array(picture: &Picture<'_>) -> Vec<Element> {
    let mut panels = vec![
        master::card(picture),
        pods::cards(picture),
        work::jobs(picture),
        lanes::lanes(picture),
        work::locks(picture),
        work::failures(picture),
    ];
    panels.extend(work::unexpected(picture));
    panels.push(master::history(picture));
    panels
}

/// Renders the terminals.
pub fn terminals(picture: &Picture<'_>, said: &Said<'_>) -> Vec<Element> {
    terminals::all(picture, said)
}

/// Renders the timeline.
pub fn timeline(picture: &Picture<'_>) -> Vec<Element> {
    timeline::both(picture)
}

/// Creates a section with a title.
fn panel(name: &'static str, title: &'static str, more: impl Into<crate::markup::Words>) -> Element {
    let id = format!("{name}-title");
    let heading = el("h2").attr("id", id.clone()).text(title);
    let more = more.into();
    let heading = if more.is_empty() { heading } else { heading.text(" ").add(of("span", "muted").text(more)) };
    of("section", "panel").attr("data-panel", name).attr("aria-labelledby", id).add(heading)
}

/// Creates a list of labels and values.
fn facts(class: &'static str, rows: impl IntoIterator<Item = (&'static str, String, &'static str)>) -> Element {
    let row = |(label, value, class): (&'static str, String, &'static str)| {
        el("div").add(el("dt").text(label)).add(of("dd", class).text(value))
    };
    of("dl", class).all(rows.into_iter().map(row))
}

/// Creates a table with a heading for each column.
fn table(columns: &[&'static str], rows: impl IntoIterator<Item = Element>) -> Element {
    let head = el("tr").all(columns.iter().map(|name| el("th").attr("scope", "col").text(*name)));
    of("table", "table").add(el("thead").add(head)).add(el("tbody").all(rows))
}

/// Creates a note for an empty panel.
fn quiet(sentence: &'static str) -> Element {
    of("p", "quiet-note").text(sentence)
}

/// Shows a time of day, with the full timestamp in `datetime`.
fn moment(at: i64, zone: Zone) -> Element {
    el("time").attr("datetime", format::rfc3339(at)).text(format::clock(at, zone))
}

/// Creates a one-button form. It works without scripts; with scripts it is submitted without leaving the page.
fn form(action: String, api: String, button: Element) -> Element {
    el("form").attr("method", "post").attr("action", action).attr("data-api", api).add(button)
}
