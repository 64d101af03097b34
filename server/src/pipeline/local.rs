//! An image from its file to its result in one process, without a cluster: the oracle that the array is compared with.
//!
//! It is the same codec, the same kernels and the same cut into parts as the array's, one after the other: count every
//! part, make the table, then apply and encode every part, and join them. Parts are streamed; rows
//! that can only be decoded in their order are kept in a temporary file for the second time. The whole image is in memory only where its decoder needs it to be ([`ImageInfo::whole_decode`]).
//! A file of several pages is done page by page.

mod in_place;
mod rows;

use std::io::{self, Read, Seek, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

use rayon::ThreadPool;
use shared::equalize::{Counts, Frame, Histogram, Mask, Recipe, Table, output_layout};
use shared::job::{Cut, ImageInfo, Keeping};
use shared::pixels::Rows;

use self::in_place::InPlace;
use self::rows::{Kept, Marks, Readers, RowsOfParts, SpooledMask, lock};
use super::companion;
use super::histogram::unfit;
use super::ordered::in_order;
use super::sheet::{Marked, same_size};
use crate::codec::{self, Head, Limits, Part, PartIndex, Source};

/// What waits, if it is of fewer bytes than this, waits in memory; otherwise in a file.
const SPOOL_MEMORY: usize = 8 << 20;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The original can't be read or its result can't be made.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// The result, or what waits for it, can't be written.
    #[error("writing failed: {0}")]
    Write(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Codec(codec::Error::Source(error))
    }
}

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Equalized {
    /// What the original's header says.
    pub info: ImageInfo,
    /// What of the original's metadata was not kept because it became stale, as sentences for the person.
    pub notes: Vec<String>,
}

/// With which means to work.
#[derive(Debug)]
pub struct Local<'a> {
    /// What an image may cost.
    pub limits: Limits,
    /// The threads; without it, those of rayon's global pool. On a thread of any rayon pool, that thread alone.
    pub pool: Option<&'a ThreadPool>,
    /// The folder for temporary files: about as large as the largest result.
    pub scratch: PathBuf,
}

/// Opens an image, each time from its start.
pub type Opener<'a> = dyn Fn() -> io::Result<Box<dyn Source>> + 'a;

/// Where a result is written: an empty file, or one in memory.
pub trait Out: Read + Write + Seek {}
impl<T: Read + Write + Seek> Out for T {}

/// The images that a recipe names: here it is files, whatever their ids in the recipe.
#[derive(Clone, Copy, Default)]
pub struct Others<'a> {
    /// Whose histogram the image shall have.
    pub reference: Option<&'a Opener<'a>>,
    /// The mask.
    pub mask: Option<&'a Opener<'a>>,
}

