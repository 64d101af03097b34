//! Input of the views: the state of the array at one moment, and the log lines with the reader's filters.

use std::collections::BTreeMap;

use shared::cluster::ClusterView;
use shared::event::Event;
use shared::id::PodName;

use crate::format::Zone;
use crate::live::{Level, LogLine};

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
