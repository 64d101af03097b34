//! Images as the API and the pages show them.

use serde::{Deserialize, Serialize};

use crate::cluster::JobProgress;
use crate::equalize::Recipe;
use crate::id::{ImageId, JobId};
use crate::job::{Format, JobState, Keeping};

/// One job of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSummary {
    /// The job.
    pub id: JobId,
    /// Its image.
    pub image_id: ImageId,
    /// What is done to the image.
    pub recipe: Recipe,
    /// How it stands.
    pub state: JobState,
    /// Why it failed, as a sentence.
    pub reason: Option<String>,
    /// When it was accepted, in ms since 1970.
    pub created: i64,
    /// When it ended, in ms since 1970.
    pub finished: Option<i64>,
    /// Length of its result in bytes.
    pub result_bytes: Option<u64>,
    /// How far it is, while it runs.
    pub progress: Option<JobProgress>,
}

/// An image with its jobs: `GET /api/images/{id}`. `state`, `reason`, `recipe`, `finished` and `progress`
/// are those of its latest job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The image.
    pub id: ImageId,
    /// Its latest job.
    pub job_id: JobId,
    /// The file name it came with.
    pub name: String,
    /// How its latest job stands.
    pub state: JobState,
    /// Why its latest job failed, as a sentence.
    pub reason: Option<String>,
    /// Pixels in a row, as displayed.
    pub width: u32,
    /// Rows, as displayed.
    pub height: u32,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Samples of a pixel, alpha included.
    pub channels: u16,
    /// Bits of a sample.
    pub depth: u8,
    /// File format.
    pub format: Format,
    /// How many pages its file has.
    #[serde(default = "one")]
    pub pages: u32,
    /// What becomes of its structure and metadata in its results.
    #[serde(default, skip_serializing_if = "Keeping::is_empty")]
    pub keeping: Keeping,
    /// Length of the original in bytes.
    pub bytes: u64,
    /// What its latest job does.
    pub recipe: Recipe,
    /// All its jobs, latest first.
    pub jobs: Vec<JobSummary>,
    /// When it was accepted, in ms since 1970.
    pub created: i64,
    /// When its latest job ended, in ms since 1970.
    pub finished: Option<i64>,
    /// How far its latest job is.
    pub progress: Option<JobProgress>,
}

const fn one() -> u32 {
    1
}

/// How the gallery is sorted.
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

/// `GET /api/images?limit&cursor&state&q&sort`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageQuery {
    /// At most so many, 1 to 200; 50 unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the page before ended, as it said in `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only images whose latest job is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<JobState>,
    /// Only images whose name contains this, whatever the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// In which order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

/// One page of the gallery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The images.
    pub items: Vec<Image>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// The answer to an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The image.
    pub image_id: ImageId,
    /// The job that equalizes it.
    pub job_id: JobId,
    /// How the job stands.
    pub state: JobState,
}
