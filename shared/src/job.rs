//! Jobs: one recipe applied to one image, and the record of the znode `/jobs/<job>`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Stamp;
use crate::equalize::{Recipe, Spans};
use crate::id::{ImageId, JobId, RunId};
use crate::pixels::{Depth, Layout};

/// Record version written by this binary.
pub const RECORD_VERSION: u32 = 1;

/// Version of the algorithms that this binary plans jobs with; it can run all earlier versions too. A job pins the version of
/// the master that planned it, so that a rolling upgrade never mixes two versions in one image: older pods don't claim its
/// tasks.
///
/// 1. `global` at full strength; colour as `luma`, `hsv`, `channels` or `gray`.
/// 2. All methods, `oklab`, strength, masks.
/// 3. JPEG parts are encoded with a restart interval per MCU row; the deflate strategy of PNG parts is chosen for their
///    content.
/// 4. Nodata, also as declared by the file; bands, floating point, multiple pages.
/// 5. WebP.
/// 6. Parts passed between tasks are hashed with BLAKE3 instead of SHA-256.
/// 7. A recipe can set the range of floating-point samples.
/// 8. TIFF overviews are regenerated.
/// 9. Runs in a PNG are deflated by our own encoder.
pub const ALGO: u32 = 9;

/// State of a job, as users see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Accepted; waits for a master and a slot.
    Queued,
    /// Its tasks are in progress.
    Running,
    /// Its result is available.
    Done,
    /// Ended without a result; `reason` explains why.
    Failed,
}

impl JobState {
    /// Returns the state's name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Done => "done",
            JobState::Failed => "failed",
        }
    }

    /// Whether the state is final unless a user intervenes.
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

/// Step of a job whose tasks can run in parallel. Its name is also its znode's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Decode the original once into raw rows, if its format can't be read by regions.
    Split,
    /// Decode the mask image once into raw rows of one byte per pixel.
    Mask,
    /// Compute the histogram of the reference image.
    Reference,
    /// Find the range of floating-point samples in some rows.
    Ranges,
    /// Map: compute the histogram of some rows.
    Histograms,
    /// Apply the LUT to some rows and encode them as parts.
    Equalize,
    /// Histogram and equalization of some pages of a multi-page file, each page on its own.
    Pages,
    /// Join the parts into the result file.
    Stitch,
    /// All of the above in a single task, for small images.
    Whole,
}

impl Phase {
    /// All phases, in data-flow order.
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

    /// Returns the name, as in the znode's path and in JSON.
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
    /// All formats.
    pub const ALL: [Format; 4] = [Format::Png, Format::Jpeg, Format::Tiff, Format::Webp];

    /// Returns the name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::Tiff => "tiff",
            Format::Webp => "webp",
        }
    }

    /// Returns the media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::Tiff => "image/tiff",
            Format::Webp => "image/webp",
        }
    }

    /// Returns the usual file name extension, without the dot.
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

/// What a result keeps of the original's structure and metadata, as sentences for the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// What is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// What is changed or dropped, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl Keeping {
    /// Maximum length of each list, so that the record stays small whatever the file contains.
    pub const MOST: usize = 40;

    /// Adds a sentence to what is kept, unless already listed.
    pub fn keep(&mut self, what: impl Into<String>) {
        Self::add(&mut self.kept, what.into());
    }

    /// Adds a sentence to what is changed or dropped, unless already listed.
    pub fn change(&mut self, what: impl Into<String>) {
        Self::add(&mut self.changed, what.into());
    }

    fn add(list: &mut Vec<String>, what: String) {
        const MORE: &str = "And more.";
        if list.len() < Self::MOST && !list.contains(&what) {
            list.push(if list.len() + 1 < Self::MOST { what } else { MORE.to_owned() });
        }
    }

    /// Whether both lists are empty.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.changed.is_empty()
    }
}

/// Header of an image: all that the master needs to cut it, without reading a pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// File format.
    pub format: Format,
    /// Width in pixels, as stored.
    pub width: u32,
    /// Height in pixels, as stored.
    pub height: u32,
    /// Samples of a pixel.
    pub layout: Layout,
    /// Bits per sample.
    pub depth: Depth,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Number of rows that can only be read or written together: the height of a TIFF strip or tile or of a JPEG MCU; 1 for
    /// PNG. Parts are cut at multiples of it.
    pub unit_rows: u32,
    /// Whether workers can read rows of the original in place (TIFF strips and tiles). If not, a split task decodes it once.
    pub regions: bool,
    /// Whether decoding needs the whole image in memory (JPEG, interlaced PNG).
    pub whole_decode: bool,
    /// Properties that only some files have.
    #[serde(default)]
    pub more: ImageExtras,
}

