//! The measurement of the figures that the [`gauge`](super::gauge) compares: backlog, free space, and outages of the store.

use std::sync::Arc;
use std::time::Duration;

use base::causes::chain;
use catalog::JobQueue;
use store::Store;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::gauge::{Figures, Gauge};

/// Measurement interval.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// Measures every second, forever. Catalog, file system and outages are followed independently; while one of them
/// doesn't answer, its last figure stays.
pub async fn measure(gauge: Gauge, figures: watch::Sender<Figures>, catalog: Arc<dyn JobQueue>, store: Store) {
    tokio::join!(count(&gauge, &figures, &*catalog), weigh(&figures, &store), follow_outages(&figures, &store));
}

async fn follow_outages(figures: &watch::Sender<Figures>, store: &Store) {
    let mut outage = store.outage();
    loop {
        let now = *outage.borrow_and_update();
        publish(figures, |known| known.outage = now);
        // Never happens here: the `store` argument holds the sender.
        if outage.changed().await.is_err() {
            return;
        }
    }
}

async fn count(gauge: &Gauge, figures: &watch::Sender<Figures>, catalog: &dyn JobQueue) {
    let (mut turns, mut silent) = (every_second(), false);
    loop {
        turns.tick().await;
        let accepted = gauge.accepted();
        match catalog.backlog().await {
            Ok(backlog) => {
                if std::mem::take(&mut silent) {
                    tracing::info!("catalog available again");
                }
                publish(figures, |known| (known.backlog, known.accepted) = (Some(backlog), accepted));
            }
            // Log once per outage, not once per second.
            Err(error) if !std::mem::replace(&mut silent, true) => {
                tracing::warn!(error = %chain(&error), "counting the backlog failed; keeping the last figure");
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
                tracing::warn!(error = %chain(&error), "reading the store's free space failed; keeping the last figure");
            }
            Err(_) => {}
        }
    }
}

fn every_second() -> tokio::time::Interval {
    let mut turns = tokio::time::interval(MEASURE_INTERVAL);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

/// Changes the figures; wakes receivers only if something changed.
fn publish(figures: &watch::Sender<Figures>, change: impl FnOnce(&mut Figures)) {
    figures.send_if_modified(|known| {
        let before = *known;
        change(known);
        *known != before
    });
}
