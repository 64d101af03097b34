//! The array as a person sees it: each part is a function of a [`Picture`], and nothing else.
//!
//! The cluster page shows them live, the status page as they are on the server at one moment.

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

pub use master::{health_sentence, room_sentence};

/// Everything that is known at one moment.
pub struct Picture<'a> {
    /// The array.
    pub view: &'a ClusterView,
    /// What happened, latest first by `(clock, pod)`.
    pub events: &'a [Event],
    /// When it is, in ms since 1970.
    pub now: i64,
    /// Where it is shown, once that is known.
    pub zone: Zone,
    /// Whether the page has lost the server that it knows this from.
    pub is_old: bool,
}

/// What pods say, and how a person wants to see it.
pub struct Said<'a> {
    /// The lines of each pod, oldest first.
    pub logs: &'a BTreeMap<PodName, Vec<LogLine>>,
    /// Only lines with this in them, whatever the case.
    pub search: &'a str,
    /// Only lines at least as grave.
    pub least: Level,
    /// Whether they are held as they were.
    pub paused: bool,
}

/// The cluster page without its terminals and its timeline.
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

/// The terminals.
pub fn terminals(picture: &Picture<'_>, said: &Said<'_>) -> Vec<Element> {
    terminals::all(picture, said)
}

/// The timeline.
pub fn timeline(picture: &Picture<'_>) -> Vec<Element> {
    timeline::both(picture)
}

/// A section with its title.
fn panel(name: &'static str, title: &'static str, more: impl Into<crate::markup::Words>) -> Element {
    let id = format!("{name}-title");
    let heading = el("h2").attr("id", id.clone()).text(title);
    let more = more.into();
    let heading = if more.is_empty() { heading } else { heading.text(" ").add(of("span", "muted").text(more)) };
    of("section", "panel").attr("data-panel", name).attr("aria-labelledby", id).add(heading)
}

/// Labels and values.
fn facts(class: &'static str, rows: impl IntoIterator<Item = (&'static str, String, &'static str)>) -> Element {
    let row = |(label, value, class): (&'static str, String, &'static str)| {
        el("div").add(el("dt").text(label)).add(of("dd", class).text(value))
    };
    of("dl", class).all(rows.into_iter().map(row))
}

/// A table with a heading for each column.
fn table(columns: &[&'static str], rows: impl IntoIterator<Item = Element>) -> Element {
    let head = el("tr").all(columns.iter().map(|name| el("th").attr("scope", "col").text(*name)));
    of("table", "table").add(el("thead").add(head)).add(el("tbody").all(rows))
}

/// Something said in passing where there is nothing to show.
fn quiet(sentence: &'static str) -> Element {
    of("p", "quiet-note").text(sentence)
}

/// A moment: its time of day, with the whole of it for machines.
fn moment(at: i64, zone: Zone) -> Element {
    el("time").attr("datetime", format::rfc3339(at)).text(format::clock(at, zone))
}

/// A form of one button: works without scripts, and is sent in place with them.
fn form(action: String, api: String, button: Element) -> Element {
    el("form").attr("method", "post").attr("action", action).attr("data-api", api).add(button)
}
