//! State received from the stream, as signals, and how its messages change it.

use std::collections::{BTreeMap, HashMap};

use leptos::prelude::*;
use shared::cluster::{ClusterView, JobProgress};
use shared::event::{Event, JobMoved, What};
use shared::id::{ImageId, JobId, PodName};
use shared::log::PodLine;

use super::log_line::{Level, LogLine};

/// Connection state of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// No snapshot received yet. Also the state in the server's HTML.
    Connecting,
    /// A snapshot was received, and the stream is open.
    Live,
    /// The stream broke; the browser is reconnecting.
    Reconnecting,
}

impl Connection {
    /// Returns the name shown on the page.
    pub const fn name(self) -> &'static str {
        match self {
            Connection::Connecting => "connecting",
            Connection::Live => "live",
            Connection::Reconnecting => "reconnecting",
        }
    }
}

/// Maximum events kept in a tab.
const MAX_EVENTS: usize = 600;
/// Maximum log lines kept per pod in a tab.
const MAX_LINES: usize = 200;

/// State received from the stream. A context, provided by [`Live::provide`].
#[derive(Clone, Copy)]
pub struct Live {
    /// Connection state of the stream.
    pub connection: RwSignal<Connection>,
    /// Latest view of the array; set from the start on the server, and in the browser once one was received.
    pub view: RwSignal<Option<ClusterView>>,
    /// Latest events by `(clock, pod)`, latest first.
    pub events: RwSignal<Vec<Event>>,
    /// Progress of running jobs.
    pub progress: RwSignal<HashMap<JobId, JobProgress>>,
    /// Number of jobs of an image that have ended since the page was opened.
    pub ended: RwSignal<HashMap<ImageId, u32>>,
    /// Incremented whenever the gallery may have changed.
    pub gallery: RwSignal<u32>,
    /// When events were last lost in transit, in ms since 1970.
    pub gap: RwSignal<Option<i64>>,
    /// Log lines of the pods, oldest first; received only while there are listeners.
    pub logs: RwSignal<BTreeMap<PodName, Vec<LogLine>>>,
    /// Number of components that show logs.
    pub listeners: RwSignal<u32>,
    /// Local clock, updated every second, in ms since 1970; `None` until the page is hydrated.
    pub now: RwSignal<Option<i64>>,
    /// Local time zone; `None` until the page is hydrated.
    pub zone: RwSignal<Option<i32>>,
}

impl Live {
    /// Returns the context.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Handles a snapshot. After a gap or at the start anything may have changed.
    pub fn snapshot(self, view: ClusterView) {
        self.viewed(view);
        *self.gallery.write() += 1;
    }

    /// Handles a changed view.
    pub fn viewed(self, view: ClusterView) {
        let progress = view.jobs.iter().filter_map(|job| Some((job.job.clone(), job.progress()?))).collect();
        self.progress.set(progress);
        self.view.set(Some(view));
    }

    /// Handles progress of a job.
    pub fn moved(self, moved: JobMoved) {
        self.progress.write().insert(moved.job, moved.progress);
    }

    /// Handles an event.
    pub fn happened(self, event: Event) {
        match &event.what {
            What::GalleryChanged | What::JobStarted { .. } => *self.gallery.write() += 1,
            What::JobEnded { job, image } => {
                self.progress.write().remove(job);
                *self.ended.write().entry(image.clone()).or_default() += 1;
                *self.gallery.write() += 1;
            }
            _ => {}
        }
        insert(&mut self.events.write(), event);
    }

    /// Handles a log line.
    pub fn said(self, said: PodLine) {
        let PodLine { pod, id, kind, at, text } = said;
        let line = LogLine { id: (id.at, id.nth), kind, level: Level::of(&text), at, text };
        append(self.logs.write().entry(pod).or_default(), line);
    }

    /// Handles a gap: events were lost; a snapshot and the events still kept follow.
    pub fn lost(self) {
        self.gap.set(self.now.get_untracked());
    }
}

/// Inserts an event by its stamp, latest first, unless already present, and drops the oldest beyond [`MAX_EVENTS`].
pub fn insert(events: &mut Vec<Event>, event: Event) {
    let place = events.partition_point(|kept| kept.stamp > event.stamp);
    if events[place..].iter().take_while(|kept| kept.stamp == event.stamp).any(|kept| *kept == event) {
        return;
    }
    events.insert(place, event);
    events.truncate(MAX_EVENTS);
}

/// Inserts a line by its time, unless already present, and drops the oldest beyond [`MAX_LINES`].
fn append(lines: &mut Vec<LogLine>, line: LogLine) {
    let place = lines.partition_point(|kept| kept.id <= line.id);
    if lines[..place].iter().rev().take_while(|kept| kept.id == line.id).any(|kept| kept.text == line.text) {
        return;
    }
    lines.insert(place, line);
    let over = lines.len().saturating_sub(MAX_LINES);
    lines.drain(..over);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use shared::clock::Stamp;
    use shared::log::LogKind;

    fn event(clock: u64, pod: &str) -> Event {
        let pod: shared::id::PodName = pod.parse().unwrap();
        Event { stamp: Stamp { clock, pod: pod.clone() }, at: 1_000 - clock as i64, what: What::PodJoined { pod } }
    }

    #[test]
    fn events_are_sorted_by_lamport_time_whatever_the_wall_clock_and_the_order_of_arrival() {
        let mut events = Vec::new();
        for (clock, pod) in [(3, "a"), (1, "b"), (2, "a"), (2, "b")] {
            insert(&mut events, event(clock, pod));
        }
        let order: Vec<(u64, String)> = events.iter().map(|e| (e.stamp.clock, e.stamp.pod.to_string())).collect();
        assert_eq!(order, [(3, "a".into()), (2, "b".into()), (2, "a".into()), (1, "b".into())]);
    }

    #[test]
    fn a_replayed_event_is_shown_once() {
        let mut events = vec![event(2, "a")];
        insert(&mut events, event(2, "a"));
        assert_eq!(events.len(), 1);
    }

    #[test]
    fn events_of_one_stamp_are_shown_once_each_whatever_their_order() {
        let other = Event { what: What::GalleryChanged, ..event(2, "a") };
        let mut events = vec![event(2, "a"), other.clone()];
        insert(&mut events, other);
        assert_eq!(events.len(), 2);
    }

    #[test]
    fn lines_of_a_log_stand_by_their_time_once_and_the_oldest_go() {
        let line = |at: i64, text: &str| LogLine {
            id: (at, 0),
            kind: LogKind::Line,
            level: Level::Info,
            at: at / 1_000_000,
            text: text.to_owned(),
        };
        let mut lines = Vec::new();
        for (at, text) in [(2, "b"), (1, "a"), (2, "b"), (3, "c")] {
            append(&mut lines, line(at, text));
        }
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        for at in 4..=MAX_LINES as i64 + 4 {
            append(&mut lines, line(at, "more"));
        }
        assert_eq!((lines.len(), lines[0].id.0), (MAX_LINES, 5));
    }

    #[test]
    fn a_tab_that_stays_open_forgets_the_oldest() {
        let mut events = Vec::new();
        for clock in 0..=MAX_EVENTS as u64 {
            insert(&mut events, event(clock, "a"));
        }
        assert_eq!((events.len(), events[MAX_EVENTS - 1].stamp.clock), (MAX_EVENTS, 1));
    }
}
