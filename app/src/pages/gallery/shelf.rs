//! Controller of the gallery: keeps the book and the tiles in the document in step with the server and the window.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use leptos::html::Div;
use leptos::prelude::*;
use shared::error::Problem;
use shared::gallery::{ImageQuery, Page, Sections};
use shared::id::ImageId;
#[cfg(feature = "hydrate")]
use shared::masonry::Direction;

use super::book::{Book, Item, Span};
use super::spot::Spot;
use super::window::{SMALL, Window};
use crate::api;
use crate::components::{Place, place_shapes};
use crate::live::Live;
use crate::undo::Undo;

mod back;

/// Debounce of change notifications.
const SEARCH_DEBOUNCE: Duration = Duration::from_millis(300);
/// Poll interval in seconds, without notifications, while the job of a fetched image is unfinished.
const POLL_SECONDS: i64 = 10;

/// Tile in the document.
#[derive(Clone)]
pub struct Shown {
    /// Its image; `None` until fetched.
    pub item: Option<Item>,
    /// Stable key of the tile.
    pub key: String,
}

/// Controller of the gallery.
#[derive(Clone, Copy)]
pub struct Shelf {
    query: StoredValue<ImageQuery>,
    /// Query in the address. Differs from this gallery's query while the next gallery is being fetched.
    #[cfg_attr(not(feature = "hydrate"), allow(dead_code, reason = "only a browser has a history"))]
    pub(super) asked: Memo<ImageQuery>,
    /// The images.
    pub book: RwSignal<Book>,
    /// Tiles in the document, in order.
    pub shown: RwSignal<Vec<Shown>>,
    /// Positions of the tiles, by key.
    pub places: RwSignal<HashMap<String, Place>>,
    /// Style of the container.
    pub container: RwSignal<String>,
    /// Error of the last request.
    pub problem: RwSignal<Option<Problem>>,
    /// Container element.
    pub element: NodeRef<Div>,
    window: StoredValue<Window>,
    /// Versions of the shapes: the one the window has laid out, and the current one.
    laid_out: StoredValue<(u32, u32)>,
    focused: StoredValue<Option<usize>>,
    loading: StoredValue<bool>,
    /// The reader's place from the history, until the gallery is scrolled to it.
    pub(super) awaited: StoredValue<Option<Spot>>,
}

impl Shelf {
    /// Creates the gallery with its first page, as rendered by the server.
    pub fn new(query: ImageQuery, page: Page, asked: Memo<ImageQuery>) -> Self {
        let shelf = Self {
            query: StoredValue::new(query),
            asked,
            book: RwSignal::new(Book::of_page(page, &Book::default())),
            shown: RwSignal::default(),
            places: RwSignal::default(),
            container: RwSignal::default(),
            problem: RwSignal::new(None),
            element: NodeRef::new(),
            window: StoredValue::default(),
            laid_out: StoredValue::new((0, 1)),
            focused: StoredValue::new(None),
            loading: StoredValue::new(false),
            awaited: StoredValue::new(None),
        };
        shelf.show_all();
        shelf
    }

    /// Follows the window, by `attach`, the event stream and deletions, until the page is left.
    pub fn follow(self, live: Live, undo: Undo, attach: fn(Shelf)) {
        let turn = Memo::new(move |_| {
            if self.book.read().awaits() { live.now.get().map(|now| now / 1_000 / POLL_SECONDS) } else { None }
        });
        let pending = StoredValue::new(false);
        let mut first = true;
        Effect::new(move || {
            live.gallery.track();
            turn.get();
            undo.restored.track();
            if std::mem::take(&mut first) || pending.get_value() {
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
                SEARCH_DEBOUNCE,
            );
        });
        Effect::new(move || {
            let gone = undo.deleted.get();
            if !gone.is_empty() {
                self.change(|book| book.remove(&gone));
            }
        });
        #[cfg(feature = "hydrate")]
        Effect::new(move || attach(self));
        #[cfg(not(feature = "hydrate"))]
        let _ = attach;
        if self.book.read_untracked().more().is_some() {
            Effect::new(move || self.resync());
        }
    }

