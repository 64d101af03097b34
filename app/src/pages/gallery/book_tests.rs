#![allow(clippy::unwrap_used)]

use shared::equalize::Recipe;
use shared::gallery::Section;
use shared::job::{Format, JobState};

use super::*;

fn image(number: u32) -> Image {
    Image {
        id: format!("{number:032x}").parse().unwrap(),
        job_id: format!("{number:032x}").parse().unwrap(),
        name: format!("{number}.png"),
        state: JobState::Done,
        reason: None,
        width: 100,
        height: 50 + number % 50,
        orientation: 1,
        channels: 1,
        inks: false,
        depth: 8,
        format: Format::Png,
        bytes: 1,
        recipe: Recipe::default(),
        jobs: Vec::new(),
        created: 0,
        finished: None,
        progress: None,
        thumbhash: None,
        keeping: Default::default(),
        pages: 1,
    }
}

fn page(numbers: impl IntoIterator<Item = u32>, next: Option<&str>) -> Page {
    Page { items: numbers.into_iter().map(image).collect(), next: next.map(str::to_owned) }
}

fn sections(numbers: &[u32]) -> Sections {
    let sections = numbers.chunks(Sections::SIZE as usize).enumerate().map(|(n, chunk)| Section {
        key: (n > 0).then(|| format!("after {n}")),
        count: chunk.len() as u32,
        shapes: chunk.iter().map(|&number| Shape::of(100, 50 + number % 50).pack()).collect(),
    });
    Sections { total: numbers.len() as u64, sections: sections.collect() }
}

fn number(book: &Book, index: usize) -> Option<u32> {
    book.item(index).map(|item| u32::from_str_radix(item.id.as_str(), 16).unwrap())
}

/// 500 images, the latest (499) first; 50 of them fetched.
fn book() -> Book {
    let all: Vec<u32> = (0..500).rev().collect();
    let mut book = Book::of_page(page((450..500).rev(), Some("more")), &Book::default());
    assert!(!book.is_whole());
    book.place_all(&sections(&all), Sort::Newest);
    book
}

#[test]
fn what_the_first_page_gave_stays_when_all_have_their_places() {
    let book = book();
    assert_eq!((book.len(), number(&book, 0), number(&book, 49), number(&book, 50)), (500, Some(499), Some(450), None));
    assert_eq!(book.missing(0..500), Some(50));
    assert_eq!(book.missing(0..50), None);
}

#[test]
fn any_place_says_what_to_fetch_for_it() {
    let book = book();
    let span = |index| book.span(index).map(|span| (span.mark.start, span.mark.key, span.count));
    assert_eq!(span(199), Some((0, None, 200)));
    assert_eq!(span(200), Some((200, Some("after 1".into()), 200)));
    assert_eq!(span(499), Some((400, Some("after 2".into()), 100)));
    assert_eq!(span(500), None);
}

#[test]
fn what_was_fetched_is_checked_against_what_was_promised() {
    let mut book = book();
    let last = book.span(499).unwrap();
    assert!(book.fill(&last, page((0..100).rev(), None)));
    assert_eq!((number(&book, 400), number(&book, 499)), (Some(99), Some(0)));
    assert!(!book.fill(&last, page((0..99).rev(), None)), "one is gone");
    assert!(!book.fill(&last, page((1_001..1_101).rev(), None)), "others");
}

#[test]
fn new_images_move_what_was_fetched() {
    let mut book = book();
    let before = book.item(0).unwrap().clone();
    let all: Vec<u32> = (0..503).rev().collect();
    book.place_all(&sections(&all), Sort::Newest);
    assert_eq!((number(&book, 2), number(&book, 3), number(&book, 52)), (None, Some(499), Some(450)));
    let first = book.span(0).unwrap();
    assert!(book.fill(&first, page((303..503).rev(), None)));
    assert_eq!(number(&book, 0), Some(502));
    book.item(3).unwrap().image.update(|image| image.state = JobState::Failed);
    assert_eq!(before.image.with_untracked(|image| image.state), JobState::Failed, "the same signal as before");
}

#[test]
fn deleted_images_leave_no_gap_and_later_ones_are_still_found() {
    let mut book = book();
    book.remove(&[image(499).id, image(450).id]);
    assert_eq!((book.len(), number(&book, 0), number(&book, 47), number(&book, 48)), (498, Some(498), Some(451), None));
    let span = book.span(200).unwrap();
    assert_eq!((span.mark.start, span.mark.key.as_deref(), span.count), (198, Some("after 1"), 200));
}

#[test]
fn what_is_far_is_forgotten_and_what_is_near_is_kept() {
    let all: Vec<u32> = (0..10_000).rev().collect();
    let mut book = Book::default();
    book.place_all(&sections(&all), Sort::Newest);
    for start in (0..6_000).step_by(200) {
        let span = book.span(start).unwrap();
        let first = 9_999 - start as u32;
        assert!(book.fill(&span, page((first - 199..=first).rev(), None)));
    }
    book.forget_far_from(&(5_900..5_950));
    assert_eq!((number(&book, 0), number(&book, 5_900)), (None, Some(4_099)));
    assert!(book.slots.iter().flatten().count() <= 2 * 1_550);
}
