//! The event hub: publishes a pod's messages to all streams, and replays to each what it missed.
//!
//! The hub keeps the latest messages in one ring, and a stream is a position in it. A slow browser therefore costs no
//! memory: once the ring has moved past its position, it gets [`Message::Gap`] and a fresh snapshot.
//!
//! Ids are `<hub uuid>-<number>`. An id of another process, or of this one before a restart, is a gap too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use shared::cluster::ClusterView;
use shared::event::{Event, Gap, Message};
use tokio::sync::watch;
use uuid::Uuid;

/// Messages kept for replay.
const REPLAY_CAPACITY: usize = 2_048;

/// Publishes a pod's messages to streams and pages. Clones share the hub.
#[derive(Clone)]
pub struct EventHub {
    inner: Arc<Inner>,
}

struct Inner {
    uuid: String,
    view: watch::Receiver<Arc<ClusterView>>,
    ring: Mutex<Ring>,
    news: watch::Sender<News>,
    kept: usize,
}

/// State that wakes waiting streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// Number of the last published message.
    Head(u64),
    /// The hub is closed; no more messages follow.
    Closed,
}

/// The latest messages, numbered from 1.
#[derive(Default)]
struct Ring {
    messages: VecDeque<(u64, Arc<Published>)>,
    /// Number of the last published message.
    head: u64,
    /// Number of the last message that was dropped and that a stream would miss. Views that a later view replaced don't
    /// count.
    lost: u64,
}

/// A message, and its JSON, which is serialized once for all browsers.
#[derive(Debug)]
pub struct Published {
    message: Message,
    json: OnceLock<String>,
}

impl Published {
    fn new(message: Message) -> Arc<Self> {
        Arc::new(Self { message, json: OnceLock::new() })
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its content as JSON.
    pub(crate) fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let written = match &self.message {
                Message::Snapshot(view) | Message::Cluster(view) => serde_json::to_string(view),
                Message::Event(happened) => serde_json::to_string(happened),
                Message::Progress(moved) => serde_json::to_string(moved),
                Message::Gap(gap) => serde_json::to_string(gap),
            };
            written.expect("records of texts and numbers can always be written as JSON")
        })
    }
}

/// A message on its way to one browser.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Id that the browser sends back as `Last-Event-ID`; `None` for messages without a position of their own: gap
    /// notices, and events from before the stream began.
    pub id: Option<String>,
    /// The message.
    pub published: Arc<Published>,
}

impl EventHub {
    /// Creates a hub that takes its snapshots from `view`. The observer must set the view before it publishes what
    /// changed.
    pub fn new(view: watch::Receiver<Arc<ClusterView>>) -> Self {
        Self::with_capacity(view, REPLAY_CAPACITY)
    }

    fn with_capacity(view: watch::Receiver<Arc<ClusterView>>, kept: usize) -> Self {
        let uuid = Uuid::new_v4().simple().to_string();
        let inner = Inner { uuid, view, ring: Mutex::default(), news: watch::Sender::new(News::Head(0)), kept };
        Self { inner: Arc::new(inner) }
    }

    /// Publishes a message to all streams. Never blocks on a stream.
    pub fn publish(&self, message: Message) {
        let head = {
            let mut ring = self.ring();
            if matches!(message, Message::Cluster(_)) {
                // Only the latest view matters, and views are the largest messages.
                ring.messages.retain(|(_, kept)| !matches!(kept.message, Message::Cluster(_)));
            }
            ring.head += 1;
            let number = ring.head;
            ring.messages.push_back((number, Published::new(message)));
            if ring.messages.len() > self.inner.kept
                && let Some((lost, _)) = ring.messages.pop_front()
            {
                ring.lost = lost;
            }
            number
        };
        self.inner.news.send_if_modified(|news| {
            let open = *news != News::Closed;
            if open {
                *news = News::Head(head);
            }
            open
        });
    }

    /// Ends all streams, present and future. The server's shutdown would otherwise wait for them forever.
    pub fn close(&self) {
        self.inner.news.send_replace(News::Closed);
    }

    /// Subscribes after `last_event_id`, or from now on. If the stream can't be resumed there, the snapshot is followed
    /// by the latest `recent` kept events; after a reconnect to another pod, these fill most of the gap.
    pub fn subscribe(&self, last_event_id: Option<&str>, recent: usize) -> Subscription {
        let news = self.inner.news.subscribe();
        let mut pending = VecDeque::new();
        let place = match last_event_id.map(|id| (id, self.replay(id))) {
            Some((id, Some((upto, missed)))) => {
                pending.push_back(Delivery { id: Some(id.to_owned()), published: self.snapshot() });
                pending.extend(missed);
                upto
            }
            Some((id, None)) => self.gap(id.to_owned(), recent, &mut pending),
            None => self.fresh(recent, &mut pending),
        };
        Subscription { hub: self.clone(), news, place, pending, recent }
    }

