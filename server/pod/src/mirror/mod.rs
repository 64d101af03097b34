//! The mirror: a session's local copy of the znodes, from which the master, the workers and the pages decide.
//!
//! One recursive watch reports which nodes changed, and only those are read again. The mirror may be stale, which is harmless:
//! all writes carry the versions that were read, so acting on a stale mirror fails. After a disconnect, and every 30 s in any
//! case, everything is read again.

pub mod leader_history;
pub mod unexpected;

mod dirty;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use base::causes::chain;
use coord::{Coordinator, Error, Hint, Scope, SessionState, Watch};
use shared::clock::Clock;
use shared::id::JobId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use self::dirty::Dirty;
pub use self::snapshot::Nodes;
use self::snapshot::Reader;

/// Interval of unconditional rescans.
const RESCAN_INTERVAL: Duration = Duration::from_secs(30);
/// Minimum pause between two reads; hints that arrive meanwhile are read together.
const HINT_DEBOUNCE: Duration = Duration::from_millis(5);

/// A running mirror; dropping it stops it.
pub struct Mirror {
    nodes: watch::Receiver<Arc<Nodes>>,
    refresh: mpsc::Sender<(JobId, oneshot::Sender<()>)>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mirror {
    /// Starts to mirror a session's znodes. Stamps that are read advance `clock`.
    pub fn start(coordinator: Arc<dyn Coordinator>, clock: Arc<Clock>) -> Self {
        let (publish, nodes) = watch::channel(Arc::new(Nodes::default()));
        let (refresh, requests) = mpsc::channel(64);
        let reader = Reader::new(coordinator.clone(), clock);
        let follower = Follower { coordinator, publish, reader };
        let task = tokio::spawn(follower.run(requests));
        Self { nodes, refresh, task }
    }

    /// Returns a receiver of the snapshots.
    pub fn nodes(&self) -> watch::Receiver<Arc<Nodes>> {
        self.nodes.clone()
    }

    /// Waits until the first read is complete.
    ///
    /// # Errors
    /// [`Error::Expired`]: the session is over.
    pub async fn loaded(&self) -> coord::Result<()> {
        self.nodes.clone().wait_for(|nodes| nodes.loaded).await.map(drop).map_err(|_| Error::Expired)
    }

    /// Reads a job again, so that the mirror contains everything that this session wrote before the call. Returns early when
    /// the session is disconnected; everything is then read again after the reconnect.
    pub async fn refresh(&self, job: &JobId) {
        let (reply, done) = oneshot::channel();
        if self.refresh.send((job.clone(), reply)).await.is_ok() {
            let _ = done.await;
        }
    }
}

struct Follower {
    coordinator: Arc<dyn Coordinator>,
    publish: watch::Sender<Arc<Nodes>>,
    reader: Reader,
}

impl Follower {
    async fn run(mut self, mut requests: mpsc::Receiver<(JobId, oneshot::Sender<()>)>) {
        let mut states = self.coordinator.states();
        let mut backoff = Backoff::new(Duration::from_millis(25), Duration::from_secs(1));
        loop {
            // Only submit operations while connected.
            let ready = |state: &SessionState| *state == SessionState::Connected || state.is_terminal();
            match states.wait_for(ready).await.map(|state| *state) {
                Ok(SessionState::Connected) => {}
                _ => return,
            }
            let began = Instant::now();
            if let Err(error) = self.follow(&mut requests).await {
                tracing::debug!(error = %chain(&error), session = %self.coordinator.session(), "following the znodes failed; reading them again");
                if error.is_terminal() {
                    return;
                }
                // The state may not have changed yet; don't spin on an operation that fails at once.
                if began.elapsed() > RESCAN_INTERVAL {
                    backoff.reset();
                }
                backoff.wait().await;
            }
        }
    }

    /// Sets the watch, reads everything and then whatever changes, until the watch is lost or a read fails.
    async fn follow(&mut self, requests: &mut mpsc::Receiver<(JobId, oneshot::Sender<()>)>) -> coord::Result<()> {
        let mut watch = self.coordinator.watch("/", Scope::Recursive).await?;
        // Changes during a gap aren't replayed, so sync first and then read everything.
        self.coordinator.sync().await?;
        self.publish.send_replace(self.reader.read(&Dirty { everything: true, ..Dirty::default() }).await?);
        let (mut rescan, mut next) = (Instant::now() + RESCAN_INTERVAL, Instant::now());
        loop {
            let mut dirty = Dirty::default();
            let mut replies = Vec::new();
            tokio::select! {
                hint = watch.changed() => match hint {
                    Hint::Changed(path) => dirty.mark(&path),
                    Hint::Lost => return Ok(()),
                },
                request = requests.recv() => match request {
                    Some((job, reply)) => {
                        dirty.jobs.insert(job);
                        replies.push(reply);
                    }
                    None => std::future::pending().await,
                },
                () = tokio::time::sleep_until(rescan) => {
                    dirty.everything = true;
                    rescan = Instant::now() + RESCAN_INTERVAL;
                }
            }
            if !gather(next, &mut watch, requests, &mut dirty, &mut replies).await {
                return Ok(());
            }
            self.publish.send_replace(self.reader.read(&dirty).await?);
            next = Instant::now() + HINT_DEBOUNCE;
            for reply in replies {
                let _ = reply.send(());
            }
        }
    }
}

/// Collects pending hints and requests, and those that arrive until the given time. Returns `false` if the watch is lost.
async fn gather(
    until: Instant,
    watch: &mut Watch,
    requests: &mut mpsc::Receiver<(JobId, oneshot::Sender<()>)>,
    dirty: &mut Dirty,
    replies: &mut Vec<oneshot::Sender<()>>,
) -> bool {
    let until = tokio::time::sleep_until(until);
    tokio::pin!(until);
    loop {
        tokio::select! {
            biased;
            hint = watch.changed() => match hint {
                Hint::Changed(path) => dirty.mark(&path),
                Hint::Lost => return false,
            },
            Some((job, reply)) = requests.recv() => {
                dirty.jobs.insert(job);
                replies.push(reply);
            }
            () = &mut until => return true,
        }
    }
}
