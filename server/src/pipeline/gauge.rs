//! Whether there is room for one more: how many jobs wait, how much of the store's disk is free, and how many uploads
//! are under way.
//!
//! The figures are measured by one task of the process, every second ([`measure`]); asking compares numbers in memory,
//! however many uploads come. Between two measurements a process counts what it accepted itself, so that it never goes
//! beyond its own limits; several processes together may, by what they accept within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytesize::ByteSize;
use shared::cluster::{Backlog, Room};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::turns::{Client, Turn, Turns};
use crate::catalog::{Catalog, Unsent, UnsentLimits};
use crate::store::{Outage, Store};

/// How often the figures are measured.
const EVERY: Duration = Duration::from_secs(1);
/// How long an upload waits for its turn when too many are under way.
const PATIENCE: Duration = Duration::from_secs(20);
/// Free space is shown in steps of so many bytes, so that views don't change all the time.
const STEP: u64 = 16 << 20;

/// Why there is no room just now. Trying again later helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Enough waits already.
    #[error(
        "{waiting} jobs wait or are on their way, and at most {most} may; when some are done, there is room for more."
    )]
    Backlog {
        /// Jobs that wait, and uploads under way that will.
        waiting: u64,
        /// The limit.
        most: u64,
    },
    /// What is free of the disk is kept free.
    #[error("Only {} of the store's disk are free, and {} are kept free; something must be deleted first.", ByteSize(*.free), ByteSize(*.least))]
    Disk {
        /// Bytes that are free.
        free: u64,
        /// The limit.
        least: u64,
    },
    /// Too many uploads are under way in this process.
    #[error(
        "{0} uploads are under way here, which is the most at a time; when some have ended, there is room for more."
    )]
    Uploads(usize),
    /// The client's address takes all the turns that it may.
    #[error(
        "{0} uploads from your address are under way here, which is the most for one; when some have ended, there is room for more."
    )]
    Share(usize),
    /// Enough resumable uploads are unfinished.
    #[error("{unfinished} uploads have begun and aren't finished, which is the most{}; finish or delete one, or try again later.", if *.own { " for one address" } else { "" })]
    Unfinished {
        /// How many there are, of the client or of all.
        unfinished: u64,
        /// Whether they are the client's.
        own: bool,
    },
    /// The store has no room for what was announced.
    #[error(
        "The upload has {} bytes; the store has room for {}{}, and unfinished uploads have announced {} of it already.",
        .length, ByteSize(*.room), if *.own { " from one address" } else { "" }, ByteSize(*.announced)
    )]
    Announced {
        /// Bytes of the upload.
        length: u64,
        /// Bytes that there is room for, for the client or for all.
        room: u64,
        /// Bytes of it that are announced and missing.
        announced: u64,
        /// Whether it is about the client's share.
        own: bool,
    },
}

impl Full {
    /// Why an upload of `length` bytes doesn't fit beside what is unsent.
    pub fn of_unsent(unsent: &Unsent, limits: &UnsentLimits, length: u64) -> Self {
        let most = &limits.most;
        if unsent.uploads_of_client >= most.uploads_of_client {
            return Full::Unfinished { unfinished: unsent.uploads_of_client, own: true };
        }
        if unsent.uploads >= most.uploads {
            return Full::Unfinished { unfinished: unsent.uploads, own: false };
        }
        // The smaller limit is told where both are exceeded.
        let own =
            unsent.bytes_of_client.saturating_add(length) > most.bytes_of_client && most.bytes_of_client < most.bytes;
        let (room, announced) =
            if own { (most.bytes_of_client, unsent.bytes_of_client) } else { (most.bytes, unsent.bytes) };
        Full::Announced { length, room, announced, own }
    }

    /// After how many seconds it makes sense to try again.
    pub const fn retry_after(&self) -> u32 {
        match self {
            Full::Uploads(_) | Full::Share(_) => 2,
            Full::Backlog { .. } => 10,
            Full::Disk { .. } | Full::Unfinished { .. } | Full::Announced { .. } => 30,
        }
    }
}

