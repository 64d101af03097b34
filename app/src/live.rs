//! What changes by itself: one stream of server-sent events a tab, as signals that every page reads.

use std::collections::HashMap;

use leptos::prelude::*;
use shared::cluster::{ClusterView, JobProgress};
use shared::event::{Event, JobMoved, What};
use shared::id::{ImageId, JobId};

#[cfg(feature = "hydrate")]
pub(crate) mod log;
#[cfg(feature = "hydrate")]
mod stream;

/// How the stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// No snapshot came yet. The server's HTML says so too.
    Connecting,
    /// A snapshot came, and the stream is open.
    Live,
    /// The stream broke; the browser tries again.
    Reconnecting,
}

impl Connection {
    /// The word that the page shows.
    pub const fn name(self) -> &'static str {
        match self {
            Connection::Connecting => "connecting",
            Connection::Live => "live",
            Connection::Reconnecting => "reconnecting",
        }
    }
}

/// Events that a tab keeps.
const KEPT: usize = 200;

/// The stream's content. A context, provided by [`Live::provide`].
#[derive(Clone, Copy)]
pub struct Live {
    /// How the stream stands.
    pub connection: RwSignal<Connection>,
    /// The latest view of the array, once one came.
    pub view: RwSignal<Option<ClusterView>>,
    /// The latest events, by `(clock, pod)`, latest first.
    pub events: RwSignal<Vec<Event>>,
    /// Jobs at work.
    pub progress: RwSignal<HashMap<JobId, JobProgress>>,
    /// How often jobs of an image have ended since the page was opened.
    pub ended: RwSignal<HashMap<ImageId, u32>>,
    /// Grows whenever the gallery may have changed.
    pub gallery: RwSignal<u32>,
    /// How often events were lost on the way.
    pub gaps: RwSignal<u32>,
    /// This machine's clock, each second, in ms since 1970; `None` until the page is hydrated.
    pub now: RwSignal<Option<i64>>,
    /// This machine's time zone; `None` until the page is hydrated.
    pub zone: RwSignal<Option<i32>>,
}

impl Live {
    /// Provides the context and, in a browser, opens the stream once the page is hydrated.
    pub fn provide() -> Self {
        let live = Self {
            connection: RwSignal::new(Connection::Connecting),
            view: RwSignal::new(None),
            events: RwSignal::new(Vec::new()),
            progress: RwSignal::new(HashMap::new()),
            ended: RwSignal::new(HashMap::new()),
            gallery: RwSignal::new(0),
            gaps: RwSignal::new(0),
            now: RwSignal::new(None),
            zone: RwSignal::new(None),
        };
        provide_context(live);
        #[cfg(feature = "hydrate")]
        Effect::new(move |_| stream::open(live));
        live
    }

    /// The context.
    pub fn expect() -> Self {
        expect_context()
    }

    /// A whole view came; after a gap or at the beginning anything may have changed.
    pub fn snapshot(self, view: ClusterView) {
        self.viewed(view);
        self.connection.set(Connection::Live);
        *self.gallery.write() += 1;
    }

    /// The view changed.
    pub fn viewed(self, view: ClusterView) {
        let progress = view.jobs.iter().filter_map(|job| Some((job.job.clone(), job.progress()?))).collect();
        self.progress.set(progress);
        self.view.set(Some(view));
    }

    /// A job moved on.
    pub fn moved(self, moved: JobMoved) {
        self.progress.write().insert(moved.job, moved.progress);
    }

    /// Something happened.
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

    /// Events were lost; a snapshot follows.
    pub fn lost(self) {
        *self.gaps.write() += 1;
    }
}

/// Puts an event where its stamp says, latest first, once, and forgets the oldest above [`KEPT`].
pub fn insert(events: &mut Vec<Event>, event: Event) {
    let place = events.partition_point(|kept| kept.stamp > event.stamp);
    if events.get(place).is_some_and(|kept| *kept == event) {
        return;
    }
    events.insert(place, event);
    events.truncate(KEPT);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use shared::clock::Stamp;

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
    fn a_tab_that_stays_open_forgets_the_oldest() {
        let mut events = Vec::new();
        for clock in 0..=KEPT as u64 {
            insert(&mut events, event(clock, "a"));
        }
        assert_eq!((events.len(), events[KEPT - 1].stamp.clock), (KEPT, 1));
    }
}
