//! Uploads of this tab: a queue of files, a few sent at a time, each followed until its job has ended.

use leptos::prelude::*;
use shared::equalize::Recipe;
use shared::gallery::Accepted;

use crate::components::Entered;
#[cfg(feature = "hydrate")]
use crate::components::recipe_of;

#[cfg(feature = "hydrate")]
mod send;

/// Files sent at the same time.
#[cfg(feature = "hydrate")]
const AT_ONCE: usize = 3;

/// How far an upload is.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It waits for its turn.
    Waiting,
    /// Its bytes are on the way: 0 to 1.
    Sending(f64),
    /// The connection broke; the same upload is tried again by itself.
    Broken,
    /// There is no room for it just now, says the server; it is tried again by itself.
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
            Stage::Sending(_) => "sending",
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
#[derive(Clone)]
pub struct Upload {
    /// Its number in this tab.
    pub id: u32,
    /// The file's name.
    pub name: String,
    /// The file's length.
    pub bytes: u64,
    /// How far it is.
    pub stage: ArcRwSignal<Stage>,
    /// What to do with it.
    pub recipe: Recipe,
    /// `Idempotency-Key`: the same at every attempt, so that a repeated one makes no second image.
    pub key: String,
    /// The file itself.
    pub file: File,
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

    /// Takes uploads that have ended off the list.
    pub fn clear(self) {
        self.items.update(|items| items.retain(|upload| !upload.stage.read_untracked().has_ended()));
    }

    /// Takes files that were chosen: to be looked at first, or into the queue.
    #[cfg(feature = "hydrate")]
    pub fn add(self, files: Option<web_sys::FileList>) {
        let Some(files) = files else { return };
        let files = (0..files.length()).filter_map(|i| files.item(i)).map(File::new);
        if self.look_first.get_untracked() {
            return self.held.update(|held| held.extend(files));
        }
        match recipe_of(&self.entered.read_untracked()) {
            Ok(recipe) => self.enqueue(files.collect(), &recipe),
            Err(sentence) => self.notice.set(Some(sentence)),
        }
    }

    /// Only a browser has files.
    #[cfg(not(feature = "hydrate"))]
    pub fn enqueue(self, _files: Vec<File>, _recipe: &Recipe) {}

    /// Takes files into the queue and sends those whose turn it is.
    #[cfg(feature = "hydrate")]
    pub fn enqueue(self, files: Vec<File>, recipe: &Recipe) {
        let next = self.items.read_untracked().last().map_or(0, |last| last.id + 1);
        let chosen = files.into_iter().zip(next..).map(|(file, id)| Upload {
            id,
            name: file.name(),
            bytes: file.size() as u64,
            stage: ArcRwSignal::new(Stage::Waiting),
            recipe: recipe.clone(),
            key: send::random_key(),
            file,
        });
        self.notice.set(None);
        self.items.update(|items| items.extend(chosen));
        self.send_next();
    }

    /// Only a browser has files.
    #[cfg(not(feature = "hydrate"))]
    pub fn retry(self, _upload: &Upload) {}

    /// Sends a refused upload again, with its key.
    #[cfg(feature = "hydrate")]
    pub fn retry(self, upload: &Upload) {
        upload.stage.set(Stage::Waiting);
        self.send_next();
    }

    #[cfg(feature = "hydrate")]
    fn send_next(self) {
        let items = self.items.get_untracked();
        let sending = |upload: &&Upload| {
            matches!(upload.stage.get_untracked(), Stage::Sending(_) | Stage::Broken | Stage::Postponed(_))
        };
        let free = AT_ONCE.saturating_sub(items.iter().filter(sending).count());
        let waiting = items.into_iter().filter(|upload| upload.stage.get_untracked() == Stage::Waiting);
        for upload in waiting.take(free) {
            upload.stage.set(Stage::Sending(0.0));
            leptos::task::spawn_local(async move {
                let stage = send::send(&upload).await;
                upload.stage.set(stage);
                self.send_next();
            });
        }
    }
}
