//! All images of the gallery in their order: the shape of each, and those that were fetched.

use std::collections::HashMap;
use std::ops::Range;

use leptos::prelude::*;
use shared::gallery::{Image, Page, Sections, Sort};
use shared::id::ImageId;
use shared::masonry::Shape;

/// A fetched image.
#[derive(Clone)]
pub struct Item {
    /// Which.
    pub id: ImageId,
    /// How it stands.
    pub image: ArcRwSignal<Image>,
}

/// A place whose images can be fetched from.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// The place of the first one.
    pub start: usize,
    /// The cursor that gives it; none for the beginning.
    pub key: Option<String>,
}

/// Images that can be fetched at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Where they begin.
    pub mark: Mark,
    /// How many there should be.
    pub count: usize,
}

/// The shapes of all images, and those that were fetched.
#[derive(Clone, Default)]
pub struct Book {
    shapes: Vec<Shape>,
    slots: Vec<Option<Item>>,
    marks: Vec<Mark>,
    /// Where more come that nothing is known of yet.
    more: Option<String>,
}

impl Book {
    /// As many as a page has; an image that `before` had keeps its signal.
    pub fn of_page(page: Page, before: &Book) -> Self {
        let known: HashMap<&ImageId, &Item> = before.slots.iter().flatten().map(|item| (&item.id, item)).collect();
        let shapes = page.items.iter().map(|image| Shape::of(image.width, image.height)).collect();
        let slots = page.items.into_iter().map(|image| Some(kept(known.get(&image.id).copied(), image))).collect();
        Self { shapes, slots, marks: vec![Mark { start: 0, key: None }], more: page.next }
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.shapes.len()
    }

    /// The shape of each.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }

    /// Where more come that nothing is known of yet.
    pub fn more(&self) -> Option<&String> {
        self.more.as_ref()
    }

    /// The image at a place, if it was fetched.
    pub fn item(&self, index: usize) -> Option<&Item> {
        self.slots.get(index)?.as_ref()
    }

    /// Whether all of them were fetched.
    pub fn is_whole(&self) -> bool {
        self.more.is_none() && self.slots.iter().all(Option::is_some)
    }

    /// Whether any shown image's job isn't finished.
    pub fn awaits(&self) -> bool {
        self.slots.iter().flatten().any(|item| !item.image.read().state.has_ended())
    }

    /// Takes over how many images there are and their shapes. What was fetched stays where it must be now: where the newest
    /// come first, additions have moved it. The next fetch tells whether that is right.
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

    /// What must be fetched to have the image at a place.
    pub fn span(&self, index: usize) -> Option<Span> {
        let at = self.marks.partition_point(|mark| mark.start <= index).checked_sub(1)?;
        let end = self.marks.get(at + 1).map_or(self.len(), |next| next.start);
        let mark = self.marks[at].clone();
        let count = end.saturating_sub(mark.start).min(Sections::SIZE as usize);
        (index < mark.start + count).then_some(Span { mark, count })
    }

    /// The first place of these that wasn't fetched yet.
    pub fn missing(&self, mut places: Range<usize>) -> Option<usize> {
        places.find(|&index| self.slots.get(index).is_some_and(Option::is_none))
    }

    /// Takes in what was fetched for a span. Says whether it was what the shapes promised.
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

    /// Forgets what was fetched far from these places, so that a long walk doesn't fill the memory.
    pub fn forget_far_from(&mut self, places: &Range<usize>) {
        const KEPT: usize = 1_500;
        let near = places.start.saturating_sub(KEPT)..places.end + KEPT;
        if self.slots.iter().flatten().count() > 3 * KEPT {
            for (index, slot) in self.slots.iter_mut().enumerate() {
                if !near.contains(&index) {
                    *slot = None;
                }
            }
        }
    }

    /// Takes out images that are gone.
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

/// The item with what is known now: the same signal, if there is one.
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