    /// Changes the book and updates the tiles, keeping the visible images in place.
    fn change(self, change: impl FnOnce(&mut Book)) {
        let window_was_at_top = self.window.with_value(Window::is_at_top);
        let anchor = if window_was_at_top { None } else { self.anchor() };
        if self.book.try_update(change).is_none() {
            return;
        }
        self.laid_out.update_value(|(_, wanted)| *wanted += 1);
        self.update();
        if let Some(anchor) = anchor
            && let Some(index) = self.index_of(anchor.image.as_ref())
        {
            let to = self.window.try_update_value(|window| window.keep(index, anchor.place));
            self.scroll_to(to);
        }
    }

    fn index_of(self, id: Option<&ImageId>) -> Option<usize> {
        let (id, book) = (id?, self.book.read_untracked());
        (0..book.len()).find(|&index| book.item(index).is_some_and(|item| item.id == *id))
    }

    /// Updates which tiles are in the document.
    pub fn update(self) {
        let Some(len) = self.book.try_with_untracked(Book::len) else { return };
        if len <= SMALL {
            self.show_all();
        }
        let Some(measured) = self.measure() else { return };
        let (known, wanted) = self.laid_out.get_value();
        let put = self.window.try_update_value(|window| {
            let book = self.book.read_untracked();
            window.fit(measured, (known != wanted).then(|| book.shapes()));
            window.scrolled(scroll_y())
        });
        self.laid_out.set_value((wanted, wanted));
        if len <= SMALL {
            return;
        }
        let tiles = self.window.with_value(|window| {
            let mut tiles = window.tiles();
            // The focused tile stays in the document, however far the reader scrolls.
            if let Some(focused) = self.focused.get_value().filter(|index| *index < len && !tiles.contains(index)) {
                tiles.insert(tiles.partition_point(|index| *index < focused), focused);
            }
            self.container.set(window.container());
            self.show(&tiles, |index| window.style(index));
            tiles
        });
        self.scroll_to(put.flatten());
        if let (Some(first), Some(last)) = (tiles.first(), tiles.last()) {
            self.load(*first..last + 1);
        }
    }

    /// Shows all tiles, placed for every number of columns, as the server renders them.
    fn show_all(self) {
        let placed = self.book.with_untracked(|book| place_shapes(book.shapes()));
        let all: Vec<usize> = (0..placed.tiles.len()).collect();
        self.container.set(placed.container);
        self.show(&all, |index| placed.tiles[index].clone());
    }

    fn show(self, tiles: &[usize], style: impl Fn(usize) -> String) {
        let book = self.book.read_untracked();
        let (mut shown, mut places) = (Vec::with_capacity(tiles.len()), HashMap::with_capacity(tiles.len()));
        for &index in tiles {
            let item = book.item(index).cloned();
            let key = item.as_ref().map_or_else(|| format!("place {index}"), |item| item.id.to_string());
            places.insert(key.clone(), Place { index, style: style(index) });
            shown.push(Shown { item, key });
        }
        self.places.set(places);
        let same =
            self.shown.with_untracked(|before| before.iter().map(|it| &it.key).eq(shown.iter().map(|it| &it.key)));
        if !same {
            self.shown.set(shown);
        }
    }

    /// Fetches missing images of the document's tiles; one request at a time, so that a quick drag over thousands of images
    /// fetches only where it ends.
    fn load(self, places: Range<usize>) {
        let wanted = self.book.with_untracked(|book| book.missing(places.clone()).and_then(|index| book.span(index)));
        let Some(span) = wanted.filter(|_| !self.loading.get_value()) else { return };
        self.loading.set_value(true);
        leptos::task::spawn_local(async move {
            let fetched = self.fetch(&span).await;
            if self.loading.try_set_value(false).is_some() {
                return;
            }
            match fetched {
                Ok(page) => {
                    self.problem.set(None);
                    let fits = self.book.try_update(|book| {
                        let fits = book.fill(&span, page);
                        book.forget_far_from(&places);
                        fits
                    });
                    if fits == Some(false) {
                        self.resync();
                    } else {
                        self.update();
                    }
                }
                Err(problem) => self.problem.set(Some(problem)),
            }
        });
    }

    async fn fetch(self, span: &Span) -> Result<Page, Problem> {
        let query = self.query.try_get_value().unwrap_or_default();
        let limit = u32::try_from(span.count).ok();
        api::images(ImageQuery { cursor: span.mark.key.clone(), limit, ..query }).await
    }

