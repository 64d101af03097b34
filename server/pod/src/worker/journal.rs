//! The journal: records tasks that this pod finished in the catalog, in case the whole array loses its znodes.
//!
//! One write per task would cost small tasks more than doing them again. So finished tasks are buffered until the work in them
//! justifies a write. When the pod stops, everything is written, since it may be the last pod and the znodes may end with it.
//! Lost entries cost only repeated work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::causes::chain;
use catalog::{FinishedTask, JobQueue};
use shared::job::Job;
use shared::task::{Done, Outcome, Task};

/// Amount of finished work that justifies a write.
const WORTH_A_WRITE: Duration = Duration::from_millis(250);
/// Maximum number of buffered tasks while the catalog doesn't answer; the oldest are dropped.
const MAX_PENDING: usize = 1_000;

/// A pod's finished tasks that aren't written yet.
pub(crate) struct Journal {
    catalog: Arc<dyn JobQueue>,
    pending: Mutex<Pending>,
}

#[derive(Default)]
struct Pending {
    tasks: Vec<FinishedTask>,
    worked: Duration,
}

impl Journal {
    /// Creates an empty journal.
    pub(crate) fn new(catalog: Arc<dyn JobQueue>) -> Self {
        Self { catalog, pending: Mutex::default() }
    }

    /// Enters a committed task. After a lost run each is written at once: the entry tells that the job isn't the cause.
    pub(crate) async fn enter(&self, job: &Job, task: &Task, done: &Done) {
        if matches!(done.outcome, Outcome::Refused { .. }) {
            return;
        }
        let finished = FinishedTask {
            job: job.job.clone(),
            run: job.run.clone(),
            phase: task.phase,
            index: task.index,
            algo: job.algo,
            cut: job.cut,
            done: done.clone(),
        };
        let is_due = {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.tasks.push(finished);
            pending.worked += Duration::from_millis(done.worked_ms.unwrap_or(0));
            pending.worked >= WORTH_A_WRITE || job.losses > 0
        };
        if is_due {
            self.write().await;
        }
    }

    /// Writes all buffered entries.
    ///
    /// # Cancellation
    /// The entries being written are lost; their work is repeated if it is needed.
    pub(crate) async fn write(&self) {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        if pending.tasks.is_empty() {
            return;
        }
        if let Err(error) = self.catalog.note_finished(&pending.tasks).await {
            tracing::info!(tasks = pending.tasks.len(), error = %chain(&error), "recording finished tasks failed; retrying");
            let mut now = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            drop(now.tasks.splice(0..0, pending.tasks));
            let excess = now.tasks.len().saturating_sub(MAX_PENDING);
            now.tasks.drain(..excess);
        }
    }
}
