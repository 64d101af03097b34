//! A catalog that fails on demand, before or after it performs an operation.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use server::catalog::{
    Abandoned, Answer, Begun, Catalog, Coordination, Epoch, Error, Fate, Files, FinishedTask, InUse, JobRow, Needed,
    NewUpload, Orphan, Part, PyramidState, PyramidWork, Raised, Received, Result, ResultFile, Resumable, Resumed,
    Sweep, UnsentLimits, Write,
};
use shared::cluster::Backlog;
use shared::equalize::Recipe;
use shared::gallery::{Image, ImageQuery, JobSummary, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId, RunId, UploadId};
use shared::timeline::Timeline;

/// When an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It isn't performed.
    Before,
    /// It is performed, and its reply is lost.
    After,
}

/// A catalog with injected faults: operation, time, and number of remaining failures.
pub struct Faulty {
    inner: Arc<dyn Catalog>,
    faults: Mutex<Vec<(&'static str, Fault, usize)>>,
}

impl Faulty {
    pub fn new(inner: Arc<dyn Catalog>) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// Makes the next `times` calls of an operation fail.
    pub fn fail(&self, operation: &'static str, when: Fault, times: usize) {
        self.faults.lock().unwrap().push((operation, when, times));
    }

    fn fault(&self, operation: &str, when: Fault) -> Result<()> {
        let mut faults = self.faults.lock().unwrap();
        let due = faults.iter_mut().find(|(name, at, left)| *name == operation && *at == when && *left > 0);
        match due {
            Some((_, _, left)) => {
                *left -= 1;
                Err(Error::Unavailable("a fault on command".into()))
            }
            None => Ok(()),
        }
    }
}

macro_rules! faulty {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $gives:ty;)*) => {
        #[async_trait]
        impl Catalog for Faulty {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$gives> {
                self.fault(stringify!($name), Fault::Before)?;
                let done = self.inner.$name($($arg),*).await;
                self.fault(stringify!($name), Fault::After)?;
                done
            })*
        }
    };
}

faulty! {
    begin_upload(new: &NewUpload) -> Begun;
    answered(key: &str) -> Option<Answer>;
    touch_upload(upload: &UploadId) -> Write;
    finish_upload(upload: &UploadId, received: &Received) -> Write;
    begin_resumable(new: &NewUpload, length: u64, limits: &UnsentLimits) -> Resumed;
    resumable(upload: &UploadId) -> Option<Resumable>;
    add_part(upload: &UploadId, part: &Part) -> Write;
    parts(upload: &UploadId) -> Vec<Part>;
    end_resumable(upload: &UploadId) -> Write;
    add_job(image: &ImageId, job: &JobId, recipe: &Recipe, key: Option<&str>) -> Option<JobId>;
    job_answered(image: &ImageId, key: &str) -> Option<JobId>;
    retry(job: &JobId) -> Write;
    retry_failed(query: &ImageQuery) -> u64;
    retry_images(images: &[ImageId]) -> u64;
    begin_attempt(job: &JobId, run: &RunId) -> Write;
    note_finished(tasks: &[FinishedTask]) -> ();
    finished(job: &JobId) -> Vec<FinishedTask>;
    hand_over(epoch: &Epoch) -> Write;
    delete_image(image: &ImageId) -> Write;
    trash(images: &[ImageId]) -> Vec<ImageId>;
    restore(images: &[ImageId]) -> Vec<ImageId>;
    keep_thumbhash(image: &ImageId, thumbhash: &str) -> ();
    images(query: &ImageQuery) -> Page;
    sections(query: &ImageQuery) -> Sections;
    image(image: &ImageId) -> Option<Image>;
    job(job: &JobId) -> Option<JobSummary>;
    files(image: &ImageId, job: Option<&JobId>) -> Option<Files>;
    backlog() -> Backlog;
    take_epoch(candidacy: &str) -> Epoch;
    queued(limit: u32, min_pixels: u64, max_pixels: u64) -> Vec<JobRow>;
    running() -> Vec<JobRow>;
    activate(epoch: &Epoch, job: &JobId, run: &RunId) -> Write;
    rerun(epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId) -> Write;
    publish(epoch: &Epoch, run: &RunId, result: &ResultFile, timeline: Option<&Timeline>) -> Write;
    needed(job: &JobId, run: &RunId) -> Needed;
    fail(epoch: &Epoch, job: &JobId, run: &RunId, reason: &str, timeline: Option<&Timeline>) -> Write;
    claim_pyramid(claim: &str, wish: Option<(&ImageId, Option<&JobId>)>, lease: Duration) -> Option<PyramidWork>;
    touch_pyramid(claim: &str) -> Write;
    finish_pyramid(claim: &str, bytes: u64) -> Write;
    refuse_pyramid(claim: &str, reason: &str) -> Write;
    release_pyramid(claim: &str) -> Write;
    pyramid(image: &ImageId, job: Option<&JobId>) -> Option<PyramidState>;
    timeline(job: &JobId) -> Option<Timeline>;
    neighbours(image: &ImageId) -> Neighbours;
    empty_trash(epoch: &Epoch, kept: Duration) -> Write;
    deleting(limit: u32) -> Vec<ImageId>;
    jobs_of(image: &ImageId) -> Vec<JobId>;
    forget(epoch: &Epoch, image: &ImageId) -> Write;
    abandon(epoch: &Epoch, untouched: Duration) -> Option<Vec<Abandoned>>;
    identity() -> String;
    in_use(images: &[ImageId]) -> InUse;
    raise_generation(epoch: &Epoch, seen: u64) -> Raised;
    accept_generation(seen: u64) -> u64;
    generation() -> u64;
    quarantine(epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Option<Vec<String>>;
    end_sweep(epoch: &Epoch, sweep: &Sweep) -> Write;
    orphans() -> Vec<Orphan>;
    decide(names: &[String], fate: Fate) -> Vec<String>;
    release_orphans(names: &[String]) -> ();
    alert() -> Option<String>;
    set_alert(epoch: &Epoch, alert: Option<&str>) -> Write;
    coordination() -> Coordination;
    take_coordination(old: &Coordination, new: &str, place: &str) -> Write;
    beat(coordinator: &str) -> Write;
    forget_upload(epoch: &Epoch, upload: &UploadId) -> Write;
    ping() -> ();
}
