//! Images as the API and the pages show them.

use serde::{Deserialize, Serialize};

use crate::cluster::JobProgress;
use crate::equalize::{MethodKind, Recipe};
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
    /// What to show until its thumbnail is there: a ThumbHash in base64, once a thumbnail was rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
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

/// `GET /api/images?limit&cursor&state&format&depth&method&q&sort`.
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
    /// Only images of this file format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Only images whose samples have so many bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u8>,
    /// Only images whose latest job is of this method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<MethodKind>,
    /// Only images whose name contains this, whatever the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// In which order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
}

impl ImageQuery {
    /// Whether it leaves out any image.
    pub fn narrows(&self) -> bool {
        self.state.is_some()
            || self.format.is_some()
            || self.depth.is_some()
            || self.method.is_some()
            || self.q.as_ref().is_some_and(|q| !q.is_empty())
    }
}

/// One page of the gallery.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The images.
    pub items: Vec<Image>,
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
}

/// `GET /api/images/sections`: how many images there are and what shape each has, so that those that weren't fetched
/// yet have their place, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sections {
    /// Images in all sections.
    pub total: u64,
    /// The sections, in the order that was asked for; [`Sections::SIZE`] images each, but the last.
    pub sections: Vec<Section>,
}

impl Sections {
    /// Images of a section: as many as a page can have.
    pub const SIZE: u32 = 200;
}

/// Some images that follow one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// The cursor of the page that begins here; none for the first.
    pub key: Option<String>,
    /// How many images it has.
    pub count: u32,
    /// The shape of each: see [`crate::masonry::Shape`].
    pub shapes: String,
}

/// Images that something is done to at once: `{"images":[…]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The images.
    pub images: Vec<ImageId>,
}

impl Chosen {
    /// The most that may be chosen.
    pub const MOST: usize = 1_000;
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

/// The images beside one, latest first: `GET /api/images/{id}/neighbours`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbours {
    /// The one that is a little newer.
    pub previous: Option<ImageId>,
    /// The one that is a little older.
    pub next: Option<ImageId>,
}