    /// The kept events, oldest first.
    pub fn recent_events(&self) -> Vec<Event> {
        let event = |published: &Published| match &published.message {
            Message::Event(event) => Some(event.clone()),
            _ => None,
        };
        self.ring().messages.iter().filter_map(|(_, published)| event(published)).collect()
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // A poisoned lock is safe: each change is complete before anything can panic.
        self.inner.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.inner.uuid)
    }

    /// Returns the current head, and what was published after an id of this hub; `None` if part of that was dropped.
    /// Views are omitted: the snapshot that is sent first is newer.
    fn replay(&self, id: &str) -> Option<(u64, Vec<Delivery>)> {
        let (uuid, number) = id.rsplit_once('-')?;
        let place: u64 = number.parse().ok()?;
        let ring = self.ring();
        if uuid != self.inner.uuid || !(ring.lost..=ring.head).contains(&place) {
            return None;
        }
        let missed = ring
            .messages
            .iter()
            .filter(|(number, kept)| *number > place && !matches!(kept.message, Message::Cluster(_)))
            .map(|(number, kept)| self.delivery(*number, kept));
        Some((ring.head, missed.collect()))
    }

    fn delivery(&self, number: u64, published: &Arc<Published>) -> Delivery {
        Delivery { id: Some(self.id(number)), published: published.clone() }
    }

    fn snapshot(&self) -> Arc<Published> {
        Published::new(Message::Snapshot(Box::new(ClusterView::clone(&self.inner.view.borrow()))))
    }

    /// Queues a snapshot, and returns the position to continue from. The position is read first, so the snapshot may
    /// already contain what comes next, but never lacks anything.
    fn fresh(&self, recent: usize, pending: &mut VecDeque<Delivery>) -> u64 {
        let (place, events) = {
            let ring = self.ring();
            let events = ring.messages.iter().filter(|(_, kept)| matches!(kept.message, Message::Event(_)));
            let latest: Vec<_> = events.rev().take(recent).map(|(_, kept)| kept.clone()).collect();
            (ring.head, latest)
        };
        pending.push_back(Delivery { id: Some(self.id(place)), published: self.snapshot() });
        pending.extend(events.into_iter().rev().map(|published| Delivery { id: None, published }));
        place
    }

    fn gap(&self, after: String, recent: usize, pending: &mut VecDeque<Delivery>) -> u64 {
        pending.push_back(Delivery { id: None, published: Published::new(Message::Gap(Gap { after })) });
        self.fresh(recent, pending)
    }
}

/// One browser's stream: a position in the ring.
pub struct Subscription {
    hub: EventHub,
    news: watch::Receiver<News>,
    place: u64,
    pending: VecDeque<Delivery>,
    recent: usize,
}

