//! Preview of an equalization before upload, computed by the same code that the workers run.
//!
//! [`Preview::open`] decodes a file once and makes a copy of about screen size. [`Preview::approximate`] equalizes that copy,
//! fast enough to follow a slider. [`Preview::begin`] and [`Preview::advance`] process the whole image, some rows at a time, so
//! that a newer request can interrupt them. They produce exactly the samples that the array will write, which
//! [`Preview::equalized`] returns.
//!
//! The feature `preview` adds the JavaScript bindings; the rest is tested like any other code.

#[cfg(feature = "preview")]
mod door;

use std::io::Cursor;

use crate::decode::{self, Limits};
use crate::distribution::Distribution;
use crate::equalize::{Counts, Frame, Histogram, Mask, Recipe, Table, inks_to_rgb, output_layout};
use crate::job::{Cut, ImageInfo};
use crate::pixels::{Depth, Layout, Rows, Samples};
use crate::shrink::{Picture, Shrink, Shrinker, eight, fit, upright};

/// Longer side of the copy, in pixels.
pub const VIEW_SIDE: u32 = 800;

/// Maximum bytes of samples to keep; of a larger image, only the copy is kept.
pub const MOST_KEPT: u64 = 512 << 20;

/// Picture of a result, and its histogram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Red, green, blue and alpha; upright.
    pub picture: Picture,
    /// Histogram.
    pub distribution: Distribution,
    /// Whether it was computed from all pixels, not only the copy.
    pub exact: bool,
}

/// Decoded image, and what has been computed from it so far.
pub struct Preview {
    info: ImageInfo,
    note: String,
    cut: Cut,
    /// All rows, part by part; empty if the image is too large to keep.
    parts: Vec<Rows>,
    copy: Rows,
    before: Distribution,
    /// Latest counts of all rows, and the recipe they are for.
    counted: Option<(Recipe, Counts)>,
    work: Option<Work>,
    /// Latest table of the whole image, and the recipe it is for.
    made: Option<(Recipe, Table)>,
}

/// Equalization of the whole image, in progress.
struct Work {
    recipe: Recipe,
    next: usize,
    stage: Stage,
}

enum Stage {
    Counting(Counts),
    Applying { shrink: Shrink<u8>, histogram: Histogram },
}