/// The limits.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Jobs that may wait.
    pub max_backlog: u64,
    /// Bytes of the store's disk that are kept free.
    pub min_free: u64,
    /// Uploads under way in this process at a time: each holds some memory.
    pub max_uploads: usize,
    /// Resumable uploads that have begun and aren't finished.
    pub max_unfinished: u64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { max_backlog: 200_000, min_free: 1 << 30, max_uploads: 100, max_unfinished: 1_000 }
    }
}

/// What was measured; `None` as long as it isn't known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// How much waits.
    pub backlog: Option<Backlog>,
    /// How much this process had accepted when that was counted.
    pub accepted: u64,
    /// Bytes that are free where the objects lie; also `None` on S3.
    pub free: Option<u64>,
    /// Since when the store has failed for everyone.
    pub outage: Option<Outage>,
}

/// Tells whether there is room. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Gauge {
    capacity: Capacity,
    figures: watch::Receiver<Figures>,
    accepted: Arc<AtomicU64>,
    turns: Turns,
    client: Client,
}

impl Gauge {
    /// A gauge of these limits over figures that somebody measures.
    pub fn new(capacity: Capacity, figures: watch::Receiver<Figures>) -> Self {
        let turns = Turns::new(capacity.max_uploads);
        Self { capacity, figures, accepted: Arc::default(), turns, client: Client::default() }
    }

