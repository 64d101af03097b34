//! Uploads of this tab: a queue of files, a few sent concurrently, each tracked until its job has ended.

use leptos::prelude::*;
use shared::equalize::Recipe;
use shared::gallery::Accepted;

use crate::components::Entered;

mod file;
#[cfg(feature = "hydrate")]
mod files;
#[cfg(feature = "hydrate")]
mod follow;
#[cfg(feature = "hydrate")]
mod queue;
#[cfg(feature = "hydrate")]
mod send;
#[cfg(feature = "hydrate")]
mod transfer;
#[cfg(feature = "hydrate")]
mod tus;

pub use file::File;
#[cfg(feature = "hydrate")]
pub use files::{listed, listen};
#[cfg(feature = "hydrate")]
pub use follow::follow;
#[cfg(feature = "hydrate")]
use transfer::Transfer;

/// Stage of an upload.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Queued.
    Waiting,
    /// Its bytes are being sent.
    Sending,
    /// Paused by the user; what was sent is kept.
    Paused,
    /// The connection broke; it is retried automatically.
    Broken,
    /// The server has no capacity at present; it is retried automatically. With the server's sentence.
    Postponed(String),
    /// Accepted by the server; its job is queued or running.
    Accepted(Accepted),
    /// Its result is available.
    Done(Accepted),
    /// It was accepted, but its job failed; with the reason.
    Failed(Accepted, String),
    /// It was rejected; with the server's sentence.
    Refused(String),
}

impl Stage {
    /// Whether the stage is final unless the user intervenes.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Stage::Done(_) | Stage::Failed(..) | Stage::Refused(_))
    }

    /// Whether it occupies one of the concurrent slots.
    pub const fn has_turn(&self) -> bool {
        matches!(self, Stage::Sending | Stage::Broken | Stage::Postponed(_))
    }

    /// Returns the server's response, once accepted.
    pub const fn accepted(&self) -> Option<&Accepted> {
        match self {
            Stage::Accepted(accepted) | Stage::Done(accepted) | Stage::Failed(accepted, _) => Some(accepted),
            _ => None,
        }
    }

    /// Returns the stage's name, for tests and styles.
    pub const fn name(&self) -> &'static str {
        match self {
            Stage::Waiting => "waiting",
            Stage::Sending => "sending",
            Stage::Paused => "paused",
            Stage::Broken => "broken",
            Stage::Postponed(_) => "postponed",
            Stage::Accepted(_) => "accepted",
            Stage::Done(_) => "done",
            Stage::Failed(..) => "failed",
            Stage::Refused(_) => "refused",
        }
    }
}

/// Upload of one file.
pub struct Upload {
    /// Number within this tab.
    pub id: u32,
    /// File name.
    pub name: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Stage.
    pub stage: Stage,
    /// Recipe to apply.
    pub recipe: Recipe,
    /// State of the transfer.
    #[cfg(feature = "hydrate")]
    transfer: Transfer,
}

/// User action on an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Stops sending until resumed.
    Pause,
    /// Continues after a pause, or retries after a rejection.
    Resume,
    /// Removes it from the list; the server discards what was sent.
    Cancel,
}

impl Deed {
    /// Returns the actions available at a stage, with their labels.
    pub const fn of(stage: &Stage) -> &'static [(Deed, &'static str)] {
        const PAUSE: &[(Deed, &str)] = &[(Deed::Pause, "Pause"), (Deed::Cancel, "Cancel")];
        const RESUME: &[(Deed, &str)] = &[(Deed::Resume, "Resume"), (Deed::Cancel, "Cancel")];
        const RETRY: &[(Deed, &str)] = &[(Deed::Resume, "Retry"), (Deed::Cancel, "Cancel")];
        match stage {
            Stage::Waiting | Stage::Sending | Stage::Broken | Stage::Postponed(_) => PAUSE,
            Stage::Paused => RESUME,
            Stage::Refused(_) => RETRY,
            Stage::Accepted(_) | Stage::Done(_) | Stage::Failed(..) => &[],
        }
    }
}

/// Uploads of this tab. A context, provided by [`Uploads::provide`].
#[derive(Clone, Copy)]
pub struct Uploads {
    /// All uploads, in the order in which they were chosen.
    pub items: RwSignal<Vec<Upload>>,
    /// Recipe for files chosen from now on, as entered.
    pub entered: RwSignal<Entered>,
    /// Why dropped files weren't accepted.
    pub notice: RwSignal<Option<String>>,
    /// Whether files are previewed before upload.
    pub look_first: RwSignal<bool>,
    /// Files being previewed.
    pub held: RwSignal<Vec<File>>,
}

impl Uploads {
    /// Provides the context.
    pub fn provide() -> Self {
        let uploads = Self {
            items: RwSignal::new(Vec::new()),
            entered: RwSignal::default(),
            notice: RwSignal::new(None),
            look_first: RwSignal::new(false),
            held: RwSignal::new(Vec::new()),
        };
        provide_context(uploads);
        uploads
    }

    /// Returns the context.
    pub fn expect() -> Self {
        expect_context()
    }
}

/// Only a browser has files.
#[cfg(not(feature = "hydrate"))]
impl Uploads {
    /// Adds files to the queue.
    pub fn enqueue(self, _files: Vec<File>, _recipe: &Recipe) {}
}
