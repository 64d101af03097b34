//! The gallery's model: the shapes of all images in order, and the images fetched so far.

use std::collections::HashMap;
use std::ops::Range;

use leptos::prelude::*;
use shared::gallery::{Image, Page, Sections, Sort};
use shared::id::ImageId;
use shared::masonry::Shape;

/// Fetched image.
#[derive(Clone)]
pub struct Item {
    /// Image id.
    pub id: ImageId,
    /// The image, as a signal.
    pub image: ArcRwSignal<Image>,
}

/// Position at which a fetch can start.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Index of its first image.
    pub start: usize,
    /// Cursor of the page that starts here; `None` for the beginning.
    pub key: Option<String>,
}

/// Range of images that one request fetches.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Where it starts.
    pub mark: Mark,
    /// Expected number of images.
    pub count: usize,
}

/// Shapes of all images, and the images fetched so far.
#[derive(Clone, Default)]
pub struct Book {
    shapes: Vec<Shape>,
    slots: Vec<Option<Item>>,
    marks: Vec<Mark>,
    /// Cursor of the next page, while the shapes of later images are unknown.
    more: Option<String>,
}

impl Book {
    /// Creates a book of one page. Images also in `before` keep their signals.
    pub fn of_page(page: Page, before: &Book) -> Self {
        let known: HashMap<&ImageId, &Item> = before.slots.iter().flatten().map(|item| (&item.id, item)).collect();
        let shapes = page.items.iter().map(|image| Shape::of(image.width, image.height)).collect();
        let slots = page.items.into_iter().map(|image| Some(kept(known.get(&image.id).copied(), image))).collect();
        Self { shapes, slots, marks: vec![Mark { start: 0, key: None }], more: page.next }
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// Returns the shapes of all images.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Returns the cursor of the next page, while the shapes of later images are unknown.
    pub fn more(&self) -> Option<&String> {
        self.more.as_ref()
    }

    /// Returns the image at an index, if fetched.
    pub fn item(&self, index: usize) -> Option<&Item> {
        self.slots.get(index)?.as_ref()
    }

    /// Whether all images are known and fetched.
    pub fn is_whole(&self) -> bool {
        self.more.is_none() && self.slots.iter().all(Option::is_some)
    }

    /// Whether the job of any fetched image is unfinished.
    pub fn awaits(&self) -> bool {
        self.slots.iter().flatten().any(|item| !item.image.read().state.has_ended())
    }

    /// Sets number and shapes of all images. Fetched images are shifted to where they probably are now: if the newest come
    /// first, by the number added. The next fetch verifies that.
    pub fn place_all(&mut self, sections: &Sections, sort: Sort) {
        let shapes: Vec<Shape> = sections.sections.iter().flat_map(|section| Shape::unpack(&section.shapes)).collect();
        if sort == Sort::Newest && shapes.len() > self.slots.len() && self.more.is_none() {
            let added = shapes.len() - self.slots.len();
            self.slots.splice(0..0, std::iter::repeat_n(None, added));
        }
        self.slots.resize(shapes.len(), None);
        for (slot, shape) in self.slots.iter_mut().zip(&shapes) {
            let fits = |item: &Item| item.image.with_untracked(|it| Shape::of(it.width, it.height)) == *shape;
            if slot.as_ref().is_some_and(|item| !fits(item)) {
                *slot = None;
            }
        }
        let mut start = 0;
        self.marks.clear();
        for section in &sections.sections {
            self.marks.push(Mark { start, key: section.key.clone() });
            start += section.count as usize;
        }
        (self.shapes, self.more) = (shapes, None);
    }

    /// Returns the range to fetch for the image at an index.
    pub fn span(&self, index: usize) -> Option<Span> {
        let at = self.marks.partition_point(|mark| mark.start <= index).checked_sub(1)?;
        let end = self.marks.get(at + 1).map_or(self.len(), |next| next.start);
        let mark = self.marks[at].clone();
        let count = end.saturating_sub(mark.start).min(Sections::SIZE as usize);
        (index < mark.start + count).then_some(Span { mark, count })
    }

    /// Returns the first index in a range whose image isn't fetched yet.
    pub fn missing(&self, mut places: Range<usize>) -> Option<usize> {
        places.find(|&index| self.slots.get(index).is_some_and(Option::is_none))
    }

    /// Stores the images fetched for a span. Returns whether they match the shapes.
    pub fn fill(&mut self, span: &Span, page: Page) -> bool {
        let as_promised = page.items.len() == span.count;
        let range = span.mark.start..(span.mark.start + page.items.len()).min(self.len());
        let known: HashMap<ImageId, Item> =
            self.slots.iter().flatten().map(|item| (item.id.clone(), item.clone())).collect();
        let mut fits = as_promised;
        for (index, image) in range.zip(page.items) {
            fits &= Shape::of(image.width, image.height) == self.shapes[index];
            self.slots[index] = Some(kept(known.get(&image.id), image));
        }
        fits
    }

    /// Drops images far from these indices, so that long scrolling doesn't fill the memory.
    pub fn forget_far_from(&mut self, places: &Range<usize>) {
        const SLOTS_KEPT: usize = 1_500;
        let near = places.start.saturating_sub(SLOTS_KEPT)..places.end + SLOTS_KEPT;
        if self.slots.iter().flatten().count() > 3 * SLOTS_KEPT {
            for (index, slot) in self.slots.iter_mut().enumerate() {
                if !near.contains(&index) {
                    *slot = None;
                }
            }
        }
    }

    /// Removes deleted images.
    pub fn remove(&mut self, gone: &[ImageId]) {
        for index in (0..self.slots.len()).rev() {
            if self.slots[index].as_ref().is_some_and(|item| gone.contains(&item.id)) {
                self.slots.remove(index);
                self.shapes.remove(index);
                for mark in self.marks.iter_mut().filter(|mark| mark.start > index) {
                    mark.start -= 1;
                }
            }
        }
    }
}

/// Returns the item with updated content, reusing its signal if there is one.
fn kept(known: Option<&Item>, image: Image) -> Item {
    match known {
        Some(item) => {
            if *item.image.read_untracked() != image {
                item.image.set(image);
            }
            item.clone()
        }
        None => Item { id: image.id.clone(), image: ArcRwSignal::new(image) },
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
