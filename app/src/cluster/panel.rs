//! Panels of the views, and what they contain: facts, tables, notes, times and buttons.

use crate::format::{self, Zone};
use crate::runtime::markup::{Element, Words, el, of};

/// Creates a section with a title.
pub fn panel(name: &'static str, title: &'static str, more: impl Into<Words>) -> Element {
    let id = format!("{name}-title");
    let heading = el("h2").attr("id", id.clone()).text(title);
    let more = more.into();
    let heading = if more.is_empty() { heading } else { heading.text(" ").add(of("span", "muted").text(more)) };
    of("section", "panel").attr("data-panel", name).attr("aria-labelledby", id).add(heading)
}

/// Creates a list of labels and values.
pub fn facts(class: &'static str, rows: impl IntoIterator<Item = (&'static str, String, &'static str)>) -> Element {
    let row = |(label, value, class): (&'static str, String, &'static str)| {
        el("div").add(el("dt").text(label)).add(of("dd", class).text(value))
    };
    of("dl", class).all(rows.into_iter().map(row))
}

/// Creates a table with a heading for each column.
pub fn table(columns: &[&'static str], rows: impl IntoIterator<Item = Element>) -> Element {
    let head = el("tr").all(columns.iter().map(|name| el("th").attr("scope", "col").text(*name)));
    of("table", "table").add(el("thead").add(head)).add(el("tbody").all(rows))
}

/// Creates a note for an empty panel.
pub fn quiet(sentence: &'static str) -> Element {
    of("p", "quiet-note").text(sentence)
}

/// Shows a time of day, with the full timestamp in `datetime`.
pub fn moment(at: i64, zone: Zone) -> Element {
    el("time").attr("datetime", format::rfc3339(at)).text(format::clock(at, zone))
}

/// Creates a one-button form. It works without scripts; with scripts it is submitted without leaving the page.
pub fn form(action: String, api: String, button: Element) -> Element {
    el("form").attr("method", "post").attr("action", action).attr("data-api", api).add(button)
}