    /// The same, asked for a client.
    pub fn of(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// A gauge of the usual limits that nobody measures for: there is room for all that this process accepts.
    pub fn unmeasured() -> Self {
        Self::new(Capacity::default(), watch::channel(Figures::default()).1)
    }

    /// Whether one more job may wait.
    ///
    /// # Errors
    /// [`Full::Backlog`] or [`Full::Disk`].
    pub fn room(&self) -> Result<(), Full> {
        self.disk()?;
        let (waiting, most) = (self.waiting(), self.capacity.max_backlog);
        if waiting < most { Ok(()) } else { Err(Full::Backlog { waiting, most }) }
    }

    /// Whether the disk has more free than what is kept free.
    ///
    /// # Errors
    /// [`Full::Disk`].
    pub fn disk(&self) -> Result<(), Full> {
        let (least, free) = (self.capacity.min_free, self.figures.borrow().free);
        match free {
            Some(free) if free < least => Err(Full::Disk { free, least }),
            _ => Ok(()),
        }
    }

    /// How much may be announced and unsent: what the disk has free beyond what is kept free, and of that, as of their number,
    /// no more than a share for one client.
    pub fn unsent_limits(&self) -> UnsentLimits {
        let (uploads, least) = (self.capacity.max_unfinished, self.capacity.min_free);
        // Where free space isn't known, as on S3, only their number is limited.
        let bytes = self.figures.borrow().free.map_or(u64::MAX, |free| free.saturating_sub(least));
        let (uploads_of_client, bytes_of_client) = (self.client.share(uploads), self.client.share(bytes));
        UnsentLimits { client: self.client.name(), most: Unsent { uploads, bytes, uploads_of_client, bytes_of_client } }
    }

    /// Begins an upload: there is room for its job, and it is its turn. Waits a while for the latter.
    ///
    /// # Errors
    /// [`Full`].
    pub async fn enter(&self) -> Result<Turn, Full> {
        self.room()?;
        let turn = self.turns.take(self.client, PATIENCE).await.ok_or_else(|| self.no_turn())?;
        // Others may have come first meanwhile. This one is counted as under way by now.
        match self.room() {
            Err(Full::Backlog { waiting, most }) if waiting > most => Err(Full::Backlog { waiting: waiting - 1, most }),
            Err(full @ Full::Disk { .. }) => Err(full),
            _ => Ok(turn),
        }
    }

    /// Why no turn became free in time.
    fn no_turn(&self) -> Full {
        if self.turns.is_exhausted_for(self.client) {
            Full::Share(self.turns.share(self.client))
        } else {
            Full::Uploads(self.turns.most())
        }
    }

    /// Counts a job that was accepted here, until the next measurement does.
    pub fn note_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// The figures, and their changes.
    pub fn figures(&self) -> watch::Receiver<Figures> {
        self.figures.clone()
    }

    /// Jobs that wait and are worked on, as they were last counted.
    pub fn backlog(&self) -> Backlog {
        self.figures.borrow().backlog.unwrap_or_default()
    }

    /// What pages show of it.
    pub fn view(&self) -> Room {
        // Never two looks at a time: a measurement that comes between them waits for the first, and the second for it.
        let Figures { free, outage, .. } = *self.figures.borrow();
        let refused = self.room().err().map(|full| full.to_string());
        Room {
            max_backlog: self.capacity.max_backlog,
            free: free.map(|free| free / STEP * STEP),
            min_free: self.capacity.min_free,
            refused,
            outage: outage.map(outage_sentence),
        }
    }

    /// Jobs that wait, as far as is known, and uploads under way, each of which will.
    fn waiting(&self) -> u64 {
        let figures = *self.figures.borrow();
        let since = self.accepted.load(Ordering::Relaxed).saturating_sub(figures.accepted);
        let under_way = self.turns.taken();
        figures.backlog.map_or(0, |backlog| backlog.queued) + since + under_way as u64
    }
}

/// Measures every second, for ever. Neither the catalog nor the file system holds the other's figure up; while one
/// doesn't answer, its last figure stays.
pub async fn measure(gauge: Gauge, figures: watch::Sender<Figures>, catalog: Arc<dyn Catalog>, store: Store) {
    tokio::join!(count(&gauge, &figures, &*catalog), weigh(&figures, &store), follow_outages(&figures, &store));
}

async fn follow_outages(figures: &watch::Sender<Figures>, store: &Store) {
    let mut outage = store.outage();
    loop {
        let now = *outage.borrow_and_update();
        publish(figures, |known| known.outage = now);
        // The store that is at hand holds the sender.
        if outage.changed().await.is_err() {
            return;
        }
    }
}

/// What pages say while the store fails.
fn outage_sentence(outage: Outage) -> String {
    let second = outage.since.div_euclid(1_000).rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let (how, until) = if outage.is_full { ("full", "there is room") } else { ("failing", "it works again") };
    format!(
        "It has been {how} since {hour:02}:{minute:02}:{second:02} UTC. Jobs wait, and go on by themselves when {until}."
    )
}

async fn count(gauge: &Gauge, figures: &watch::Sender<Figures>, catalog: &dyn Catalog) {
    let (mut turns, mut silent) = (every_second(), false);
    loop {
        turns.tick().await;
        let accepted = gauge.accepted.load(Ordering::Relaxed);
        match catalog.backlog().await {
            Ok(backlog) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("the catalog answers again");
                }
                publish(figures, |known| (known.backlog, known.accepted) = (Some(backlog), accepted));
            }
            // Once an outage, not once a second.
            Err(error) if !std::mem::replace(&mut silent, true) => {
                tracing::warn!(%error, "the backlog can't be counted; the last figure stays until the catalog answers");
            }
            Err(_) => {}
        }
    }
}

async fn weigh(figures: &watch::Sender<Figures>, store: &Store) {
    let (mut turns, mut silent) = (every_second(), false);
    loop {
        turns.tick().await;
        match store.free().await {
            Ok(free) => {
                silent = false;
                publish(figures, |known| known.free = free);
            }
            Err(error) if !std::mem::replace(&mut silent, true) => {
                tracing::warn!(%error, "the store's free space can't be told; the last figure stays");
            }
            Err(_) => {}
        }
    }
}

