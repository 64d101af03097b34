//! A job: one recipe run on one image, and its record in the znode `/jobs/<job>`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Stamp;
use crate::equalize::{Recipe, Spans};
use crate::id::{ImageId, JobId, RunId};
use crate::pixels::{Depth, Layout};

/// The version of the records that this binary writes.
pub const RECORD_VERSION: u32 = 1;

/// The version of the arithmetic that this binary plans with; it runs all before it as well. A job pins that of the master
/// that planned it, so that a rolling upgrade never mixes two arithmetics in one image: pods of the version before leave
/// it alone.
///
/// 1. `global` in full strength, colour as `luma`, `hsv`, `channels` or `gray`.
/// 2. All methods, `oklab`, strength, masks.
/// 3. Parts of a JPEG are encoded, each row of MCUs a restart interval; PNG's are deflated in the way that suits them.
/// 4. No data, also as the file says it; bands, floating point, several pages.
/// 5. WebP.
/// 6. Parts between tasks are hashed with BLAKE3, SHA-256 before.
/// 7. A range of floating-point samples that is given.
/// 8. Overviews of a TIFF are made anew.
/// 9. Runs in a PNG are deflated by our own code.
pub const ALGO: u32 = 9;

/// What a person sees of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Accepted, waiting for a master and a slot.
    Queued,
    /// Its tasks are being worked on.
    Running,
    /// Its result is there.
    Done,
    /// It ended without a result; `reason` says why.
    Failed,
}

impl JobState {
    /// The state's name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
        }
    }

    /// Whether nothing more happens by itself.
    pub const fn has_ended(self) -> bool {
        matches!(self, JobState::Done | JobState::Failed)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for JobState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "queued" => Ok(JobState::Queued),
            "running" => Ok(JobState::Running),
            "done" => Ok(JobState::Done),
            "failed" => Ok(JobState::Failed),
            other => Err(format!("expected queued, running, done or failed, got {other:?}")),
        }
    }
}

/// A step of a job that consists of tasks. Its name is a znode's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Decode the original once into raw rows, where it can't be read by regions.
    Split,
    /// Decode the mask image once into raw rows of one byte a pixel.
    Mask,
    /// Count the histogram of the image that this one is matched to.
    Reference,
    /// Look for the range of the floating-point samples of some rows.
    Ranges,
    /// Map: count the histogram of some rows.
    Histograms,
    /// Apply the look-up table to some rows and encode them as parts.
    Equalize,
    /// Both of the above for some pages of a file of several, each by itself.
    Pages,
    /// Join the parts to the result file.
    Stitch,
    /// All of the above in one task, for small images.
    Whole,
}

impl Phase {
    /// Every phase, in the order in which data flows.
    pub const ALL: [Phase; 9] = [
        Phase::Split,
        Phase::Mask,
        Phase::Reference,
        Phase::Ranges,
        Phase::Histograms,
        Phase::Equalize,
        Phase::Pages,
        Phase::Stitch,
        Phase::Whole,
    ];

    /// The name, as in the znode's path and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Split => "split",
            Phase::Mask => "mask",
            Phase::Reference => "reference",
            Phase::Ranges => "ranges",
            Phase::Histograms => "histograms",
            Phase::Equalize => "equalize",
            Phase::Pages => "pages",
            Phase::Stitch => "stitch",
            Phase::Whole => "whole",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Phase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Phase::ALL
            .into_iter()
            .find(|phase| phase.name() == text)
            .ok_or_else(|| format!("expected a phase's name, got {text:?}"))
    }
}

/// File formats that Evenlight reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG (JFIF or EXIF).
    Jpeg,
    /// TIFF, classic or BigTIFF.
    Tiff,
    /// WebP, lossy or lossless; results are lossless.
    Webp,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::Png, Format::Jpeg, Format::Tiff, Format::Webp];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::Tiff => "tiff",
            Format::Webp => "webp",
        }
    }

    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::Tiff => "image/tiff",
            Format::Webp => "image/webp",
        }
    }

    /// The usual file name extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpg",
            Format::Tiff => "tif",
            Format::Webp => "webp",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "png" => Ok(Format::Png),
            "jpeg" => Ok(Format::Jpeg),
            "tiff" => Ok(Format::Tiff),
            "webp" => Ok(Format::Webp),
            other => Err(format!("expected png, jpeg, tiff or webp, got {other:?}")),
        }
    }
}