/// Equalizes an image with rayon's global threads and the system's folder for temporary files; see [`Local::equalize`].
///
/// # Errors
/// As [`Local::equalize`].
pub fn equalize_file(
    source: impl Fn() -> io::Result<Box<dyn Source>>,
    recipe: &Recipe,
    out: &mut dyn Out,
    limits: &Limits,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Equalized, Error> {
    Local { limits: *limits, pool: None, scratch: std::env::temp_dir() }.equalize(
        source,
        recipe,
        Others::default(),
        out,
        progress,
    )
}

impl Local<'_> {
    /// Equalizes an image and writes the result's file to `out`, which is no valid file before the end.
    ///
    /// `source` opens the original, each time from its start; it is called several times. `progress` is told how many
    /// rows are done, and of how many: each row counts twice, once for counting and once for applying (floating-point
    /// ones are looked at once more).
    ///
    /// # Errors
    /// [`Error::Codec`] if the original can't be read, kept or is above the limits; [`Error::Write`] if `out` or the
    /// temporary file fails.
    pub fn equalize(
        &self,
        source: impl Fn() -> io::Result<Box<dyn Source>>,
        recipe: &Recipe,
        others: Others<'_>,
        out: &mut dyn Out,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Equalized, Error> {
        let info = codec::inspect(&mut *source()?, &self.limits)?;
        recipe.check(&info).map_err(codec::Error::Refused)?;
        let pages = codec::inspect_pages(&mut *source()?, &self.limits, &info, 0..info.pages())?;
        let reference = self.reference(recipe, &info, others)?;
        let looks = |page: &ImageInfo| u64::from(page.height) * u64::from(Counts::looks(recipe, page.depth) + 1);
        let total = pages.iter().map(looks).sum();
        let mut done = 0;
        let mut advance = |rows: Range<u32>| {
            done += u64::from(rows.end - rows.start);
            progress(done, total);
        };

        let layout = output_layout(recipe, info.layout);
        let file = InPlace::begin(&codec::head(&mut *source()?, &info, layout)?, out)?;
        let mut work = Work { source: &source, recipe, reference: reference.as_ref(), mask: None, file };
        let mut finished = Vec::with_capacity(pages.len());
        for page in &pages {
            companion::check_page(recipe, page).map_err(codec::Error::Refused)?;
            // One worker: parts follow from the image alone, and tasks don't exist here.
            let cut = Cut::new(page, 1);
            work.mask = match (&recipe.mask, others.mask) {
                (None, _) => None,
                (Some(_), Some(mask)) => Some(self.mask(mask, page, cut)?),
                (Some(_), None) => {
                    let sentence = "The recipe names a mask; there is no file of it.";
                    return Err(codec::Error::Refused(sentence.to_owned()).into());
                }
            };
            finished.push(self.page(&mut work, page, cut, &mut advance)?);
        }

        work.file.end(&finished)?;
        let mut keeping = Keeping::default();
        let changed = finished.iter().flat_map(|(head, _)| head.keeping().changed.iter().cloned());
        changed.for_each(|sentence| keeping.change(sentence));
        Ok(Equalized { info, notes: keeping.changed })
    }

    /// Equalizes a page and appends its encoded parts to the file.
    fn page(
        &self,
        work: &mut Work<'_>,
        info: &ImageInfo,
        cut: Cut,
        advance: &mut dyn FnMut(Range<u32>),
    ) -> Result<(Head, Vec<PartIndex>), Error> {
        let recipe = work.recipe;
        let head = codec::head(&mut *(work.source)()?, info, output_layout(recipe, info.layout))?;
        let mut rows = self.open(work.source, info, cut)?;
        rows.marks = Marks { nodata: recipe.nodata_of(info), mask: work.mask.take() };
        let mut counts = Counts::new(recipe, &Frame::of(info)).map_err(unfit)?;
        loop {
            counts = self.count(&mut rows, counts, advance)?;
            match counts.further() {
                Some(next) => counts = next,
                None => break,
            }
        }
        let table = Table::new(recipe, &counts, work.reference).map_err(unfit)?;

        let encode = |rows: Marked| Ok(codec::part(&head, rows.first, &rows.equalize(recipe, &table))?);
        let mut index = Vec::new();
        self.each_part(&mut rows, encode, |part, Part { index: entry, bytes }| {
            index.push(entry);
            work.file.part(bytes)?;
            advance(cut.rows_of(part, info.height));
            Ok(())
        })?;
        Ok((head, index))
    }

    /// What is counted of all parts, where `empty` has counted nothing.
    fn count(
        &self,
        rows: &mut RowsOfParts<'_>,
        empty: Counts,
        advance: &mut dyn FnMut(Range<u32>),
    ) -> Result<Counts, Error> {
        let (info, cut) = (rows.info, rows.cut);
        // One for each thread that counts at the same time, as counts can be larger than a part.
        let partial: Mutex<Vec<Counts>> = Mutex::new(Vec::new());
        let count = |rows: Marked| {
            let taken = lock(&partial).pop();
            let mut counts = taken.unwrap_or_else(|| empty.clone());
            rows.count(&mut counts);
            lock(&partial).push(counts);
            Ok(())
        };
        self.each_part(rows, count, |part, ()| {
            advance(cut.rows_of(part, info.height));
            Ok(())
        })?;
        let mut whole = empty;
        for counts in lock(&partial).iter() {
            whole.merge(counts).expect("all were made for the same image, which has fewer than 2⁶² pixels");
        }
        Ok(whole)
    }

    /// The histogram that the image shall have, if the recipe says so.
    fn reference(&self, recipe: &Recipe, info: &ImageInfo, others: Others<'_>) -> Result<Option<Histogram>, Error> {
        if recipe.reference().is_none() {
            return Ok(None);
        }
        let Some(source) = others.reference else {
            let sentence = "The method match needs the file of a reference image; there is none.";
            return Err(codec::Error::Refused(sentence.to_owned()).into());
        };
        let of = codec::inspect(&mut *source()?, &self.limits)?;
        companion::single("reference", &of).map_err(codec::Error::Refused)?;
        let mut reader = codec::open(source()?, &of)?;
        Ok(Some(companion::count(&mut *reader, &of, recipe, info.layout)?))
    }

    /// Decodes the mask once, as it may not be readable in place.
    fn mask(&self, source: &Opener<'_>, info: &ImageInfo, cut: Cut) -> Result<SpooledMask, Error> {
        let of = codec::inspect(&mut *source()?, &self.limits)?;
        companion::single("mask", &of).map_err(codec::Error::Refused)?;
        same_size(info, &of).map_err(codec::Error::Refused)?;
        let mut reader = codec::open(source()?, &of)?;
        let mut spool = tempfile::spooled_tempfile_in(SPOOL_MEMORY, &self.scratch);
        for part in 0..cut.parts {
            let bytes = Mask::image(&reader.read(cut.rows_of(part, info.height))?);
            spool.write_all(&bytes).map_err(Error::Write)?;
        }
        Ok(SpooledMask { spool: Mutex::new(spool), width: info.width })
    }

    /// Reads every part's rows, does `work` on them on any thread, and gives the results to `take` in order.
    fn each_part<T: Send>(
        &self,
        rows: &mut RowsOfParts<'_>,
        work: impl Fn(Marked) -> Result<T, Error> + Sync,
        take: impl FnMut(u32, T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (cut, height) = (rows.cut, rows.info.height);
        let marks = &rows.marks;
        let work = |part: u32, rows: Rows| work(marks.mark(cut.rows_of(part, height), rows)?);
        match &mut rows.readers {
            Readers::One(reader) => {
                in_order(self.pool, cut.parts, |part| Ok(reader.read(cut.rows_of(part, height))?), work, take)
            }
            Readers::Many(readers) => {
                let read = |part: u32| {
                    // There is one for every thread, unless one was lost in a panic, which the caller will hear of.
                    let mut reader = lock(readers).pop().ok_or_else(|| {
                        codec::Error::Refused("Reading another part of the image broke off.".to_owned())
                    })?;
                    let rows = reader.read(cut.rows_of(part, height));
                    lock(readers).push(reader);
                    let rows = rows?;
                    work(part, rows)
                };
                in_order(self.pool, cut.parts, |_| Ok(()), |part, ()| read(part), take)
            }
        }
    }

    fn open<'a>(&self, source: &Opener<'_>, info: &'a ImageInfo, cut: Cut) -> Result<RowsOfParts<'a>, Error> {
        let open = || Ok::<_, Error>(codec::open(source()?, info)?);
        let readers = if info.regions {
            let readers = self.threads().min(cut.parts as usize).max(1);
            Readers::Many(Mutex::new((0..readers).map(|_| open()).collect::<Result<_, _>>()?))
        } else if info.whole_decode {
            Readers::One(open()?)
        } else {
            let spool = tempfile::spooled_tempfile_in(SPOOL_MEMORY, &self.scratch);
            Readers::One(Box::new(Kept { reader: open()?, decoded: 0, spool, info: info.clone() }))
        };
        Ok(RowsOfParts { info, cut, readers, marks: Marks::default() })
    }

    fn threads(&self) -> usize {
        self.pool.map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }
}

/// What all pages of a file have in common.
struct Work<'a> {
    source: &'a Opener<'a>,
    recipe: &'a Recipe,
    reference: Option<&'a Histogram>,
    mask: Option<SpooledMask>,
    file: InPlace<'a>,
}
