//! Upload queue: scheduling, and user actions.

use std::time::Duration;

use leptos::prelude::*;
use shared::equalize::Recipe;

use super::send::{Turn, send};
use super::transfer::Transfer;
use super::tus::pause;
use super::{Deed, File, Stage, Upload, Uploads};
use crate::components::recipe_of;

/// Maximum concurrent uploads.
const AT_ONCE: usize = 3;
/// Files added to the queue per browser task.
const A_FEW: usize = 8;

impl Uploads {
    /// Adds chosen files: to the preview if requested, else to the queue.
    pub fn add(self, files: Vec<File>) {
        if files.is_empty() {
            return;
        }
        if self.look_first.get_untracked() {
            return self.held.update(|held| held.extend(files));
        }
        match recipe_of(&self.entered.read_untracked()) {
            Ok(recipe) => self.enqueue(files, &recipe),
            Err(sentence) => self.notice.set(Some(sentence)),
        }
    }

    /// Adds files to the queue and starts sending. Only a few are added per browser task, because reading a file's length makes
    /// the browser access the disk.
    pub fn enqueue(self, files: Vec<File>, recipe: &Recipe) {
        let recipe = recipe.clone();
        leptos::task::spawn_local(async move {
            for files in files.chunks(A_FEW) {
                self.take(files, &recipe);
                pause(Duration::ZERO).await;
            }
        });
    }

    fn take(self, files: &[File], recipe: &Recipe) {
        let next = self.items.read_untracked().last().map_or(0, |last| last.id + 1);
        let chosen = files.iter().zip(next..).map(|(file, id)| Upload {
            id,
            name: file.name(),
            bytes: file.size() as u64,
            sent: 0,
            stage: Stage::Waiting,
            recipe: recipe.clone(),
            transfer: Transfer::new(file.clone()),
        });
        self.items.update(|items| items.extend(chosen));
        self.send_next();
    }

    /// Removes finished uploads from the list.
    pub fn clear(self) {
        self.notice.set(None);
        self.items.update(|items| items.retain(|upload| !upload.stage.has_ended()));
    }

    /// Pauses, resumes or cancels an upload, if its stage allows it.
    pub fn act(self, id: u32, deed: Deed) {
        let allowed = |upload: &Upload| Deed::of(&upload.stage).iter().any(|(other, _)| *other == deed);
        self.items.update(|items| {
            let Some(index) = items.iter().position(|upload| upload.id == id && allowed(upload)) else { return };
            let upload = &mut items[index];
            upload.transfer.stop();
            match deed {
                Deed::Pause => upload.stage = Stage::Paused,
                Deed::Resume => upload.stage = Stage::Waiting,
                Deed::Cancel => items.remove(index).transfer.give_up(),
            }
        });
        self.send_next();
    }

    /// Pauses or resumes all uploads whose stage allows it.
    pub fn act_on_all(self, deed: Deed) {
        let can = |upload: &Upload| match deed {
            Deed::Pause => Deed::of(&upload.stage).iter().any(|(other, _)| *other == deed),
            _ => upload.stage == Stage::Paused,
        };
        self.items.update(|items| {
            for upload in items.iter_mut().filter(|upload| can(upload)) {
                upload.transfer.stop();
                upload.stage = if deed == Deed::Pause { Stage::Paused } else { Stage::Waiting };
            }
        });
        self.send_next();
    }

    /// Reads an upload, or changes it without notifying the view; returns `None` if it was removed.
    pub(super) fn with<T>(self, id: u32, look: impl FnOnce(&mut Upload) -> T) -> Option<T> {
        let mut items = self.items.try_write_untracked()?;
        items.iter_mut().find(|upload| upload.id == id).map(look)
    }

    fn send_next(self) {
        let begun: Vec<Turn> = {
            let Some(mut items) = self.items.try_write_untracked() else { return };
            let free = AT_ONCE.saturating_sub(items.iter().filter(|upload| upload.stage.has_turn()).count());
            let waiting = items.iter_mut().filter(|upload| upload.stage == Stage::Waiting).take(free);
            let begin = |upload: &mut Upload| {
                upload.stage = Stage::Sending;
                Turn { uploads: self, id: upload.id, run: upload.transfer.begin() }
            };
            waiting.map(begin).collect()
        };
        if begun.is_empty() {
            return;
        }
        self.items.notify();
        for turn in begun {
            leptos::task::spawn_local(async move {
                if let Some(stage) = send(turn).await {
                    turn.change(|upload| upload.stage = stage);
                    self.send_next();
                }
            });
        }
    }
}