/// Properties that only some files have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageExtras {
    /// Index of the page that [`ImageInfo`] describes, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub page: u32,
    /// Number of pages after the first one. A multi-page file is processed page by page, with several pages to a task.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further_pages: u32,
    /// Location of the page's directories, if they were just looked up.
    #[serde(skip)]
    pub place: Option<Place>,
    /// Overviews of the page, regenerated from its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overviews: Vec<Overview>,
    /// Decoded bytes of the largest page of a multi-page file.
    #[serde(default, skip_serializing_if = "is_zero_bytes")]
    pub largest_page: u64,
    /// Nodata value, from GDAL's tag: pixels whose samples all equal it are left unchanged and not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<f64>,
    /// What results keep of the file's structure and metadata.
    #[serde(default, skip_serializing_if = "Keeping::is_empty")]
    pub keeping: Keeping,
}

/// Locations of a page's directories in a TIFF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The page's own directory.
    pub page: u64,
    /// The directory of its mask.
    pub mask: Option<u64>,
}

/// Overview: a reduced-resolution copy of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Reduction factor: each pixel covers a square of `factor` × `factor` pixels, less at the page's edges.
    pub factor: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it is a child of the page (SubIFDs) instead of following it in the directory chain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

impl Overview {
    /// Returns the overview of this size, if both sides are the page's divided by the same factor, both rounded up or both
    /// rounded down.
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
    /// Whether both images have the same pixel format and dimensions, whatever [`ImageExtras`] contains.
    pub fn is_like(&self, other: &ImageInfo) -> bool {
        *self == ImageInfo { more: self.more.clone(), ..other.clone() }
    }

    /// Returns the bytes of one decoded row.
    pub fn row_bytes(&self) -> u64 {
        u64::from(self.width) * (self.layout.channels() * self.depth.bytes()) as u64
    }

    /// Returns the bytes of the decoded image.
    pub fn raw_bytes(&self) -> u64 {
        self.row_bytes() * u64::from(self.height)
    }

    /// Returns the number of pages in the file.
    pub fn pages(&self) -> u32 {
        self.more.further_pages.saturating_add(1)
    }

    /// Returns the number of pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Returns width and height as displayed, after applying the orientation.
    pub fn displayed(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// How an image is divided into parts, and parts into tasks. Parts depend on the image alone, so that the result's bytes do
/// too; tasks are runs of parts, and their size may depend on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Rows per part, except the last.
    pub part_rows: u32,
    /// Number of parts.
    pub parts: u32,
    /// Parts per task, except the last.
    pub parts_per_task: u32,
}

impl Cut {
    /// Approximate raw bytes per part.
    pub const PART_BYTES: u64 = 1 << 20;
    /// Maximum raw bytes per task, unless [`Cut::MAX_TASKS`] requires larger tasks.
    pub const TASK_BYTES: u64 = 16 << 20;
    /// Maximum number of tasks per phase.
    pub const MAX_TASKS: u32 = 1_000;

    /// Cuts an image for `workers` live workers (at least one).
    pub fn new(info: &ImageInfo, workers: usize) -> Self {
        let (part_rows, parts) = Self::parts(info);
        let part_bytes = (u64::from(part_rows) * info.row_bytes()).max(1);
        let for_all = parts.div_ceil(u32::try_from(workers.max(1)).unwrap_or(u32::MAX));
        let by_size = u32::try_from((Self::TASK_BYTES / part_bytes).max(1)).unwrap_or(u32::MAX);
        Self::with_parts_per_task(info, for_all.min(by_size))
    }

    /// Cuts an image into tasks of `parts_per_task` parts, or more if there would be too many tasks.
    pub fn with_parts_per_task(info: &ImageInfo, parts_per_task: u32) -> Self {
        let (part_rows, parts) = Self::parts(info);
        let fewest = parts.div_ceil(Self::MAX_TASKS);
        Self { part_rows, parts, parts_per_task: parts_per_task.clamp(1, parts).max(fewest) }
    }

