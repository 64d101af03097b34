//! Single-process equalization without a cluster: the oracle that the array's results are compared with.
//!
//! It uses the same codec, the same kernels and the same cut into parts as the array, in sequence: count every part,
//! build the LUT, apply it and encode every part, join the parts. Parts are streamed; rows that can only be decoded in
//! order are spooled to a temporary file for the second pass. The whole image is in memory only if its decoder requires
//! it ([`ImageInfo::whole_decode`]). A file of several pages is processed page by page.

mod error;
mod in_place;
mod rows;
mod spool;

use std::io::{self, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;

use codec::{Head, Limits, Part, PartIndex, Source};
use rayon::ThreadPool;
use shared::equalize::{Counts, Frame, Histogram, Mask, Recipe, Table, output_layout};
use shared::job::{Cut, ImageInfo, Keeping};
use shared::pixels::Rows;

pub use self::error::Error;
use self::in_place::InPlace;
pub use self::in_place::Out;
use self::rows::{Kept, Marks, Readers, RowsOfParts, SpooledMask, lock};
use self::spool::spool;
use super::compute::ordered::in_order;
use super::job::companions::{self, same_size};
use super::stages::companion;
use super::stages::encoder::Encoder;
use super::stages::histogram::unfit;
use super::stages::masked_image::MaskedRows;

/// Summary of an equalized image.
#[derive(Debug, Clone, PartialEq)]
pub struct Equalized {
    /// Metadata from the original's header.
    pub info: ImageInfo,
    /// Sentences for the user: metadata dropped as stale, and findings in the pixels, such as outliers.
    pub notes: Vec<String>,
}

/// Resources to work with.
#[derive(Debug)]
pub struct Local<'a> {
    /// Limits on what an image may cost.
    pub limits: Limits,
    /// Thread pool; `None` means rayon's global pool. When called on a thread of any rayon pool, only that thread is used.
    pub pool: Option<&'a ThreadPool>,
    /// Directory for temporary files; it needs about as much space as the largest result.
    pub scratch: PathBuf,
}

/// Opens an image; each call starts at its beginning.
pub type Opener<'a> = dyn Fn() -> io::Result<Box<dyn Source>> + 'a;

/// Files of the companions that a recipe names; the ids in the recipe are ignored.
#[derive(Clone, Copy, Default)]
pub struct Others<'a> {
    /// Reference whose histogram the image is matched to.
    pub reference: Option<&'a Opener<'a>>,
    /// The mask.
    pub mask: Option<&'a Opener<'a>>,
}