/// What becomes of an original's structure and metadata in its results, as sentences for the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// What is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// What is changed or left out, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl Keeping {
    /// No list is longer, so that a record of it stays small whatever a file holds.
    pub const MOST: usize = 40;

    /// Adds to what is kept; once each.
    pub fn keep(&mut self, what: impl Into<String>) {
        Self::add(&mut self.kept, what.into());
    }

    /// Adds to what is changed or left out; once each.
    pub fn change(&mut self, what: impl Into<String>) {
        Self::add(&mut self.changed, what.into());
    }

    fn add(list: &mut Vec<String>, what: String) {
        const MORE: &str = "And more.";
        if list.len() < Self::MOST && !list.contains(&what) {
            list.push(if list.len() + 1 < Self::MOST { what } else { MORE.to_owned() });
        }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.changed.is_empty()
    }
}

/// What an image's header says: all that the master needs to cut it, without reading a pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// File format.
    pub format: Format,
    /// Pixels in a row, as stored.
    pub width: u32,
    /// Rows, as stored.
    pub height: u32,
    /// Samples of a pixel.
    pub layout: Layout,
    /// Bits of a sample.
    pub depth: Depth,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Rows that can only be read or written together: the TIFF strip's or tile's height, the JPEG MCU's
    /// height, 1 for PNG. Parts are cut at multiples of it.
    pub unit_rows: u32,
    /// Whether workers can read rows from the original in place (TIFF strips and tiles).
    /// If not, a split task decodes it once.
    pub regions: bool,
    /// Whether decoding needs the whole image in memory (JPEG, interlaced PNG).
    pub whole_decode: bool,
    /// What only some files have.
    #[serde(default)]
    pub more: More,
}

/// What only some files have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct More {
    /// Which of the file's pages this is, from 0; the rest of [`ImageInfo`] is about it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub page: u32,
    /// How many pages follow the first one. A file of several pages is done page by page, in one task.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further_pages: u32,
    /// Where the page is described, as far as this was looked up just now.
    #[serde(skip)]
    pub place: Option<Place>,
    /// Smaller pictures of the page that are made anew of its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overviews: Vec<Overview>,
    /// Decoded bytes of the largest page, if there are several.
    #[serde(default, skip_serializing_if = "is_zero_bytes")]
    pub largest_page: u64,
    /// Pixels whose samples all have this value are none: left alone, and not counted. From GDAL's tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<f64>,
    /// What becomes of the structure and the metadata.
    #[serde(default, skip_serializing_if = "Keeping::is_empty")]
    pub keeping: Keeping,
}

/// Where in a TIFF file a page's directories are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The page's own.
    pub page: u64,
    /// Its mask's.
    pub mask: Option<u64>,
}

/// A smaller picture of a page, for those who look at it from afar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Each of its pixels is of a square of so many pixels a side; less where the page ends.
    pub factor: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Whether the page points to it (SubIFDs), instead of being followed by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

