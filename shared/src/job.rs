//! Jobs: one recipe applied to one image, and the record of the znode `/jobs/<job>`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clock::Stamp;
use crate::equalize::{Arithmetic, NodataRule, Recipe, Spans};
use crate::id::{ImageId, JobId, RunId};
use crate::image_info::is_zero;

pub use crate::cut::Cut;
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
    /// What users should know of the result, as sentences: outliers, and what was lost in another format than the original's.
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
    /// What users should know of these ranges, as sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
