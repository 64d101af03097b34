//! Images and jobs as the API and the pages show them.

use serde::{Deserialize, Serialize};

use crate::cluster::JobProgress;
use crate::equalize::{MethodKind, Recipe};
use crate::id::{ImageId, JobId};
use crate::job::{Format, JobState, Keeping};

/// Job of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    /// Job id.
    pub id: JobId,
    /// Image of the job.
    pub image_id: ImageId,
    /// Recipe applied to the image.
    pub recipe: Recipe,
    /// State.
    pub state: JobState,
    /// Why the job failed, as a sentence.
    pub reason: Option<String>,
    /// When it was accepted, in ms since 1970.
    pub created: i64,
    /// When it ended, in ms since 1970.
    pub finished: Option<i64>,
    /// Length of the result in bytes.
    pub result_bytes: Option<u64>,
    /// Progress, while running.
    pub progress: Option<JobProgress>,
}

/// Image with its jobs: `GET /api/images/{id}`. `state`, `reason`, `recipe`, `finished` and `progress` are those of the latest
/// job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Image id.
    pub id: ImageId,
    /// Latest job.
    pub job_id: JobId,
    /// File name at upload.
    pub name: String,
    /// State of the latest job.
    pub state: JobState,
    /// Why the latest job failed, as a sentence.
    pub reason: Option<String>,
    /// Width in pixels, as displayed.
    pub width: u32,
    /// Height in pixels, as displayed.
    pub height: u32,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Samples per pixel, alpha included.
    pub channels: u16,
    /// Whether the samples are inks (CMYK); omitted if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inks: bool,
    /// Bits per sample.
    pub depth: u8,
    /// File format.
    pub format: Format,
    /// Number of pages in the file.
    #[serde(default = "one")]
    pub pages: u32,
    /// What its results keep of the file's structure and metadata.
    #[serde(default, skip_serializing_if = "Keeping::is_empty")]
    pub keeping: Keeping,
    /// Length of the original in bytes.
    pub bytes: u64,
    /// Recipe of the latest job.
    pub recipe: Recipe,
    /// All jobs, latest first.
    pub jobs: Vec<JobSummary>,
    /// When it was accepted, in ms since 1970.
    pub created: i64,
    /// When the latest job ended, in ms since 1970.
    pub finished: Option<i64>,
    /// Progress of the latest job.
    pub progress: Option<JobProgress>,
    /// Placeholder until the thumbnail has loaded: a ThumbHash in base64, available once a thumbnail was rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
}

const fn one() -> u32 {
    1
}

/// Sort order of the gallery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// Latest first.
    #[default]
    Newest,
    /// Earliest first.
    Oldest,
    /// By file name.
    Name,
}

/// Query of `GET /api/images?limit&cursor&state&format&depth&method&q&sort`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageQuery {
    /// Maximum number of images, 1 to 200; default 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Cursor: `next` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Filter by state of the latest job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Filter by file format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Filter by bits per sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u8>,
    /// Filter by method of the latest job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<MethodKind>,
    /// Filter by a substring of the name, case-insensitive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Sort order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

impl ImageQuery {
    /// Whether any filter is set.
    pub fn narrows(&self) -> bool {
        self.state.is_some()
            || self.format.is_some()
            || self.depth.is_some()
            || self.method.is_some()
            || self.q.as_ref().is_some_and(|q| !q.is_empty())
    }
}

/// Page of the gallery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The images.
    pub items: Vec<Image>,
    /// Cursor of the next page, if any.
    pub next: Option<String>,
}

/// Response of `GET /api/images/sections`: the number and shapes of all images, so that the page can lay out images it hasn't
/// fetched yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sections {
    /// Total number of images.
    pub total: u64,
    /// Sections in the requested order; [`Sections::SIZE`] images each, except the last.
    pub sections: Vec<Section>,
}

impl Sections {
    /// Images per section: the maximum page size.
    pub const SIZE: u32 = 200;
}

/// Run of consecutive images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Cursor of the page that begins here; `None` for the first.
    pub key: Option<String>,
    /// Number of images.
    pub count: u32,
    /// Packed shapes of its images: see [`crate::masonry::Shape`].
    pub shapes: String,
}

/// Images of a batch operation: `{"images":[…]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The images.
    pub images: Vec<ImageId>,
}

impl Chosen {
    /// Maximum number of images.
    pub const MAX_IMAGES: usize = 1_000;
}

/// Response to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Image id.
    pub image_id: ImageId,
    /// The job that equalizes it.
    pub job_id: JobId,
    /// State of the job.
    pub state: JobState,
}

/// Neighbours of an image in the order latest first: `GET /api/images/{id}/neighbours`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// The next newer image.
    pub previous: Option<ImageId>,
    /// The next older image.
    pub next: Option<ImageId>,
}
