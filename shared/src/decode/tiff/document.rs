//! Pages of a TIFF file: which directories are pages, and which are overviews or masks of a page.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::super::error::{Result, damaged, refuse};
use super::super::limits::too_many;
use super::directory::{Directory, Tiff};
use super::tag;
use crate::job::{Format, ImageInfo, Place};

/// Maximum number of directories in a file: pages, overviews and masks.
const MAX_DIRECTORIES: usize = 10_000;

/// Maximum number of fields in all directories together. Directories may overlap, so even a short file could have very many.
const MOST_FIELDS: usize = 1_000_000;

/// Bits of the field NewSubfileType (TIFF 6.0, page 36).
const REDUCED: u64 = 1;
const MASK: u64 = 4;

/// Pages of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Header of the file.
    pub tiff: Tiff,
    /// The pages proper, at least one, in file order.
    pub pages: Vec<Page>,
    /// Reduced-resolution images of pages: overviews and thumbnails, including those of masks.
    pub smaller: Vec<Smaller>,
}

/// Location of a reduced-resolution image of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smaller {
    /// Index of its page, from 0.
    pub page: usize,
    /// Offset of its directory.
    pub at: u64,
    /// Whether it is a child of the page (SubIFDs) instead of following it in the directory chain.
    pub below: bool,
}

/// Locations of a page's directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Offset of the page's own directory.
    pub at: u64,
    /// Offset of the directory of its mask (GDAL's internal mask), which marks the valid pixels.
    pub mask: Option<u64>,
}

/// Locates the page that `info` describes. Doesn't follow all directories if [`ImageExtras::place`](crate::job::ImageExtras::place) is known.
///
/// # Errors
/// Refused if there is no such page.
pub fn page_of<R: Read + Seek>(source: &mut R, info: &ImageInfo) -> Result<(Tiff, Page)> {
    if let Some(Place { page, mask }) = info.more.place {
        return Ok((Tiff::header(source)?, Page { at: page, mask }));
    }
    let document = document(source)?;
    match document.pages.get(info.more.page as usize) {
        Some(page) => Ok((document.tiff, *page)),
        None => refuse("The TIFF file has changed since its header was read."),
    }
}

/// Kind of a directory.
enum Kind {
    Page,
    Overview,
    Mask,
}

/// Reads the list of pages.
///
/// # Errors
/// Refused with a sentence if a directory belongs to no page, or there are too many.
pub fn document<R: Read + Seek>(source: &mut R) -> Result<Document> {
    let tiff = Tiff::header(source)?;
    let mut document = Document { tiff, pages: Vec::new(), smaller: Vec::new() };
    let (mut next, mut seen, mut visited) = (tiff.first, HashSet::new(), Visited::default());
    while next != 0 || seen.is_empty() {
        if !seen.insert(next) {
            return Err(damaged(Format::Tiff, "its list of pages has a loop"));
        }
        let directory = visited.directory(source, &tiff, next)?;
        match kind(source, &tiff, &directory)? {
            Kind::Page => document.pages.push(Page { at: next, mask: None }),
            Kind::Overview => {
                let page = document.pages.len().saturating_sub(1);
                document.smaller.push(Smaller { page, at: next, below: false });
            }
            Kind::Mask => match document.pages.last_mut() {
                Some(page) if page.mask.is_none() && document.smaller.is_empty() => page.mask = Some(next),
                _ => return refuse("This TIFF has a mask page that doesn't follow its image, which isn't supported."),
            },
        }
        let page = document.pages.len().saturating_sub(1);
        let below = below(source, &tiff, &directory, &mut visited)?;
        document.smaller.extend(below.into_iter().map(|at| Smaller { page, at, below: true }));
        next = directory.next;
    }
    match (document.pages.is_empty(), seen.len()) {
        (false, _) => {}
        // Some programs mark a file's only page as reduced.
        (true, 1) => {
            document = Document { tiff, pages: vec![Page { at: tiff.first, mask: None }], smaller: Vec::new() }
        }
        (true, _) => return refuse("This TIFF has only overviews of a missing page."),
    }
    Ok(document)
}

/// Counts of the directories and fields read so far.
#[derive(Default)]
struct Visited {
    directories: usize,
    fields: usize,
}

impl Visited {
    /// Reads another directory.
    ///
    /// # Errors
    /// Refused above [`MAX_DIRECTORIES`] directories or [`MOST_FIELDS`] fields, even if the same directory is visited repeatedly.
    fn directory<R: Read + Seek>(&mut self, source: &mut R, tiff: &Tiff, at: u64) -> Result<Directory> {
        if self.directories == MAX_DIRECTORIES {
            return too_many(Format::Tiff, "pages and overviews", MAX_DIRECTORIES);
        }
        let directory = tiff.directory(source, at)?;
        self.directories += 1;
        self.fields += directory.fields;
        if self.fields > MOST_FIELDS {
            return too_many(Format::Tiff, "fields in its directories", MOST_FIELDS);
        }
        Ok(directory)
    }
}

fn kind<R: Read + Seek>(source: &mut R, tiff: &Tiff, directory: &Directory) -> Result<Kind> {
    let mut number = |tag| -> Result<Option<u64>> {
        let Some(entry) = directory.find(tag).filter(|entry| entry.count > 0) else { return Ok(None) };
        tiff.first_number(source, entry)
    };
    let (new, old, photometric) =
        (number(tag::NEW_SUBFILE_TYPE)?.unwrap_or(0), number(tag::SUBFILE_TYPE)?, number(tag::PHOTOMETRIC)?);
    Ok(if new & REDUCED != 0 || old == Some(2) {
        Kind::Overview
    } else if new & MASK != 0 || photometric == Some(4) {
        Kind::Mask
    } else {
        Kind::Page
    })
}

/// Returns the offsets of the overviews that are children of a page (SubIFDs).
fn below<R: Read + Seek>(source: &mut R, tiff: &Tiff, page: &Directory, visited: &mut Visited) -> Result<Vec<u64>> {
    let Some(entry) = page.find(tag::SUB_IFDS) else { return Ok(Vec::new()) };
    if entry.count > (MAX_DIRECTORIES - visited.directories) as u64 {
        return too_many(Format::Tiff, "pages and overviews", MAX_DIRECTORIES);
    }
    let all = tiff.numbers(source, entry)?;
    for at in &all {
        let directory = visited.directory(source, tiff, *at)?;
        if !matches!(kind(source, tiff, &directory)?, Kind::Overview) {
            return refuse("This TIFF has images inside images, which isn't supported.");
        }
    }
    Ok(all)
}