impl Preview {
    /// Decodes an image file.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn open(file: Vec<u8>) -> Result<Self, String> {
        let mut source = Cursor::new(file);
        let info = decode::inspect(&mut source, &Limits::default()).map_err(|error| error.to_string())?;
        if let Some(sentence) = unshown(&info) {
            return Err(sentence);
        }
        let cut = Cut::new(&info, 1);
        let keeps = info.raw_bytes() <= MOST_KEPT;
        let note = note(&mut source, &info);
        let mut reader = decode::open(source, &info).map_err(|error| error.to_string())?;
        let mut shrinker = shrinker(&info);
        let mut histogram = Distribution::histogram(info.layout, info.depth);
        let mut parts = Vec::new();
        for part in 0..cut.parts {
            let rows = reader.read(cut.rows_of(part, info.height)).map_err(|error| error.to_string())?;
            shrinker.add(&rows)?;
            Distribution::count(&mut histogram, &rows);
            if keeps {
                parts.push(rows);
            }
        }
        let (copy, before) = (shrinker.into_rows(), Distribution::of(&histogram));
        Ok(Self { info, note, cut, parts, copy, before, counted: None, work: None, made: None })
    }

    /// Returns the file's header.
    pub fn info(&self) -> &ImageInfo {
        &self.info
    }

    /// Describes in sentences how the preview differs from what the array will produce; empty if it doesn't.
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Whether the whole image can be equalized here.
    pub fn can_be_exact(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Returns the original image.
    pub fn before(&self) -> Shown {
        let picture = self.upright(&self.copy);
        Shown { picture, distribution: self.before.clone(), exact: self.can_be_exact() }
    }

    /// Equalizes the copy, with the counts of the whole image if they are available and apply, else with the copy's own.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn approximate(&mut self, recipe: &Recipe) -> Result<Shown, String> {
        self.check(recipe)?;
        let nodata = recipe.nodata_of(&self.info);
        let mask = Mask::of(&self.copy, nodata, None);
        let known = self.counted.as_ref().filter(|(other, _)| recipe.clahe().is_none() && same_counts(other, recipe));
        let table = match known {
            Some((_, counts)) => Table::new(recipe, counts, None),
            None => {
                let mut counts = Counts::new(recipe, &self.frame_of_copy()).map_err(|error| format!("{error}."))?;
                counts.count(0, &self.copy, mask.as_ref());
                while let Some(mut further) = counts.further() {
                    further.count(0, &self.copy, mask.as_ref());
                    counts = further;
                }
                Table::new(recipe, &counts, None)
            }
        };
        let table = table.map_err(|error| format!("{error}."))?;
        let mut result = table.apply(recipe, 0, self.copy.clone(), mask.as_ref());
        if let Some(nodata) = nodata {
            nodata.keep_apart(&mut result, mask.as_ref());
        }
        let mut histogram = Distribution::histogram(result.layout, self.info.depth);
        Distribution::count(&mut histogram, &result);
        Ok(Shown { picture: self.upright(&result), distribution: Distribution::of(&histogram), exact: false })
    }

    /// Begins equalizing the whole image, abandoning any earlier run.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn begin(&mut self, recipe: &Recipe) -> Result<(), String> {
        self.check(recipe)?;
        if !self.can_be_exact() {
            return Err("This image is too large to preview; the array equalizes it in parts.".to_owned());
        }
        let known = self.counted.take().filter(|(other, _)| same_counts(other, recipe));
        let recipe = recipe.clone();
        self.work = Some(match known {
            Some((_, counts)) => self.applying(recipe, counts)?,
            None => {
                let counts = Counts::new(&recipe, &Frame::of(&self.info)).map_err(|error| format!("{error}."))?;
                Work { recipe, next: 0, stage: Stage::Counting(counts) }
            }
        });
        Ok(())
    }

    /// Does the next step of the run. Returns the result after the last step, `None` before.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn advance(&mut self) -> Result<Option<Shown>, String> {
        let Some(mut work) = self.work.take() else { return Err("Nothing was begun.".to_owned()) };
        if let Some(rows) = self.parts.get(work.next) {
            let first = self.cut.rows_of(work.next as u32, self.info.height).start;
            work.next += 1;
            let mask = Mask::of(rows, work.recipe.nodata_of(&self.info), None);
            match &mut work.stage {
                Stage::Counting(counts) => counts.count(first, rows, mask.as_ref()),
                Stage::Applying { shrink, histogram } => {
                    let rows = self.apply(&work.recipe, first, rows.clone())?;
                    // Inks are shown as the array's views show them.
                    let rows = inks_to_rgb(rows);
                    histogram.count(&rows);
                    shrink.add(&rows)?;
                }
            }
            self.work = Some(work);
            return Ok(None);
        }
        match work.stage {
            Stage::Counting(counts) => {
                self.work = Some(match counts.further() {
                    Some(further) => Work { next: 0, stage: Stage::Counting(further), ..work },
                    None => self.applying(work.recipe, counts)?,
                });
                Ok(None)
            }
            Stage::Applying { shrink, histogram } => {
                let layout = shown(output_layout(&work.recipe, self.info.layout));
                let copy = Rows { width: self.copy.width, layout, samples: Samples::U8(shrink.into_samples()) };
                let distribution = Distribution::of(&histogram);
                Ok(Some(Shown { picture: self.upright(&copy), distribution, exact: true }))
            }
        }
    }

    /// Returns the number of parts.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Returns a part as decoded, little-endian.
    pub fn decoded(&self, part: usize) -> Option<Vec<u8>> {
        self.parts.get(part).map(Rows::to_le_bytes)
    }

    /// Returns a part of the result last returned by [`Preview::advance`], little-endian.
    pub fn equalized(&self, part: usize) -> Option<Vec<u8>> {
        let (recipe, _) = self.made.as_ref()?;
        let rows = self.parts.get(part)?.clone();
        let first = self.cut.rows_of(part as u32, self.info.height).start;
        self.apply(recipe, first, rows).ok().map(|rows| rows.to_le_bytes())
    }

    fn apply(&self, recipe: &Recipe, first: u32, rows: Rows) -> Result<Rows, String> {
        let (_, table) = self.made.as_ref().ok_or("There is no table yet.")?;
        let nodata = recipe.nodata_of(&self.info);
        let mask = Mask::of(&rows, nodata, None);
        let mut rows = table.apply(recipe, first, rows, mask.as_ref());
        if let Some(nodata) = nodata {
            nodata.keep_apart(&mut rows, mask.as_ref());
        }
        Ok(rows)
    }

    /// Starts the second half of the run, once everything is counted.
    fn applying(&mut self, recipe: Recipe, counts: Counts) -> Result<Work, String> {
        let table = Table::new(&recipe, &counts, None).map_err(|error| format!("{error}."))?;
        let (size, layout) = ((self.info.width, self.info.height), shown(output_layout(&recipe, self.info.layout)));
        self.made = Some((recipe.clone(), table));
        self.counted = Some((recipe.clone(), counts));
        let shrink = Shrink::new(layout, size, fit(size.0, size.1, VIEW_SIDE));
        let histogram = Distribution::histogram(layout, self.info.depth);
        Ok(Work { recipe, next: 0, stage: Stage::Applying { shrink, histogram } })
    }

    fn check(&self, recipe: &Recipe) -> Result<(), String> {
        if recipe.reference().is_some() || recipe.mask.is_some() {
            return Err("No preview: this recipe needs another image, which only the array has.".to_owned());
        }
        recipe.check(&self.info)
    }

    fn frame_of_copy(&self) -> Frame {
        let (width, height) = fit(self.info.width, self.info.height, VIEW_SIDE);
        Frame { width, height, ..Frame::of(&self.info) }
    }

    fn upright(&self, rows: &Rows) -> Picture {
        let height = rows.height() as u32;
        upright(Picture { width: rows.width, height, channels: 4, bytes: rgba(rows) }, self.info.orientation)
    }
}