impl Overview {
    /// The overview of these sides, if both are the page's divided by the same number: rounded up, or both down.
    pub fn of((width, height): (u32, u32), (small_width, small_height): (u32, u32), below: bool) -> Option<Self> {
        let about = width.checked_div(small_width)?;
        let fits = |factor: u32, divided: fn(u32, u32) -> u32| {
            small_width == divided(width, factor) && small_height == divided(height, factor)
        };
        let factors = || about.max(2)..=about.saturating_add(1);
        let rounded_up = factors().find(|factor| fits(*factor, u32::div_ceil));
        let factor = rounded_up.or_else(|| factors().find(|factor| fits(*factor, |side, factor| side / factor)))?;
        (small_height > 0).then_some(Self { factor, width: small_width, height: small_height, below })
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_bytes(bytes: &u64) -> bool {
    *bytes == 0
}

impl ImageInfo {
    /// Whether the pixels are stored alike.
    pub fn is_like(&self, other: &ImageInfo) -> bool {
        *self == ImageInfo { more: self.more.clone(), ..other.clone() }
    }

    /// Bytes of one decoded row.
    pub fn row_bytes(&self) -> u64 {
        u64::from(self.width) * (self.layout.channels() * self.depth.bytes()) as u64
    }

    /// Bytes of the decoded image.
    pub fn raw_bytes(&self) -> u64 {
        self.row_bytes() * u64::from(self.height)
    }

    /// Pages of the file.
    pub fn pages(&self) -> u32 {
        self.more.further_pages.saturating_add(1)
    }

    /// Pixels of the image.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Width and height as a person sees the image, turned as its orientation says.
    pub fn displayed(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// How an image is cut. Parts follow from the image alone, so that the result's bytes do;
/// tasks are runs of parts and may follow the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Rows of every part but the last.
    pub part_rows: u32,
    /// How many parts there are.
    pub parts: u32,
    /// Parts of every task but the last.
    pub parts_per_task: u32,
}

impl Cut {
    /// About this many raw bytes make a part.
    pub const PART_BYTES: u64 = 1 << 20;
    /// No task takes more raw bytes than this, unless the limit of tasks forces it.
    pub const TASK_BYTES: u64 = 16 << 20;
    /// No phase has more tasks than this.
    pub const MAX_TASKS: u32 = 1_000;

    /// Cuts an image for `workers` live workers (at least one).
    pub fn new(info: &ImageInfo, workers: usize) -> Self {
        let (part_rows, parts) = Self::parts(info);
        let part_bytes = (u64::from(part_rows) * info.row_bytes()).max(1);
        let for_all = parts.div_ceil(u32::try_from(workers.max(1)).unwrap_or(u32::MAX));
        let by_size = u32::try_from((Self::TASK_BYTES / part_bytes).max(1)).unwrap_or(u32::MAX);
        Self::with_parts_per_task(info, for_all.min(by_size))
    }

    /// Cuts an image into tasks of the given number of parts, or more where there would be too many tasks.
    pub fn with_parts_per_task(info: &ImageInfo, parts_per_task: u32) -> Self {
        let (part_rows, parts) = Self::parts(info);
        let fewest = parts.div_ceil(Self::MAX_TASKS);
        Self { part_rows, parts, parts_per_task: parts_per_task.clamp(1, parts).max(fewest) }
    }

    /// Cuts a file of several pages, of which each is a part here, into tasks of so many.
    pub fn of_pages(info: &ImageInfo, pages_per_task: u32) -> Self {
        let pages = info.pages();
        let fewest = pages.div_ceil(Self::MAX_TASKS);
        Self { part_rows: info.height, parts: pages, parts_per_task: pages_per_task.clamp(1, pages).max(fewest) }
    }

    fn parts(info: &ImageInfo) -> (u32, u32) {
        let unit = info.unit_rows.max(1);
        let unit_bytes = (u64::from(unit) * info.row_bytes()).max(1);
        let units = u32::try_from((Self::PART_BYTES / unit_bytes).max(1)).unwrap_or(u32::MAX);
        let part_rows = unit.saturating_mul(units).min(info.height.max(1).next_multiple_of(unit));
        (part_rows, info.height.max(1).div_ceil(part_rows))
    }

    /// How many tasks a phase over all parts has.
    pub fn tasks(&self) -> u32 {
        self.parts.div_ceil(self.parts_per_task)
    }

    /// The parts of a task.
    pub fn parts_of(&self, task: u32) -> std::ops::Range<u32> {
        let first = task.saturating_mul(self.parts_per_task).min(self.parts);
        first..first.saturating_add(self.parts_per_task).min(self.parts)
    }

    /// The rows of a part.
    pub fn rows_of(&self, part: u32, height: u32) -> std::ops::Range<u32> {
        let first = part.saturating_mul(self.part_rows).min(height);
        first..first.saturating_add(self.part_rows).min(height)
    }
}

/// Images of more pixels are large.
pub const SMALL_PIXELS: u64 = 16_000_000;

/// Which queue a job waits in: small jobs keep slots of their own, so that a gigapixel scan doesn't hold them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Up to [`SMALL_PIXELS`].
    Small,
    /// Everything else.
    Large,
}

impl Lane {
    /// The lane of an image of so many pixels.
    pub fn of(pixels: u64) -> Self {
        if pixels <= SMALL_PIXELS { Lane::Small } else { Lane::Large }
    }
}

/// Something in the store that a record points to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// The store's key.
    pub key: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 as 64 hexadecimal digits: of all its bytes, or of its table's.
    pub sha256: String,
    /// Which bytes hold the hashes of everything else, part by part, where it is read by parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<std::ops::Range<u64>>,
}

/// Another image that a job reads besides its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// The image.
    pub image: ImageId,
    /// The store's key of its original.
    pub original: String,
    /// Length of its original in bytes.
    pub bytes: u64,
    /// SHA-256 of its original, as 64 hexadecimal digits.
    pub sha256: String,
    /// What its header says.
    pub info: ImageInfo,
}

