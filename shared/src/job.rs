//! Jobs: one recipe applied to one image, and the record of the znode `/jobs/<job>`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Stamp;
use crate::equalize::{Arithmetic, NodataRule, Recipe, Spans};
use crate::id::{ImageId, JobId, RunId};
use crate::image_info::is_zero;

pub use crate::image_info::{Format, ImageExtras, ImageInfo, Keeping, Overview, Place};

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
/// 10. CLAHE of 16 bits counts over the range that occurs; empty tiles take their neighbours' tables; Oklab stays inside
///     sRGB; single channels and bands have their own nodata; slices behind one page of a TIFF.
/// 11. Packed samples; alpha of signed samples and of bands. Inks (CMYK); JPEG in TIFF of the kinds that zune-jpeg decodes wrongly.
///     Samples of 16- and 64-bit floating point and of 32-bit whole numbers; outliers don't stretch the range. Empty tiles of CLAHE take
///     the linear table into their mean. Cloud-optimized TIFFs stay so.
pub const ALGO: u32 = 11;

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
    /// Find the range of the samples in some rows: of those without levels, and of 16-bit ones for CLAHE.
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

/// How an image is divided into parts, and parts into tasks. Parts depend on the image and the result's format alone, so that
/// the result's bytes do too; tasks are runs of parts, and their size may depend on the cluster.
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
    /// Of a result in another format than its original: what was lost, as sentences for the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
    /// Recipe to apply, as [`Job::pinned_recipe`] returns it.
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
    /// Ranges of the samples, once the master has reduced them.
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
    /// Returns the recipe with the arithmetic that the job pins. Work on pixels must use this one, never `recipe` itself.
    pub fn pinned_recipe(&self) -> Recipe {
        self.recipe.clone().pinned(Arithmetic::of(self.algo))
    }

    /// Returns the number of tasks in a phase; 0 if the job doesn't have the phase.
    pub fn count(&self, phase: Phase) -> u32 {
        self.counts.get(&phase).copied().unwrap_or(0)
    }

    /// Returns the nodata of the job's image, by the job's version of the algorithms.
    pub fn nodata(&self) -> Option<NodataRule> {
        self.pinned_recipe().nodata_of(&self.info)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::pixels::{Depth, Layout};

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
