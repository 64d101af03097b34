//! Per-client limits: a minimum transfer rate, and a cap on concurrent downloads.
//!
//! Even a download whose client reads nothing holds some memory, hence the cap. While a client waits for a free turn,
//! the download that has been stalled longest is broken off: clients that read have priority over those that don't.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use pipeline::intake::turns::{Turn, Turns};
use store::ReadAhead;
use tokio::time::MissedTickBehavior;

use super::connection::{Caller, Connection};
use super::paced;
use crate::problem::{ApiError, Result};

/// How long a download waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a download must have been stalled before it may be broken off for another.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How often a waiting download looks for a stalled one.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Memory that all downloads together may use to read ahead for fast clients, in bytes.
const READ_AHEAD_BYTES: usize = 64 << 20;
/// `Retry-After` when no turn became free, in seconds.
const RETRY_AFTER: u32 = 5;

/// Per-client limits. Clones share them.
#[derive(Debug, Clone)]
pub struct Clients {
    timeout: Duration,
    pub(crate) downloads: Downloads,
}

impl Clients {
    /// Creates limits: a client may stay below the minimum rate for `timeout`, and at most `downloads` run
    /// concurrently.
    pub fn new(timeout: Duration, downloads: usize) -> Self {
        let downloads = Downloads {
            turns: Turns::new(downloads),
            running: Arc::default(),
            ahead: ReadAhead::new(READ_AHEAD_BYTES),
        };
        Self { timeout, downloads }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self::new(Duration::from_secs(60), 256)
    }
}

/// Middleware that holds request bodies to a minimum rate.
pub(crate) async fn pace(State(clients): State<Clients>, request: Request, next: Next) -> Response {
    paced::run(clients.timeout, request, next).await
}

/// The running downloads. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Downloads {
    turns: Turns,
    running: Arc<Mutex<Running>>,
    pub(crate) ahead: ReadAhead,
}

#[derive(Debug, Default)]
struct Running {
    last: u64,
    connections: HashMap<u64, Arc<Connection>>,
}

/// A download's turn, released on drop.
#[derive(Debug)]
pub(crate) struct DownloadTurn {
    _turn: Turn,
    number: u64,
    running: Arc<Mutex<Running>>,
}

impl Downloads {
    /// Waits for a download's turn.
    ///
    /// # Errors
    /// 503 or 429 if no turn becomes free in time.
    pub(crate) async fn take(&self, caller: &Caller) -> Result<DownloadTurn> {
        let turn = self.turn(caller).await.ok_or_else(|| self.refusal(caller))?;
        let mut running = lock(&self.running);
        running.last += 1;
        let number = running.last;
        if let Some(connection) = &caller.0 {
            running.connections.insert(number, connection.clone());
        }
        drop(running);
        Ok(DownloadTurn { _turn: turn, number, running: self.running.clone() })
    }

    async fn turn(&self, caller: &Caller) -> Option<Turn> {
        let mut turn = pin!(self.turns.take(caller.client(), TURN_TIMEOUT));
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                turn = &mut turn => return turn,
                // Repeatedly: another waiting client may have taken the turn that was freed.
                _ = looks.tick() => self.break_off_stalled(caller),
            }
        }
    }

    /// Breaks off the download that has been stalled longest, if that would free a turn for this caller.
    fn break_off_stalled(&self, caller: &Caller) {
        let own = self.turns.is_exhausted_for(caller.client());
        let running = lock(&self.running);
        let candidates = running.connections.values().filter(|connection| !connection.is_closed());
        let candidates = candidates.filter(|connection| !own || connection.client() == caller.client());
        if let Some(connection) = candidates.max_by_key(|connection| connection.stalled_for())
            && connection.stalled_for() >= STALLED_AFTER
        {
            tracing::info!(client = ?connection.client().name(), "stalled download closed; others are waiting");
            connection.close();
        }
    }

    fn refusal(&self, caller: &Caller) -> ApiError {
        let client = caller.client();
        if self.turns.is_exhausted_for(client) {
            let most = self.turns.share(client);
            let detail = format!(
                "{most} downloads to your address are in progress, which is the limit; try again when one has ended."
            );
            return ApiError::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY_AFTER);
        }
        let most = self.turns.most();
        let detail = format!("{most} downloads are in progress here, which is the limit; try again in a moment.");
        ApiError::unavailable_for(RETRY_AFTER, detail)
    }
}

impl Drop for DownloadTurn {
    fn drop(&mut self) {
        lock(&self.running).connections.remove(&self.number);
    }
}

fn lock(running: &Mutex<Running>) -> MutexGuard<'_, Running> {
    // A poisoned lock is safe: no change can panic halfway.
    running.lock().unwrap_or_else(PoisonError::into_inner)
}
