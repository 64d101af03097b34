//! Scroll restoration: saving the reader's place, and returning to it.

use leptos::prelude::*;
use shared::error::Problem;
use shared::gallery::Sort;

use super::super::book::Book;
use super::super::spot::Anchor;
#[cfg(feature = "hydrate")]
use super::super::spot::Spot;
use super::super::window::Window;
use super::Shelf;
#[cfg(feature = "hydrate")]
use super::scroll_y;

impl Shelf {
    /// Whether the address still has this gallery's query.
    #[cfg(feature = "hydrate")]
    pub fn is_asked_for(self) -> bool {
        self.query.try_get_value().is_some_and(|query| self.asked.try_get_untracked() == Some(query))
    }

    /// Returns an image in the window, and its position relative to the window.
    pub(super) fn anchor(self) -> Option<Anchor> {
        let first = self.window.with_value(Window::first_seen)?;
        let book = self.book.read_untracked();
        let fetched = (first..first + 20).find_map(|index| Some((index, Some(book.item(index)?.id.clone()))));
        let (index, image) = fetched.unwrap_or((first, None));
        let place = self.window.with_value(|window| window.place_of(index));
        Some(Anchor { image, index, total: book.more().is_none().then(|| book.len()), place })
    }

    /// Returns the reader's place; `None` while the gallery still has to be scrolled to an earlier one.
    #[cfg(feature = "hydrate")]
    pub fn spot(self) -> Option<Spot> {
        if self.awaited.with_value(Option::is_some) {
            return None;
        }
        let anchor = if self.window.with_value(Window::is_at_top) { None } else { self.anchor() };
        Some(anchor.map_or_else(|| Spot::Top(scroll_y()), Spot::Anchor))
    }

    /// Scrolls to the awaited place, if everything needed for that is known.
    #[cfg(feature = "hydrate")]
    pub fn return_to_awaited(self) {
        match self.awaited.try_get_value().flatten() {
            Some(Spot::Top(scroll)) => {
                self.awaited.set_value(None);
                self.scroll_to(Some(scroll));
            }
            Some(Spot::Anchor(anchor)) if self.book.with_untracked(|book| book.more().is_none()) => {
                self.scroll_to_anchor(&anchor);
            }
            _ => {}
        }
    }

    /// Finds the awaited image, which additions and deletions may have moved, and scrolls to it.
    pub(super) async fn find_awaited(self, anchor: &Anchor) -> Result<(), Problem> {
        let total = self.book.with_untracked(Book::len);
        for index in [anchor.likely_index(total, self.sort()), anchor.index] {
            if self.index_of(anchor.image.as_ref()).is_some() {
                break;
            }
            let Some(span) = self.book.with_untracked(|book| book.span(index)) else { continue };
            let page = self.fetch(&span).await?;
            if self.book.try_update(|book| book.fill(&span, page)).is_none() {
                return Ok(());
            }
        }
        self.scroll_to_anchor(anchor);
        Ok(())
    }

    /// Scrolls to the awaited image, or to its likely position if it was deleted. Does nothing if the reader has scrolled
    /// since.
    fn scroll_to_anchor(self, anchor: &Anchor) {
        if self.awaited.try_update_value(Option::take).flatten().is_none() {
            return;
        }
        let total = self.book.with_untracked(Book::len);
        let index = self.index_of(anchor.image.as_ref()).unwrap_or(anchor.likely_index(total, self.sort()));
        let to = self.window.try_update_value(|window| window.keep(index, anchor.place));
        self.stretch();
        self.scroll_to(to);
        self.update();
    }

    fn sort(self) -> Sort {
        self.query.with_value(|query| query.sort).unwrap_or_default()
    }

    /// Sets the container's height immediately: signals would update the document only later, and it can't be scrolled beyond
    /// its end.
    fn stretch(self) {
        #[cfg(feature = "hydrate")]
        if let Some(element) = self.element.get_untracked() {
            let _ = element.set_attribute("style", &self.container.read_untracked());
        }
    }
}
