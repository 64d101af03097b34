//! Deletion of images with undo: the last deletion can be undone on any page.

use leptos::prelude::*;
use shared::error::Problem;
use shared::id::ImageId;

use crate::api;

/// The last deletion. A context, provided by [`Undo::provide`].
#[derive(Clone, Copy)]
pub struct Undo {
    /// Images that can be restored; empty if there is nothing to undo.
    pub deleted: RwSignal<Vec<ImageId>>,
    /// Incremented when images were restored.
    pub restored: RwSignal<u32>,
    /// Why the last deletion or restore failed.
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

    /// Returns the context.
    pub fn expect() -> Self {
        expect_context()
    }

    /// Deletes images for all users; they can be restored.
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

    /// Restores the last deletion.
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
