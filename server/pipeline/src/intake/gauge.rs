//! Admission control: limits on queued jobs, disk space and concurrent uploads.
//!
//! One task of the process measures the figures every second ([`measure`](super::measure)); a check only compares numbers
//! in memory, however many uploads arrive. Between two measurements a process also counts what it accepted itself, so that it
//! never exceeds its own limits; several processes together may, by what they accept within a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use catalog::{Unsent, UnsentLimits};
use shared::cluster::{Backlog, Room};
use store::Outage;
use tokio::sync::watch;

use super::full::Full;
use super::turns::{Client, Turn, Turns};

/// How long an upload waits for a turn when too many are in progress.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// Granularity of the free space shown, in bytes, so that views don't change all the time.
const FREE_SPACE_STEP: u64 = 16 << 20;

/// Capacity limits.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Maximum number of queued jobs.
    pub max_backlog: u64,
    /// Bytes of the store's disk to keep free.
    pub min_free: u64,
    /// Maximum number of concurrent uploads in this process: each holds some memory.
    pub max_uploads: usize,
    /// Maximum number of resumable uploads that have begun and aren't finished.
    pub max_unfinished: u64,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { max_backlog: 200_000, min_free: 1 << 30, max_uploads: 100, max_unfinished: 1_000 }
    }
}

/// Measured figures; `None` until known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Counted backlog.
    pub backlog: Option<Backlog>,
    /// Number of jobs that this process had accepted when the backlog was counted.
    pub accepted: u64,
    /// Free bytes where the objects are stored; also `None` on S3.
    pub free: Option<u64>,
    /// The store's current outage, if any.
    pub outage: Option<Outage>,
}

/// Checks uploads against the limits. Cheap to clone; clones share their counts.
#[derive(Debug, Clone)]
pub struct Gauge {
    capacity: Capacity,
    figures: watch::Receiver<Figures>,
    accepted: Arc<AtomicU64>,
    turns: Turns,
    client: Client,
}

impl Gauge {
    /// Creates a gauge with these limits, over figures that [`measure`](super::measure::measure) updates.
    pub fn new(capacity: Capacity, figures: watch::Receiver<Figures>) -> Self {
        let turns = Turns::new(capacity.max_uploads);
        Self { capacity, figures, accepted: Arc::default(), turns, client: Client::default() }
    }

    /// Returns the same gauge with the limits of a client.
    pub fn of(&self, client: Client) -> Self {
        Self { client, ..self.clone() }
    }

    /// Creates a gauge with the default limits and no measurements: only what this process accepts counts.
    pub fn unmeasured() -> Self {
        Self::new(Capacity::default(), watch::channel(Figures::default()).1)
    }

    /// Checks that the backlog and the disk have room for one more job.
    ///
    /// # Errors
    /// [`Full::Backlog`] or [`Full::Disk`].
    pub fn room(&self) -> Result<(), Full> {
        self.disk()?;
        let (waiting, most) = (self.waiting(), self.capacity.max_backlog);
        if waiting < most { Ok(()) } else { Err(Full::Backlog { waiting, most }) }
    }

    /// Checks that the disk has more free space than the reserve.
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

    /// Returns the limits on unsent uploads: the disk's free space beyond the reserve, and for one client only a share
    /// of these bytes and of the number of uploads.
    pub fn unsent_limits(&self) -> UnsentLimits {
        let (uploads, least) = (self.capacity.max_unfinished, self.capacity.min_free);
        // Where free space isn't known, as on S3, only the number of uploads is limited.
        let bytes = self.figures.borrow().free.map_or(u64::MAX, |free| free.saturating_sub(least));
        let (uploads_of_client, bytes_of_client) = (self.client.share(uploads), self.client.share(bytes));
        UnsentLimits { client: self.client.name(), most: Unsent { uploads, bytes, uploads_of_client, bytes_of_client } }
    }

    /// Admits an upload: checks that there is room for its job, then waits for a turn, up to a timeout.
    ///
    /// # Errors
    /// [`Full`].
    pub async fn enter(&self) -> Result<Turn, Full> {
        self.room()?;
        let turn = self.turns.take(self.client, TURN_TIMEOUT).await.ok_or_else(|| self.no_turn())?;
        // Check again, since others may have been admitted meanwhile. The turn just taken is already included in the count.
        match self.room() {
            Err(Full::Backlog { waiting, most }) if waiting > most => Err(Full::Backlog { waiting: waiting - 1, most }),
            Err(full @ Full::Disk { .. }) => Err(full),
            _ => Ok(turn),
        }
    }

    /// Returns why no turn became free in time.
    fn no_turn(&self) -> Full {
        if self.turns.is_exhausted_for(self.client) {
            Full::Share(self.turns.share(self.client))
        } else {
            Full::Uploads(self.turns.most())
        }
    }

    /// Counts a job that was accepted here, until the next measurement includes it.
    pub fn note_accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of jobs that this process has accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Returns a receiver of the figures and their changes.
    pub fn figures(&self) -> watch::Receiver<Figures> {
        self.figures.clone()
    }

    /// Returns the queued and running jobs, as last counted.
    pub fn backlog(&self) -> Backlog {
        self.figures.borrow().backlog.unwrap_or_default()
    }

    /// Returns the figures as pages show them.
    pub fn view(&self) -> Room {
        // Never hold two borrows at once: a measurement in between waits for the first, and the second borrow waits for it.
        let Figures { free, outage, .. } = *self.figures.borrow();
        let refused = self.room().err().map(|full| full.to_string());
        Room {
            max_backlog: self.capacity.max_backlog,
            free: free.map(|free| free / FREE_SPACE_STEP * FREE_SPACE_STEP),
            min_free: self.capacity.min_free,
            refused,
            outage: outage.map(outage_sentence),
        }
    }

    /// Queued jobs as far as known, plus uploads in progress, each of which will become a job.
    fn waiting(&self) -> u64 {
        let figures = *self.figures.borrow();
        let since = self.accepted().saturating_sub(figures.accepted);
        let under_way = self.turns.taken();
        figures.backlog.map_or(0, |backlog| backlog.queued) + since + under_way as u64
    }
}

/// The sentence that pages show during an outage of the store.
fn outage_sentence(outage: Outage) -> String {
    let second = outage.since.div_euclid(1_000).rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let (how, until) = if outage.is_full { ("full", "there is free space") } else { ("failing", "it works again") };
    format!("It has been {how} since {hour:02}:{minute:02}:{second:02} UTC. Jobs wait, and continue when {until}.")
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
        // A count that includes both.
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
        assert_eq!(began.elapsed(), TURN_TIMEOUT);
        let (second, ()) = tokio::join!(gauge.enter(), async { drop(first) });
        second.unwrap();
    }

    #[test]
    fn an_outage_of_the_store_is_told_with_its_beginning() {
        let (figures, gauge) = gauge(10, 10);
        assert_eq!(gauge.view().outage, None);
        let since = 1_000 * (86_400 * 20_000 + 3_600 * 12 + 60 * 3 + 4) + 999;
        figures.send_modify(|known| known.outage = Some(Outage { since, is_full: false }));
        let failing = "It has been failing since 12:03:04 UTC. Jobs wait, and continue when it works again.";
        assert_eq!(gauge.view().outage.as_deref(), Some(failing));
        figures.send_modify(|known| known.outage = Some(Outage { since, is_full: true }));
        let full = "It has been full since 12:03:04 UTC. Jobs wait, and continue when there is free space.";
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