/// Whether an active job is being worked on or only awaits its deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Phases are created and worked on.
    Active,
    /// It ended; the only step left is to delete its znodes.
    Finished,
}

/// The record of the znode `/jobs/<job>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// [`RECORD_VERSION`] of the writer.
    pub v: u32,
    /// The job.
    pub job: JobId,
    /// Its activation.
    pub run: RunId,
    /// Its image.
    pub image: ImageId,
    /// The store's key of the original.
    pub original: String,
    /// Length of the original in bytes.
    pub original_bytes: u64,
    /// SHA-256 of the original, as 64 hexadecimal digits; empty in the record of a master that doesn't know it.
    #[serde(default)]
    pub original_sha256: String,
    /// What the image's header says.
    pub info: ImageInfo,
    /// What to do with it.
    pub recipe: Recipe,
    /// The image whose histogram this one shall have, if the recipe names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Companion>,
    /// The mask image, if the recipe names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Companion>,
    /// The version of the arithmetic that it is done with: see [`ALGO`].
    pub algo: u32,
    /// The phases in their order.
    pub phases: Vec<Phase>,
    /// How the image is cut; fixed before the first task.
    pub cut: Cut,
    /// Each phase's number of tasks; fixed before the first task.
    pub counts: BTreeMap<Phase, u32>,
    /// Which lane's slot it holds.
    pub lane: Lane,
    /// Active or finished.
    pub progress: Progress,
    /// The ranges of floating-point samples, once the master has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Spans>,
    /// The reduced look-up tables, once the master has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lut: Option<Pointer>,
    /// Runs in a row, before this one, that were lost with the whole array while somebody worked on them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub losses: u32,
    /// Whether some tasks were finished in an earlier run and needn't be done again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumes: bool,
    /// The epoch of the master that wrote this.
    pub epoch: u64,
    /// When its run began, Lamport; later writes keep it.
    pub stamp: Stamp,
    /// When the run began, in ms since 1970.
    pub started: i64,
    /// Fields of a later version, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Job {
    /// How many tasks a phase of this job has; 0 if it has no such phase.
    pub fn count(&self, phase: Phase) -> u32 {
        self.counts.get(&phase).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn info(width: u32, height: u32, unit_rows: u32) -> ImageInfo {
        ImageInfo {
            format: Format::Tiff,
            width,
            height,
            layout: Layout::Gray,
            depth: Depth::Eight,
            orientation: 1,
            unit_rows,
            regions: true,
            whole_decode: false,
            more: More::default(),
        }
    }

    #[test]
    fn parts_do_not_depend_on_the_number_of_workers() {
        let image = info(10_000, 10_000, 7);
        let cuts: Vec<Cut> = [1, 3, 8, 500].into_iter().map(|workers| Cut::new(&image, workers)).collect();
        assert!(cuts.windows(2).all(|two| two[0].part_rows == two[1].part_rows && two[0].parts == two[1].parts));
        assert_eq!(cuts[0].part_rows % 7, 0);
    }

    #[test]
    fn every_row_belongs_to_exactly_one_task() {
        for (image, per_task) in [(info(5, 1, 1), 1), (info(999, 4_001, 16), 3), (info(200_000, 50_000, 1), 1)] {
            let cut = Cut::with_parts_per_task(&image, per_task);
            assert!(cut.tasks() <= Cut::MAX_TASKS);
            let mut next = 0;
            for part in (0..cut.tasks()).flat_map(|task| cut.parts_of(task)) {
                let rows = cut.rows_of(part, image.height);
                assert_eq!(rows.start, next);
                assert!(!rows.is_empty());
                next = rows.end;
            }
            assert_eq!(next, image.height);
        }
    }

    #[test]
    fn every_worker_gets_a_task_when_there_are_parts_enough() {
        assert_eq!(Cut::new(&info(4_096, 4_096, 1), 8).tasks(), 8);
    }
}