/// Equalizes an image with rayon's global pool and the system's directory for temporary files; see [`Local::equalize`].
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
    /// Equalizes an image and writes the result file to `out`, which isn't valid until this returns.
    ///
    /// `source` opens the original at its beginning; it is called several times. `progress` receives the number of rows
    /// done and the total: each row counts twice, once when counted and once when the LUT is applied (rows whose
    /// range is found first are read once more).
    ///
    /// # Errors
    /// [`Error::Codec`] if the original can't be read, can't be kept or exceeds the limits; [`Error::Write`] if `out`
    /// or the temporary file fails.
    pub fn equalize(
        &self,
        source: impl Fn() -> io::Result<Box<dyn Source>>,
        recipe: &Recipe,
        others: Others<'_>,
        out: &mut dyn Out,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Equalized, Error> {
        let info = codec::inspect(&mut *source()?, &self.limits)?;
        companions::check(recipe, &info, &self.limits).map_err(codec::Error::Refused)?;
        let pages = codec::inspect_pages(&mut *source()?, &self.limits, &info, 0..info.pages())?;
        let reference = self.reference(recipe, &info, others)?;
        let looks = |page: &ImageInfo| u64::from(page.height) * u64::from(Counts::looks(recipe, page.depth) + 1);
        let total = pages.iter().map(looks).sum();
        let mut done = 0;
        let mut advance = |rows: Range<u32>| {
            done += u64::from(rows.end - rows.start);
            progress(done, total);
        };

        let first = self.encoder(&source, recipe, &info)?;
        let file = InPlace::begin(&first.head, out, &self.scratch)?;
        let mut work =
            Work { source: &source, recipe, reference: reference.as_ref(), mask: None, file, notes: Vec::new() };
        let mut finished = Vec::with_capacity(pages.len());
        for page in &pages {
            companions::check_page(recipe, page, info.pages()).map_err(codec::Error::Refused)?;
            // One worker: parts don't depend on the number, and there are no tasks here.
            let cut = Cut::new(&codec::info_to_cut(recipe.target, page, output_layout(recipe, page.layout)), 1);
            work.mask = match (&recipe.mask, others.mask) {
                (None, _) => None,
                (Some(_), Some(mask)) => Some(self.mask(mask, page, cut)?),
                (Some(_), None) => {
                    let sentence = "The recipe names a mask, but no mask file was given.";
                    return Err(codec::Error::Refused(sentence.to_owned()).into());
                }
            };
            finished.push(self.page(&mut work, page, cut, &mut advance)?);
        }

        let notes = work.notes;
        work.file.end(&finished)?;
        let changed = finished.iter().flat_map(|(head, _)| head.keeping().changed.iter().cloned());
        Ok(Equalized { info, notes: Keeping::of_changes(changed.chain(notes)).changed })
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
        let encoder = self.encoder(work.source, recipe, info)?;
        let mut rows = self.open(work.source, info, cut)?;
        rows.marks = Marks { nodata: recipe.nodata_of(info), mask: work.mask.take() };
        let mut counts = Counts::new(recipe, &Frame::of(info)).map_err(unfit)?;
        loop {
            counts = self.count(&mut rows, counts, advance)?;
            work.notes.extend(counts.notes());
            match counts.further() {
                Some(next) => counts = next,
                None => break,
            }
        }
        let table = Table::new(recipe, &counts, work.reference).map_err(unfit)?;

        let encode = |rows: MaskedRows| {
            let (first, rows) = (rows.first, rows.equalize(recipe, &table));
            Ok(encoder.part(first, rows)?)
        };
        let mut index = Vec::new();
        self.each_part(&mut rows, encode, |part, Part { index: entry, bytes }| {
            index.push(entry);
            work.file.part(bytes)?;
            advance(cut.rows_of(part, info.height));
            Ok(())
        })?;
        Ok((encoder.head, index))
    }

    /// Reads the head of a page's result.
    fn encoder(&self, source: &Opener<'_>, recipe: &Recipe, info: &ImageInfo) -> Result<Encoder, Error> {
        Ok(Encoder::read(&mut *source()?, recipe, info, &self.limits)?)
    }

    /// Counts all parts; `empty` are counts of the right shape, still empty.
    fn count(
        &self,
        rows: &mut RowsOfParts<'_>,
        empty: Counts,
        advance: &mut dyn FnMut(Range<u32>),
    ) -> Result<Counts, Error> {
        let (info, cut) = (rows.info, rows.cut);
        // One per thread that counts concurrently, since counts can be larger than a part.
        let partial: Mutex<Vec<Counts>> = Mutex::new(Vec::new());
        let count = |rows: MaskedRows| {
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

    /// Returns the reference histogram, if the recipe names a reference.
    fn reference(&self, recipe: &Recipe, info: &ImageInfo, others: Others<'_>) -> Result<Option<Histogram>, Error> {
        if recipe.reference().is_none() {
            return Ok(None);
        }
        let Some(source) = others.reference else {
            let sentence = "The method match needs a reference image, but no file was given.";
            return Err(codec::Error::Refused(sentence.to_owned()).into());
        };
        let of = codec::inspect(&mut *source()?, &self.limits)?;
        companions::single("reference", &of).map_err(codec::Error::Refused)?;
        companions::comparable(recipe, info, &of).map_err(codec::Error::Refused)?;
        let mut reader = codec::open(source()?, &of)?;
        Ok(Some(companion::count(&mut *reader, &of, recipe, info.layout)?))
    }

    /// Decodes the mask once, as it may not be readable by regions.
    fn mask(&self, source: &Opener<'_>, info: &ImageInfo, cut: Cut) -> Result<SpooledMask, Error> {
        let of = codec::inspect(&mut *source()?, &self.limits)?;
        companions::single("mask", &of).map_err(codec::Error::Refused)?;
        same_size(info, &of).map_err(codec::Error::Refused)?;
        let mut reader = codec::open(source()?, &of)?;
        let mut spool = spool(&self.scratch);
        for part in 0..cut.parts {
            let bytes = Mask::image(&reader.read(cut.rows_of(part, info.height))?);
            spool.write_all(&bytes).map_err(Error::Write)?;
        }
        Ok(SpooledMask { spool: Mutex::new(spool), width: info.width })
    }

    /// Reads every part's rows, runs `work` on them on any thread, and passes the results to `take` in order.
    fn each_part<T: Send>(
        &self,
        rows: &mut RowsOfParts<'_>,
        work: impl Fn(MaskedRows) -> Result<T, Error> + Sync,
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
                    // There is one reader per thread, unless one was lost in a panic, which is propagated to the caller.
                    let mut reader = lock(readers)
                        .pop()
                        .ok_or_else(|| codec::Error::Refused("Reading another part of the image failed.".to_owned()))?;
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
            let spool = spool(&self.scratch);
            Readers::One(Box::new(Kept { reader: open()?, decoded: 0, spool, info: info.clone() }))
        };
        Ok(RowsOfParts { info, cut, readers, marks: Marks::default() })
    }

    fn threads(&self) -> usize {
        self.pool.map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads)
    }
}

/// What all pages of a file share.
struct Work<'a> {
    source: &'a Opener<'a>,
    recipe: &'a Recipe,
    reference: Option<&'a Histogram>,
    mask: Option<SpooledMask>,
    file: InPlace<'a>,
    /// What users should know of the pixels.
    notes: Vec<String>,
}
