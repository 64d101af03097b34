//! Views of the array. Each is a pure function of a [`Picture`].
//!
//! The cluster page updates them live; the status page shows them as rendered by the server at one moment.

mod health;
mod lanes;
mod master;
mod panel;
mod picture;
mod pods;
mod spans;
mod terminals;
mod timeline;
mod why;
mod work;

use crate::runtime::markup::Element;

pub use health::{health_sentence, room_sentence};
pub use picture::{Picture, Said};

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