fn every_second() -> tokio::time::Interval {
    let mut turns = tokio::time::interval(EVERY);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// Changes the figures; those who wait for a change are woken only by one.
fn publish(figures: &watch::Sender<Figures>, change: impl FnOnce(&mut Figures)) {
    figures.send_if_modified(|known| {
        let before = *known;
        change(known);
        *known != before
    });
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn gauge(max_backlog: u64, max_uploads: usize) -> (watch::Sender<Figures>, Gauge) {
        let (figures, receiver) = watch::channel(Figures::default());
        (figures, Gauge::new(Capacity { max_backlog, min_free: 1_000, max_uploads, max_unfinished: 8 }, receiver))
    }

    fn queued(queued: u64) -> Option<Backlog> {
        Some(Backlog { queued, ..Backlog::default() })
    }

    #[tokio::test]
    async fn what_was_accepted_since_the_last_count_counts_once() {
        let (figures, gauge) = gauge(3, 10);
        figures.send_modify(|known| known.backlog = queued(1));
        gauge.note_accepted();
        assert_eq!(gauge.room(), Ok(()));
        gauge.note_accepted();
        assert_eq!(gauge.room(), Err(Full::Backlog { waiting: 3, most: 3 }));
        // A count that saw both.
        figures.send_modify(|known| (known.backlog, known.accepted) = (queued(2), 2));
        assert_eq!(gauge.room(), Ok(()));
    }

    #[test]
    fn who_measures_and_who_looks_never_wait_for_each_other_for_ever() {
        let (figures, gauge) = gauge(3, 10);
        let (ended, end) = std::sync::mpsc::channel();
        let measured = ended.clone();
        std::thread::spawn(move || {
            (0..200_000).for_each(|free| figures.send_modify(|known| known.free = Some(free)));
            measured.send(()).unwrap();
        });
        std::thread::spawn(move || {
            (0..200_000).for_each(|_| drop((gauge.view(), gauge.backlog())));
            ended.send(()).unwrap();
        });
        for _ in 0..2 {
            end.recv_timeout(std::time::Duration::from_secs(60)).expect("both come to an end");
        }
    }

    #[tokio::test]
    async fn uploads_under_way_will_wait_too() {
        let (_figures, gauge) = gauge(2, 10);
        let first = gauge.enter().await.unwrap();
        let _second = gauge.enter().await.unwrap();
        assert_eq!(gauge.enter().await.unwrap_err(), Full::Backlog { waiting: 2, most: 2 });
        drop(first);
        gauge.enter().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_waits_for_its_turn_and_not_for_ever() {
        let (_figures, gauge) = gauge(100, 1);
        let first = gauge.enter().await.unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(gauge.enter().await.unwrap_err(), Full::Uploads(1));
        assert_eq!(began.elapsed(), PATIENCE);
        let (second, ()) = tokio::join!(gauge.enter(), async { drop(first) });
        second.unwrap();
    }

    #[test]
    fn an_outage_of_the_store_is_told_with_its_beginning() {
        let (figures, gauge) = gauge(10, 10);
        assert_eq!(gauge.view().outage, None);
        let since = 1_000 * (86_400 * 20_000 + 3_600 * 12 + 60 * 3 + 4) + 999;
        figures.send_modify(|known| known.outage = Some(Outage { since, is_full: false }));
        let failing = "It has been failing since 12:03:04 UTC. Jobs wait, and go on by themselves when it works again.";
        assert_eq!(gauge.view().outage.as_deref(), Some(failing));
        figures.send_modify(|known| known.outage = Some(Outage { since, is_full: true }));
        let full = "It has been full since 12:03:04 UTC. Jobs wait, and go on by themselves when there is room.";
        assert_eq!(gauge.view().outage.as_deref(), Some(full));
    }

    #[tokio::test]
    async fn a_full_disk_is_told_with_both_numbers() {
        let (figures, gauge) = gauge(10, 10);
        figures.send_modify(|known| known.free = Some(1_000));
        gauge.enter().await.unwrap();
        figures.send_modify(|known| known.free = Some(999));
        let sentence = gauge.enter().await.unwrap_err().to_string();
        assert!(sentence.contains("999 B") && sentence.contains("1000 B"), "{sentence}");
        assert!(gauge.view().refused.is_some());
    }
}
