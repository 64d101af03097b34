//! Pages of a TIFF file: which directories are pages, and which are overviews or masks of a page.

use std::collections::HashSet;
use std::io::{Read, Seek};

use super::super::error::{Error, Result, damaged, refuse};
use super::super::limits::too_many;
use super::directory::{Directory, Tiff};
use super::fields::Fields;
use super::page::{MAX_DIRECTORIES, MOST_FIELDS, Page};
use super::{advice, slices, tag};
use crate::job::{Format, ImageInfo, Overview, Place};

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
    /// Whether the last directory points to a further one beyond the end of the file.
    pub dangling: bool,
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
    /// Whether it is an overview of the page's mask.
    pub of_mask: bool,
}

/// Locates the page that `info` describes. Doesn't follow all directories if [`ImageExtras::place`](crate::job::ImageExtras::place) is known.
///
/// # Errors
/// Refused if there is no such page.
pub fn page_of<R: Read + Seek>(source: &mut R, info: &ImageInfo) -> Result<(Tiff, Page)> {
    if let Some(Place { page, mask, slice }) = info.more.place {
        return Ok((Tiff::header(source)?, Page { at: page, mask, slice }));
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
    OverviewOfMask,
}

/// Reads the list of pages.
///
/// # Errors
/// Refused with a sentence if a directory belongs to no page, or there are too many.
pub fn document<R: Read + Seek>(source: &mut R) -> Result<Document> {
    let tiff = Tiff::header(source)?;
    let mut document = Document { tiff, pages: Vec::new(), smaller: Vec::new(), dangling: false };
    let (mut next, mut seen, mut visited) = (tiff.first, HashSet::new(), Visited::default());
    // A mask before the first page, which it then belongs to.
    let mut early_mask = None;
    while next != 0 || seen.is_empty() {
        if !seen.insert(next) {
            return Err(damaged(Format::Tiff, "its list of pages has a loop"));
        }
        if next >= tiff.length && seen.len() > 1 {
            document.dangling = true;
            break;
        }
        let directory = visited.directory(source, &tiff, next)?;
        let kind = kind(source, &tiff, &directory)?;
        match kind {
            Kind::Page => document.pages.push(Page { at: next, mask: early_mask.take(), slice: 0 }),
            Kind::Overview | Kind::OverviewOfMask => {
                let page = document.pages.len().saturating_sub(1);
                let of_mask = matches!(kind, Kind::OverviewOfMask);
                document.smaller.push(Smaller { page, at: next, below: false, of_mask });
            }
            Kind::Mask => match document.pages.last_mut() {
                Some(page) if page.mask.is_none() => page.mask = Some(next),
                Some(_) => {
                    return refuse(format!(
                        "This TIFF has several mask pages for an image, which isn't supported. {}",
                        advice::NO_MASK
                    ));
                }
                None if early_mask.is_none() => early_mask = Some(next),
                None => {
                    return refuse(format!(
                        "This TIFF has several mask pages before its image, which isn't supported. {}",
                        advice::NO_MASK
                    ));
                }
            },
        }
        let page = document.pages.len().saturating_sub(1);
        let below = below(source, &tiff, &directory, &mut visited)?;
        document.smaller.extend(below.into_iter().map(|(at, of_mask)| Smaller { page, at, below: true, of_mask }));
        next = directory.next;
    }
    match (document.pages.is_empty(), seen.len()) {
        (false, _) => {}
        (true, _) if early_mask.is_some() => {
            return refuse(
                "This TIFF has a mask page and no image that it belongs to. Process the image's file instead.",
            );
        }
        // Some programs mark a file's only page as reduced.
        (true, 1) => {
            let page = Page { at: tiff.first, mask: None, slice: 0 };
            document = Document { tiff, pages: vec![page], smaller: Vec::new(), dangling: document.dangling };
        }
        (true, _) => return refuse("This TIFF has only overviews of a missing page."),
    }
    if let [page @ Page { mask: None, .. }] = document.pages[..] {
        document.pages = (0..slices::slices(source, tiff, page)?).map(|slice| Page { slice, ..page }).collect();
    }
    Ok(document)
}

/// Returns the overview that a directory holds of a page (or of its mask), if it is reduced by an integer factor.
pub fn overview_of<R: Read + Seek>(
    source: &mut R,
    tiff: Tiff,
    smaller: &Smaller,
    page: &ImageInfo,
) -> Result<Option<Overview>> {
    let directory = tiff.directory(source, smaller.at)?;
    let mut fields = Fields::new(tiff, &directory, source);
    let mut side = |tag| Ok::<_, Error>(u32::try_from(fields.one(tag, 0)?).unwrap_or(0));
    let size = (side(tag::IMAGE_WIDTH)?, side(tag::IMAGE_LENGTH)?);
    Ok(Overview::of((page.width, page.height), size, smaller.below))
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
    let (reduced, mask) = (new & REDUCED != 0 || old == Some(2), new & MASK != 0 || photometric == Some(4));
    Ok(match (reduced, mask) {
        (true, true) => Kind::OverviewOfMask,
        (true, false) => Kind::Overview,
        (false, true) => Kind::Mask,
        (false, false) => Kind::Page,
    })
}

/// Returns the offsets of the overviews that are children of a page (SubIFDs), and whether they are of a mask.
fn below<R: Read + Seek>(
    source: &mut R,
    tiff: &Tiff,
    page: &Directory,
    visited: &mut Visited,
) -> Result<Vec<(u64, bool)>> {
    let Some(entry) = page.find(tag::SUB_IFDS) else { return Ok(Vec::new()) };
    if entry.count > (MAX_DIRECTORIES - visited.directories) as u64 {
        return too_many(Format::Tiff, "pages and overviews", MAX_DIRECTORIES);
    }
    let is_raw = page.find(tag::DNG_VERSION).is_some();
    let mut all = Vec::new();
    for at in tiff.numbers(source, entry)? {
        let directory = visited.directory(source, tiff, at)?;
        match kind(source, tiff, &directory)? {
            Kind::Overview => all.push((at, false)),
            Kind::OverviewOfMask => all.push((at, true)),
            Kind::Page | Kind::Mask if is_raw => {
                return refuse(
                    "This is a camera's raw image (DNG), whose pixels aren't colours yet. Develop it, for example by \
                     `darktable-cli in.dng out.tif`, and process that file.",
                );
            }
            Kind::Page | Kind::Mask => {
                return refuse(
                    "This TIFF has images inside images (SubIFDs that aren't overviews), which isn't supported. Write the one \
                     that you want as a page of its own, for example by `python -c \"import tifffile as t; \
                     t.imwrite('out.tif', t.TiffFile('in.tif').pages[0].pages[0].asarray())\"`, and process that file.",
                );
            }
        }
    }
    Ok(all)
}
