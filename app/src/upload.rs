//! Uploads of this tab: a queue of files, a few sent at a time, each followed until its job has ended.

use leptos::prelude::*;
use shared::equalize::Recipe;
use shared::gallery::Accepted;

use crate::components::Entered;

#[cfg(feature = "hydrate")]
mod files;
#[cfg(feature = "hydrate")]
mod follow;
#[cfg(feature = "hydrate")]
mod queue;
#[cfg(feature = "hydrate")]
mod send;
#[cfg(feature = "hydrate")]
mod tus;

#[cfg(feature = "hydrate")]
pub use files::{listed, listen};
#[cfg(feature = "hydrate")]
pub use follow::follow;
#[cfg(feature = "hydrate")]
use send::Transfer;

/// How far an upload is.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It waits for its turn.
    Waiting,
    /// Its bytes are on the way.
    Sending,
    /// Someone paused it; what was sent is kept.
    Paused,
    /// The connection broke; it goes on by itself.
    Broken,
    /// There is no room for it just now, says the server; it goes on by itself.
    Postponed(String),
    /// The server has it; its job is queued or at work.
    Accepted(Accepted),
    /// The result is there.
    Done(Accepted),
    /// The image was accepted and its job failed: the reason.
    Failed(Accepted, String),
    /// It wasn't accepted: the server's sentence.
    Refused(String),
}

impl Stage {
    /// Whether nothing more happens by itself.
    pub const fn has_ended(&self) -> bool {
        matches!(self, Stage::Done(_) | Stage::Failed(..) | Stage::Refused(_))
    }

    /// Whether it has one of the few turns.
    pub const fn has_turn(&self) -> bool {
        matches!(self, Stage::Sending | Stage::Broken | Stage::Postponed(_))
    }

    /// The image, once the server has it.
    pub const fn accepted(&self) -> Option<&Accepted> {
        match self {
            Stage::Accepted(accepted) | Stage::Done(accepted) | Stage::Failed(accepted, _) => Some(accepted),
            _ => None,
        }
    }

    /// The stage's name, for tests and styles.
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

/// A file that only a browser has.
#[cfg(feature = "hydrate")]
pub type File = send_wrapper::SendWrapper<web_sys::File>;
/// A file that only a browser has.
#[cfg(not(feature = "hydrate"))]
pub type File = ();

/// One file on its way.
pub struct Upload {
    /// Its number in this tab.
    pub id: u32,
    /// The file's name.
    pub name: String,
    /// The file's length.
    pub bytes: u64,
    /// How many of them were sent.
    pub sent: u64,
    /// How far it is.
    pub stage: Stage,
    /// What to do with it.
    pub recipe: Recipe,
    /// What sending it needs.
    #[cfg(feature = "hydrate")]
    transfer: Transfer,
}

/// What a person does with an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Sends nothing more until it is resumed.
    Pause,
    /// Goes on where it was paused, or tries again what was refused.
    Resume,
    /// Takes it off the list; the server forgets what came.
    Cancel,
}

impl Deed {
    /// What may be done at a stage.
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

/// The uploads of this tab. A context, provided by [`Uploads::provide`].
#[derive(Clone, Copy)]
pub struct Uploads {
    /// All of them, in the order in which they were chosen.
    pub items: RwSignal<Vec<Upload>>,
    /// What is done with files that are chosen from now on, as it was entered.
    pub entered: RwSignal<Entered>,
    /// Why something that was dropped wasn't taken.
    pub notice: RwSignal<Option<String>>,
    /// Whether files are looked at before they are sent.
    pub look_first: RwSignal<bool>,
    /// The files that are being looked at.
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

    /// The context.
    pub fn expect() -> Self {
        expect_context()
    }
}

/// Only a browser has files.
#[cfg(not(feature = "hydrate"))]
impl Uploads {
    /// Takes files into the queue.
    pub fn enqueue(self, _files: Vec<File>, _recipe: &Recipe) {}
}
