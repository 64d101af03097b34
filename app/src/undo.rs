//! Deleting images, with a way back: what was deleted last can be undone on whatever page one is.

use leptos::prelude::*;
use shared::error::Problem;
use shared::id::ImageId;

use crate::api;

/// What was deleted last. A context, provided by [`Undo::provide`].
#[derive(Clone, Copy)]
pub struct Undo {
    /// The images that can be brought back; none when there is nothing to undo.
    pub deleted: RwSignal<Vec<ImageId>>,
    /// Grows when images came back.
    pub restored: RwSignal<u32>,
    /// Why the last deletion or its undoing failed.
    pub problem: RwSignal<Option<Problem>>,
}

impl Undo {
    /// Provides the context.
    pub fn provide() -> Self {
        let undo =
            Self { deleted: RwSignal::new(Vec::new()), restored: RwSignal::new(0), problem: RwSignal::new(None) };
        provide_context(undo);
        undo
    }

    /// The context.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Deletes images. They are gone for everyone, and can be brought back.
    pub fn delete(self, images: Vec<ImageId>) {
        leptos::task::spawn_local(async move {
            match api::delete_several(images).await {
                Ok(gone) => {
                    self.problem.set(None);
                    self.deleted.set(gone);
                }
                Err(problem) => self.problem.set(Some(problem)),
            }
        });
    }

    /// Brings back what was deleted last.
    pub fn undo(self) {
        let images = self.deleted.get_untracked();
        if images.is_empty() {
            return;
        }
        leptos::task::spawn_local(async move {
            match api::restore(images).await {
                Ok(_) => {
                    self.problem.set(None);
                    self.deleted.set(Vec::new());
                    *self.restored.write() += 1;
                }
                Err(problem) => self.problem.set(Some(problem)),
            }
        });
    }
}