/// Whether two recipes need the same counts.
fn same_counts(one: &Recipe, other: &Recipe) -> bool {
    let grid = |recipe: &Recipe| recipe.clahe().map(|clahe| (clahe.columns, clahe.rows));
    (one.color, one.nodata, one.range, grid(one)) == (other.color, other.nodata, other.range, grid(other))
}

fn shrinker(info: &ImageInfo) -> Shrinker {
    let (size, to) = ((info.width, info.height), fit(info.width, info.height, VIEW_SIDE));
    match info.depth {
        Depth::Eight => Shrinker::U8(Shrink::new(info.layout, size, to)),
        _ => Shrinker::U16(Shrink::new(info.layout, size, to)),
    }
}

/// Explains why an image has no preview; `None` if it has one.
fn unshown(info: &ImageInfo) -> Option<String> {
    let what = match (info.layout, info.depth) {
        (Layout::Bands(_) | Layout::BandsAlpha(_), _) => "bands without colours",
        (_, depth) if !depth.has_levels() => depth.noun(),
        _ => return None,
    };
    Some(format!("No preview for images with {what}; the array still equalizes them."))
}

/// Computes [`Preview::note`].
fn note(source: &mut Cursor<Vec<u8>>, info: &ImageInfo) -> String {
    let pages = match info.more.further_pages {
        0 => None,
        further => Some(format!("This is the first of {} pages; the array equalizes each by itself.", further + 1)),
    };
    // If the profile can't be read here, the array can't keep it either.
    let profile = decode::profile(source, info).ok().flatten().filter(|profile| !is_srgb(profile));
    let profile = profile.map(|_| "Drawn here without the file's colour profile, which the result keeps.".to_owned());
    [pages, profile].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Whether a profile names itself sRGB: in ASCII (ICC.1, version 2) or UTF-16 (version 4).
fn is_srgb(profile: &[u8]) -> bool {
    profile.windows(4).any(|four| four == b"sRGB") || profile.windows(8).any(|eight| eight == b"\0s\0R\0G\0B")
}

/// Returns the layout in which rows are shown.
const fn shown(layout: Layout) -> Layout {
    match layout {
        Layout::Cmyk => Layout::Rgb,
        layout => layout,
    }
}

/// Converts pixels to RGBA, as browsers draw them.
fn rgba(rows: &Rows) -> Vec<u8> {
    if rows.layout == Layout::Cmyk {
        return rgba(&inks_to_rgb(rows.clone()));
    }
    match &rows.samples {
        Samples::U8(samples) => spread(rows.layout, samples, |sample| sample),
        Samples::U16(samples) => spread(rows.layout, samples, eight),
        // Refused when the file was opened.
        _ => Vec::new(),
    }
}

fn spread<S: Copy>(layout: Layout, samples: &[S], eight: impl Fn(S) -> u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(samples.len() / layout.channels() * 4);
    for pixel in samples.chunks_exact(layout.channels()) {
        let (color, alpha) = match pixel {
            [gray] => ([*gray; 3], None),
            [gray, alpha] => ([*gray; 3], Some(*alpha)),
            [red, green, blue] => ([*red, *green, *blue], None),
            [red, green, blue, alpha, ..] => ([*red, *green, *blue], Some(*alpha)),
            [] => continue,
        };
        bytes.extend(color.map(&eight));
        bytes.push(alpha.map_or(255, &eight));
    }
    bytes
}