    /// Fetches the current images.
    pub fn refresh(self) {
        let Some(whole) = self.book.try_with_untracked(|book| book.is_whole() && book.len() < Sections::SIZE as usize)
        else {
            return;
        };
        if !whole {
            return self.resync();
        }
        let query = ImageQuery { limit: Some(Sections::SIZE), ..self.query.get_value() };
        leptos::task::spawn_local(async move {
            // Failures are ignored here: the stream's state shows "reconnecting".
            let Ok(page) = api::images(query).await else { return };
            let more = page.next.is_some();
            if self.book.try_with_untracked(|_| ()).is_some() {
                self.change(|book| *book = Book::of_page(page, book));
            }
            if more {
                self.resync();
            }
        });
    }

    /// Fetches the shapes of all images, and the images in the window.
    pub fn resync(self) {
        if self.loading.try_get_value() != Some(false) {
            return;
        }
        self.loading.set_value(true);
        let query = self.query.get_value();
        leptos::task::spawn_local(async move {
            let synced = self.sync(query).await;
            if self.loading.try_set_value(false).is_some() {
                return;
            }
            self.problem.set(synced.err());
            self.update();
        });
    }

    async fn sync(self, query: ImageQuery) -> Result<(), Problem> {
        let sections = api::sections(query.clone()).await?;
        if self.book.try_with_untracked(|_| ()).is_none() {
            return Ok(());
        }
        self.change(|book| book.place_all(&sections, query.sort.unwrap_or_default()));
        if let Some(Spot::Anchor(anchor)) = self.awaited.get_value() {
            return self.find_awaited(&anchor).await;
        }
        // The visible images may have changed even at the same positions.
        let first = self.window.with_value(Window::first_seen).unwrap_or(0);
        for index in [first, first + 30] {
            let Some(span) = self.book.with_untracked(|book| book.span(index)) else { continue };
            let page = self.fetch(&span).await?;
            if self.book.try_update(|book| book.fill(&span, page)).is_none() {
                return Ok(());
            }
            if index + 30 < span.mark.start + span.count {
                break;
            }
        }
        Ok(())
    }

    /// Returns the ids of the images in a range, fetching missing ones.
    ///
    /// # Errors
    /// The server's error.
    pub async fn ids(self, places: Range<usize>) -> Result<Vec<ImageId>, Problem> {
        while let Some(span) =
            self.book.with_untracked(|book| book.missing(places.clone()).and_then(|index| book.span(index)))
        {
            let page = self.fetch(&span).await?;
            if self.book.try_update(|book| book.fill(&span, page)) != Some(true) {
                let sentence = "The gallery has changed; select again.";
                return Err(Problem::new(409, "Conflict", sentence));
            }
        }
        let book = self.book.read_untracked();
        Ok(places.filter_map(|index| Some(book.item(index)?.id.clone())).collect())
    }

    /// Sets the focused tile.
    pub fn focus(self, index: Option<usize>) {
        self.focused.set_value(index);
    }

    /// Returns the tile that an arrow key leads to, after scrolling it into the window. It stays in the document.
    #[cfg(feature = "hydrate")]
    pub fn go(self, from: usize, direction: Option<Direction>, last: bool) -> Option<usize> {
        let len = self.book.with_untracked(Book::len);
        let to = match direction {
            Some(direction) => self.window.with_value(|window| window.beside(from, direction))?,
            None => {
                if last {
                    len.checked_sub(1)?
                } else {
                    0
                }
            }
        };
        self.focused.set_value(Some(to));
        let put = self.window.try_update_value(|window| window.reveal(to)).flatten();
        self.scroll_to(put);
        self.update();
        Some(to)
    }

    #[cfg(feature = "hydrate")]
    fn measure(self) -> Option<super::window::Measured> {
        super::measure::measure(&self.element.get_untracked()?.into())
    }

    #[cfg(not(feature = "hydrate"))]
    fn measure(self) -> Option<super::window::Measured> {
        None
    }

    fn scroll_to(self, place: Option<f64>) {
        #[cfg(feature = "hydrate")]
        if let Some(place) = place {
            window().scroll_to_with_x_and_y(0.0, place);
        }
        #[cfg(not(feature = "hydrate"))]
        let _ = place;
    }
}

#[cfg(feature = "hydrate")]
fn scroll_y() -> f64 {
    window().scroll_y().unwrap_or_default()
}

#[cfg(not(feature = "hydrate"))]
fn scroll_y() -> f64 {
    0.0
}