impl Subscription {
    /// Waits for the next message; `None` once the hub is closed.
    ///
    /// # Cancellation
    /// Safe: no message is lost.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            if *self.news.borrow_and_update() == News::Closed {
                return None;
            }
            if let Some(delivery) = self.pending.pop_front() {
                return Some(delivery);
            }
            if !self.advance() {
                // The hub, and with it the sender, lives as long as this subscription.
                let _ = self.news.changed().await;
            }
        }
    }

    /// Queues the message after this position, or a gap if it was dropped. Returns `false` if there is none yet.
    fn advance(&mut self) -> bool {
        let next = {
            let ring = self.hub.ring();
            if self.place >= ring.head {
                return false;
            }
            let first = ring.messages.partition_point(|(number, _)| *number <= self.place);
            let kept = self.place >= ring.lost;
            kept.then(|| ring.messages.get(first).map(|(number, message)| (*number, message.clone()))).flatten()
        };
        match next {
            Some((number, message)) => {
                self.place = number;
                self.pending.push_back(self.hub.delivery(number, &message));
            }
            None => self.place = self.hub.gap(self.hub.id(self.place), self.recent, &mut self.pending),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::FutureExt;
    use shared::clock::Stamp;
    use shared::event::What;

    use super::*;

    fn view(clock: u64) -> Arc<ClusterView> {
        Arc::new(ClusterView::empty(Stamp { clock, pod: "pod-1".parse().unwrap() }))
    }

    fn hub(kept: usize) -> (watch::Sender<Arc<ClusterView>>, EventHub) {
        let (sender, receiver) = watch::channel(view(1));
        (sender, EventHub::with_capacity(receiver, kept))
    }

    fn event(clock: u64) -> Message {
        let stamp = Stamp { clock, pod: "pod-1".parse().unwrap() };
        Message::Event(Event { stamp, at: 0, what: What::GalleryChanged })
    }

    fn now(subscription: &mut Subscription) -> Vec<(Option<String>, Message)> {
        std::iter::from_fn(|| subscription.next().now_or_never().flatten())
            .map(|d| (d.id, d.published.message.clone()))
            .collect()
    }

    fn names(deliveries: &[(Option<String>, Message)]) -> Vec<&'static str> {
        deliveries.iter().map(|(_, message)| message.name()).collect()
    }

    #[test]
    fn a_stream_begins_with_a_snapshot_and_goes_on_with_what_happens() {
        let (_view, hub) = hub(8);
        hub.publish(event(1));
        let mut stream = hub.subscribe(None, 0);
        assert_eq!(names(&now(&mut stream)), ["snapshot"]);
        hub.publish(event(2));
        hub.publish(Message::Cluster(Box::new(ClusterView::clone(&view(2)))));
        assert_eq!(names(&now(&mut stream)), ["event", "cluster"]);
    }

    #[test]
    fn a_stream_that_comes_back_gets_what_it_missed_and_nothing_twice() {
        let (_view, hub) = hub(8);
        let mut stream = hub.subscribe(None, 0);
        hub.publish(event(1));
        let last = now(&mut stream).pop().unwrap().0.unwrap();
        for clock in 2..=4 {
            hub.publish(event(clock));
        }
        hub.publish(Message::Cluster(Box::new(ClusterView::clone(&view(2)))));
        let replayed = now(&mut hub.subscribe(Some(&last), 9));
        assert_eq!(names(&replayed), ["snapshot", "event", "event", "event"]);
        assert_eq!(replayed[0].0.as_ref(), Some(&last), "a break after the snapshot must not skip the replay");
    }

    #[test]
    fn an_id_that_is_too_old_or_unknown_is_a_gap_with_a_fresh_snapshot() {
        let (_view, hub) = hub(4);
        let old = now(&mut hub.subscribe(None, 0)).pop().unwrap().0.unwrap();
        for clock in 0..5 {
            hub.publish(event(clock));
        }
        for id in [old.as_str(), "0123-7", "nonsense", &format!("{}-99", hub.inner.uuid)] {
            let deliveries = now(&mut hub.subscribe(Some(id), 0));
            assert_eq!(names(&deliveries), ["gap", "snapshot"], "{id}");
            assert_eq!(deliveries[0].1, Message::Gap(Gap { after: id.to_owned() }));
        }
    }

    #[test]
    fn what_happened_lately_comes_after_the_first_snapshot_and_after_a_gap_to_those_who_ask() {
        let (_view, hub) = hub(8);
        for clock in 1..=5 {
            hub.publish(event(clock));
        }
        for (id, first) in [(None, vec!["snapshot"]), (Some("0123-7"), vec!["gap", "snapshot"])] {
            let deliveries = now(&mut hub.subscribe(id, 2));
            assert_eq!(names(&deliveries), [first, vec!["event"; 2]].concat());
            let last = [&deliveries[deliveries.len() - 2].1, &deliveries[deliveries.len() - 1].1];
            assert_eq!(last, [&event(4), &event(5)]);
        }
    }

    #[test]
    fn a_slow_stream_gets_a_gap_instead_of_a_queue() {
        let (_view, hub) = hub(4);
        let mut slow = hub.subscribe(None, 0);
        now(&mut slow);
        for clock in 0..100 {
            hub.publish(event(clock));
        }
        assert_eq!(names(&now(&mut slow)), ["gap", "snapshot"]);
        hub.publish(event(101));
        assert_eq!(names(&now(&mut slow)), ["event"]);
        assert_eq!(hub.recent_events().len(), 4);
    }

    #[test]
    fn a_closed_hub_ends_its_streams() {
        let (_view, hub) = hub(4);
        let mut stream = hub.subscribe(None, 0);
        hub.close();
        hub.publish(event(1));
        assert!(matches!(stream.next().now_or_never(), Some(None)));
        assert!(matches!(hub.subscribe(None, 0).next().now_or_never(), Some(None)));
    }

    #[test]
    fn replaced_views_are_neither_kept_nor_a_gap() {
        let (_view, hub) = hub(4);
        let mut slow = hub.subscribe(None, 0);
        now(&mut slow);
        hub.publish(event(1));
        for clock in 2..50 {
            hub.publish(Message::Cluster(Box::new(ClusterView::clone(&view(clock)))));
        }
        let deliveries = now(&mut slow);
        assert_eq!(names(&deliveries), ["event", "cluster"]);
        assert!(matches!(&deliveries[1].1, Message::Cluster(view) if view.seen.clock == 49));
    }
}