    /// Cuts a multi-page file into tasks of `pages_per_task` pages. Each page counts as a part.
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

    /// Returns the number of tasks in a phase over all parts.
    pub fn tasks(&self) -> u32 {
        self.parts.div_ceil(self.parts_per_task)
    }

    /// Returns the parts of a task.
    pub fn parts_of(&self, task: u32) -> std::ops::Range<u32> {
        let first = task.saturating_mul(self.parts_per_task).min(self.parts);
        first..first.saturating_add(self.parts_per_task).min(self.parts)
    }

    /// Returns the rows of a part.
    pub fn rows_of(&self, part: u32, height: u32) -> std::ops::Range<u32> {
        let first = part.saturating_mul(self.part_rows).min(height);
        first..first.saturating_add(self.part_rows).min(height)
    }
}

/// Maximum pixels of a small image.
pub const SMALL_PIXELS: u64 = 16_000_000;

/// Queue that a job waits in. Small jobs have slots of their own, so that a gigapixel scan doesn't hold them up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Up to [`SMALL_PIXELS`].
    Small,
    /// Everything else.
    Large,
}

impl Lane {
    /// Returns the lane of an image with this many pixels.
    pub fn of(pixels: u64) -> Self {
        if pixels <= SMALL_PIXELS { Lane::Small } else { Lane::Large }
    }
}

/// Reference from a record to an object in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// Key of the object.
    pub key: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 as 64 hexadecimal digits: of the whole object, or of `table` if there is one.
    pub sha256: String,
    /// Byte range of the object's hash table, which holds the hash of each part, for objects that are read part by part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<std::ops::Range<u64>>,
}

/// Companion image: a second image, the reference or the mask, that a job reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Companion {
    /// Image id.
    pub image: ImageId,
    /// Key of its original in the store.
    pub original: String,
    /// Length of its original in bytes.
    pub bytes: u64,
    /// SHA-256 of its original, as 64 hexadecimal digits.
    pub sha256: String,
    /// Header of the image.
    pub info: ImageInfo,
}

/// Whether an active job is in progress or only awaits deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// Phases are created and processed.
    Active,
    /// It has ended; only the deletion of its znodes remains.
    Finished,
}

/// Record of the znode `/jobs/<job>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// [`RECORD_VERSION`] of the writer.
    pub v: u32,
    /// Job id.
    pub job: JobId,
    /// Current run.
    pub run: RunId,
    /// Image of the job.
    pub image: ImageId,
    /// Key of the original in the store.
    pub original: String,
    /// Length of the original in bytes.
    pub original_bytes: u64,
    /// SHA-256 of the original, as 64 hexadecimal digits; empty if the writing master didn't know it.
    #[serde(default)]
    pub original_sha256: String,
    /// Header of the image.
    pub info: ImageInfo,
    /// Recipe to apply.
    pub recipe: Recipe,
    /// Reference image whose histogram to match, if the recipe names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Companion>,
    /// Mask image, if the recipe names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Companion>,
    /// Pinned version of the algorithms: see [`ALGO`].
    pub algo: u32,
    /// Phases, in order.
    pub phases: Vec<Phase>,
    /// How the image is cut; fixed before the first task.
    pub cut: Cut,
    /// Number of tasks per phase; fixed before the first task.
    pub counts: BTreeMap<Phase, u32>,
    /// Lane whose slot the job occupies.
    pub lane: Lane,
    /// Active or finished.
    pub progress: Progress,
    /// Ranges of floating-point samples, once the master has reduced them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Spans>,
    /// LUTs, once the master has reduced them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lut: Option<Pointer>,
    /// Consecutive earlier runs that were lost because the whole array went down while a worker was processing them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub losses: u32,
    /// Whether some tasks were finished in an earlier run and won't be repeated.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumes: bool,
    /// Epoch of the master that wrote this record.
    pub epoch: u64,
    /// Lamport stamp of the run's start; later writes keep it.
    pub stamp: Stamp,
    /// Start of the run, in ms since 1970.
    pub started: i64,
    /// Fields of a later version, preserved as read.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Job {
    /// Returns the number of tasks in a phase; 0 if the job doesn't have the phase.
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
            more: ImageExtras::default(),
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
