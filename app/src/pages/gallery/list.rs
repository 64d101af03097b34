//! The images shown, kept as the server has them.

use std::time::Duration;

use leptos::prelude::*;
use shared::error::Problem;
use shared::gallery::{Image, ImageQuery, Page};
use shared::id::ImageId;

use crate::api;
use crate::live::Live;

/// Images a page has unless told.
const PAGE: usize = 50;
/// The most that the API gives at once.
const MOST: usize = 200;
/// News that come closer together than this are one.
const CALM: Duration = Duration::from_millis(300);
/// Seconds between looks that nothing announced, while something shown isn't finished.
const LOOK: i64 = 10;

/// An image shown.
#[derive(Clone)]
pub struct Item {
    /// Which.
    pub id: ImageId,
    /// How it stands.
    pub image: ArcRwSignal<Image>,
}

/// The images shown.
#[derive(Clone, Copy)]
pub struct List {
    query: StoredValue<ImageQuery>,
    /// The images, in order.
    pub items: RwSignal<Vec<Item>>,
    /// Where the next page begins, if there is one.
    pub next: RwSignal<Option<String>>,
    /// Whether the next page is on its way.
    pub loading: RwSignal<bool>,
    /// Why the last request failed.
    pub problem: RwSignal<Option<Problem>>,
}

impl List {
    /// The first page, as the server rendered it.
    pub fn new(query: ImageQuery, page: Page) -> Self {
        Self {
            query: StoredValue::new(query),
            items: RwSignal::new(page.items.into_iter().map(item).collect()),
            next: RwSignal::new(page.next),
            loading: RwSignal::new(false),
            problem: RwSignal::new(None),
        }
    }

    /// Appends the next page.
    pub fn load_more(self) {
        let Some(cursor) = self.next.get_untracked() else { return };
        if self.loading.get_untracked() {
            return;
        }
        self.loading.set(true);
        let query = ImageQuery { cursor: Some(cursor), ..self.query.get_value() };
        leptos::task::spawn_local(async move {
            let answer = api::images(query).await;
            let _ = self.loading.try_set(false);
            match answer {
                Ok(page) => {
                    let _ = self.problem.try_set(None);
                    let _ = self.next.try_set(page.next);
                    let _ = self.items.try_update(|items| {
                        let fresh = page.items.into_iter().filter(|new| items.iter().all(|old| old.id != new.id));
                        let fresh: Vec<Item> = fresh.map(item).collect();
                        items.extend(fresh);
                    });
                }
                Err(problem) => drop(self.problem.try_set(Some(problem))),
            }
        });
    }

    /// Asks again whenever the stream says that something changed, and now and then while something isn't finished.
    pub fn keep_fresh(self, live: Live) {
        let turn = Memo::new(move |_| {
            let unfinished = self.items.read().iter().any(|item| !item.image.read().state.has_ended());
            if unfinished { live.now.get().map(|now| now / 1_000 / LOOK) } else { None }
        });
        let pending = StoredValue::new(false);
        Effect::new(move |before: Option<()>| {
            live.gallery.track();
            turn.get();
            if before.is_none() || pending.get_value() {
                return;
            }
            pending.set_value(true);
            set_timeout(
                move || {
                    // The page may have been left meanwhile.
                    if pending.try_set_value(false).is_none() {
                        self.refresh();
                    }
                },
                CALM,
            );
        });
    }

    fn refresh(self) {
        let Some(shown) = self.items.try_with_untracked(Vec::len) else { return };
        let limit = shown.clamp(PAGE, MOST);
        let Some(query) = self.query.try_get_value() else { return };
        let query = ImageQuery { limit: u32::try_from(limit).ok(), ..query };
        leptos::task::spawn_local(async move {
            // A failure is the stream's to show: it says "reconnecting".
            let Ok(page) = api::images(query).await else { return };
            self.take(page);
        });
    }

    fn take(self, page: Page) {
        let Some(old) = self.items.try_get_untracked() else { return };
        let order = merge(
            &old.iter().map(|item| item.id.clone()).collect::<Vec<_>>(),
            &page.items.iter().map(|image| image.id.clone()).collect::<Vec<_>>(),
        );
        let kept_tail = order.len() > page.items.len();
        if !kept_tail {
            self.next.set(page.next);
        }
        let mut fetched = page.items.into_iter();
        let items: Vec<Item> = order
            .iter()
            .filter_map(|id| {
                let known = old.iter().find(|item| item.id == *id);
                match (fetched.next(), known) {
                    (Some(image), Some(known)) => {
                        if *known.image.read_untracked() != image {
                            known.image.set(image);
                        }
                        Some(known.clone())
                    }
                    (Some(image), None) => Some(item(image)),
                    (None, known) => known.cloned(),
                }
            })
            .collect();
        if items.iter().map(|item| &item.id).ne(old.iter().map(|item| &item.id)) {
            self.items.set(items);
        }
    }
}

fn item(image: Image) -> Item {
    Item { id: image.id.clone(), image: ArcRwSignal::new(image) }
}

/// The order after a refresh: all that came, then what was shown beyond the last of it.
fn merge<Id: Clone + PartialEq>(shown: &[Id], came: &[Id]) -> Vec<Id> {
    let beyond = match came.iter().rev().find_map(|id| shown.iter().position(|old| old == id)) {
        Some(last) if shown.len() > MOST => &shown[last + 1..],
        _ => &[],
    };
    came.iter().chain(beyond.iter().filter(|id| !came.contains(id))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_images_come_first_and_deleted_ones_go() {
        assert_eq!(merge(&[3, 2, 1], &[4, 3, 1]), [4, 3, 1]);
    }

    #[test]
    fn images_beyond_what_can_be_asked_at_once_stay() {
        let shown: Vec<usize> = (0..MOST + 5).collect();
        let came: Vec<usize> = std::iter::once(999).chain(0..MOST - 1).collect();
        let merged = merge(&shown, &came);
        assert_eq!(merged.len(), MOST + 6);
        assert_eq!(merged[..2], [999, 0]);
        assert_eq!(merged.last(), Some(&(MOST + 4)));
    }
}
