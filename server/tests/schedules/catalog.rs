//! The real catalog with injected faults, as seen by one life of a pod. Paused time stands still while a query runs; a query
//! that has started runs to its end, whether or not anything still waits for it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
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
use sqlx::SqlitePool;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::clock;
use crate::faults::{Effect, Faults, Operation, Play, Port};
use crate::history::{Fact, History};
use crate::life::Life;

/// Duration of a failing query.
const MOMENT: Duration = Duration::from_millis(1);

/// State shared by all lives: the real catalog, and when each upload was last touched in virtual time.
pub struct Shelf {
    pub catalog: Arc<dyn Catalog>,
    pub rows: SqlitePool,
    touched: Mutex<HashMap<UploadId, Instant>>,
}

impl Shelf {
    pub fn new(catalog: Arc<dyn Catalog>, rows: SqlitePool) -> Arc<Self> {
        Arc::new(Self { catalog, rows, touched: Mutex::default() })
    }

    fn touch(&self, upload: &UploadId) {
        self.touched.lock().unwrap().insert(upload.clone(), Instant::now());
    }

    /// Makes uploads age in virtual time, because the database's clock is the real one.
    async fn age(&self) -> Result<()> {
        let unavailable = |error: sqlx::Error| Error::Unavailable(error.to_string());
        let receiving = "SELECT upload FROM images WHERE state = 'receiving'";
        let receiving: Vec<String> = sqlx::query_scalar(receiving).fetch_all(&self.rows).await.map_err(unavailable)?;
        let ages: Vec<(UploadId, i64)> = {
            let mut touched = self.touched.lock().unwrap();
            // If an upload's client was gone before its row existed, no touch was recorded.
            for upload in receiving {
                touched.entry(upload.parse().unwrap()).or_insert_with(Instant::now);
            }
            touched.iter().map(|(upload, at)| (upload.clone(), at.elapsed().as_millis() as i64)).collect()
        };
        for (upload, age) in ages {
            let sql = "UPDATE images SET touched = CAST(unixepoch('subsec') * 1000 AS INTEGER) - $1
                       WHERE upload = $2 AND state = 'receiving'";
            let aged = sqlx::query(sql).bind(age).bind(upload.as_str()).execute(&self.rows).await;
            aged.map_err(unavailable)?;
        }
        Ok(())
    }
}

/// The catalog as seen by one life.
pub struct FaultyCatalog {
    pub shelf: Arc<Shelf>,
    pub life: Arc<Life>,
    pub faults: Arc<Faults>,
    pub history: Arc<History>,
}

/// A query to run on the real catalog.
type Run<T> = Box<dyn FnOnce(Arc<Shelf>) -> BoxFuture<'static, Result<T>> + Send>;

impl FaultyCatalog {
    async fn pass<T: Send + Debug + 'static>(
        &self,
        operation: Operation,
        epoch: Option<Epoch>,
        run: Run<T>,
    ) -> Result<T> {
        self.life.beat().await;
        let play = self.faults.play(&self.life, &operation);
        let unknown = |why: &str| Err(Error::Unavailable(format!("{why} ({})", operation.name)));
        let mut stall = None;
        match &play {
            Some(Play::Fail) => {
                sleep(MOMENT).await;
                return unknown("the query wasn't sent");
            }
            Some(Play::Late(length)) => {
                // It is already in flight and arrives, whatever happens to the pod.
                drop(self.submit(operation.clone(), epoch, Some(*length), run));
                self.life.beat().await;
                return unknown("no answer yet");
            }
            Some(Play::Stall(length)) => stall = Some(*length),
            Some(Play::PauseBefore(length)) => self.life.pause(*length),
            Some(Play::CrashBefore) => self.life.crash(),
            Some(Play::Expire) => self.life.expire(),
            Some(Play::Disconnect(length)) => self.life.disconnect(*length),
            Some(Play::Lag(length)) => self.life.lag(*length),
            Some(Play::LoseReply | Play::PauseAfter(_) | Play::CrashAfter | Play::Evict(_) | Play::Corrupt) | None => {}
        }
        self.life.beat().await;
        let reply = self.submit(operation.clone(), epoch, stall, run);
        let result = reply.await.unwrap_or_else(|_| unknown("the run has ended"));
        match play {
            Some(Play::PauseAfter(length)) => self.life.pause(length),
            Some(Play::CrashAfter) => self.life.crash(),
            _ => {}
        }
        self.life.beat().await;
        if play == Some(Play::LoseReply) { unknown("the reply was lost") } else { result }
    }

    /// Runs a query, after an optional delay; it takes effect even if the caller no longer waits.
    fn submit<T: Send + Debug + 'static>(
        &self,
        operation: Operation,
        epoch: Option<Epoch>,
        late: Option<Duration>,
        run: Run<T>,
    ) -> oneshot::Receiver<Result<T>> {
        let (reply, answer) = oneshot::channel();
        let (shelf, history, who) = (Arc::clone(&self.shelf), Arc::clone(&self.history), self.life.label());
        tokio::spawn(async move {
            if let Some(length) = late {
                sleep(length).await;
            }
            history.operation();
            let result = {
                let _still = clock::still();
                run(shelf).await
            };
            if operation.effect == Effect::Writes || result.is_err() {
                let n = epoch.as_ref().map(|epoch| format!(" (epoch {})", epoch.n)).unwrap_or_default();
                history.tell(&who, || format!("{} {}{n}: {result:?}", operation.name, operation.what));
            }
            note(&history, &operation, epoch, &result);
            // The caller may have died meanwhile.
            let _ = reply.send(result);
        });
        answer
    }

    fn operation(name: &'static str, what: impl std::fmt::Display) -> Operation {
        let writes = [
            "begin_upload",
            "touch_upload",
            "finish_upload",
            "begin_resumable",
            "add_part",
            "end_resumable",
            "add_job",
            "retry",
            "delete_image",
            "trash",
            "restore",
            "keep_thumbhash",
            "empty_trash",
            "take_epoch",
            "activate",
            "rerun",
            "retry_failed",
            "retry_images",
            "begin_attempt",
            "note_finished",
            "hand_over",
            "publish",
            "fail",
            "forget",
            "abandon",
            "forget_upload",
            "raise_generation",
            "accept_generation",
            "quarantine",
            "end_sweep",
            "decide",
            "release_orphans",
            "set_alert",
            "take_coordination",
            "beat",
        ];
        let effect = if writes.contains(&name) { Effect::Writes } else { Effect::Reads };
        Operation { port: Port::Catalog, name, effect, what: what.to_string() }
    }
}

/// Records the facts in an answer that the checker needs.
fn note<T: Debug + 'static>(history: &History, operation: &Operation, epoch: Option<Epoch>, result: &Result<T>) {
    let Ok(value) = result else { return };
    let value: &dyn std::any::Any = value;
    if let (Some(epoch), Some(write)) = (epoch, value.downcast_ref::<Write>()) {
        history.note(Fact::Fenced { epoch, name: operation.name, what: operation.what.clone(), write: *write });
    } else if let Some(epoch) = value.downcast_ref::<Epoch>() {
        history.note(Fact::Epoch(epoch.clone()));
    } else if operation.name == "retry" && value.downcast_ref::<Write>() == Some(&Write::Applied) {
        history.note(Fact::Requeued { job: operation.what.clone() });
    }
}

macro_rules! pass {
    ($self:ident, $name:ident, $what:expr, $n:expr, |$shelf:ident| $call:expr) => {{
        let operation = FaultyCatalog::operation(stringify!($name), $what);
        $self.pass(operation, $n, Box::new(move |$shelf: Arc<Shelf>| Box::pin(async move { $call.await }))).await
    }};
}

#[async_trait]
impl Catalog for FaultyCatalog {
    async fn begin_upload(&self, new: &NewUpload) -> Result<Begun> {
        let new = new.clone();
        self.shelf.touch(&new.upload);
        pass!(self, begin_upload, &new.upload, None, |shelf| shelf.catalog.begin_upload(&new))
    }

    async fn answered(&self, key: &str) -> Result<Option<Answer>> {
        let key = key.to_owned();
        pass!(self, answered, &key, None, |shelf| shelf.catalog.answered(&key))
    }

    async fn job_answered(&self, image: &ImageId, key: &str) -> Result<Option<JobId>> {
        let (image, key) = (image.clone(), key.to_owned());
        pass!(self, job_answered, &key, None, |shelf| shelf.catalog.job_answered(&image, &key))
    }

    async fn touch_upload(&self, upload: &UploadId) -> Result<Write> {
        let upload = upload.clone();
        self.shelf.touch(&upload);
        pass!(self, touch_upload, &upload, None, |shelf| shelf.catalog.touch_upload(&upload))
    }

    async fn finish_upload(&self, upload: &UploadId, received: &Received) -> Result<Write> {
        let (upload, received) = (upload.clone(), received.clone());
        pass!(self, finish_upload, &upload, None, |shelf| shelf.catalog.finish_upload(&upload, &received))
    }

    async fn begin_resumable(&self, new: &NewUpload, length: u64, limits: &UnsentLimits) -> Result<Resumed> {
        let (new, limits) = (new.clone(), limits.clone());
        pass!(self, begin_resumable, &new.upload, None, |shelf| shelf.catalog.begin_resumable(&new, length, &limits))
    }

    async fn resumable(&self, upload: &UploadId) -> Result<Option<Resumable>> {
        let upload = upload.clone();
        pass!(self, resumable, &upload, None, |shelf| shelf.catalog.resumable(&upload))
    }

    async fn add_part(&self, upload: &UploadId, part: &Part) -> Result<Write> {
        let (upload, part) = (upload.clone(), part.clone());
        pass!(self, add_part, &upload, None, |shelf| shelf.catalog.add_part(&upload, &part))
    }

    async fn parts(&self, upload: &UploadId) -> Result<Vec<Part>> {
        let upload = upload.clone();
        pass!(self, parts, &upload, None, |shelf| shelf.catalog.parts(&upload))
    }

    async fn end_resumable(&self, upload: &UploadId) -> Result<Write> {
        let upload = upload.clone();
        pass!(self, end_resumable, &upload, None, |shelf| shelf.catalog.end_resumable(&upload))
    }

    async fn add_job(&self, image: &ImageId, job: &JobId, recipe: &Recipe, key: Option<&str>) -> Result<Option<JobId>> {
        let (image, job, recipe, key) = (image.clone(), job.clone(), recipe.clone(), key.map(str::to_owned));
        pass!(self, add_job, &job, None, |shelf| shelf.catalog.add_job(&image, &job, &recipe, key.as_deref()))
    }

    async fn retry(&self, job: &JobId) -> Result<Write> {
        let job = job.clone();
        pass!(self, retry, &job, None, |shelf| shelf.catalog.retry(&job))
    }

    async fn retry_failed(&self, query: &ImageQuery) -> Result<u64> {
        let query = query.clone();
        pass!(self, retry_failed, "", None, |shelf| shelf.catalog.retry_failed(&query))
    }

    async fn retry_images(&self, images: &[ImageId]) -> Result<u64> {
        let images = images.to_vec();
        pass!(self, retry_images, "", None, |shelf| shelf.catalog.retry_images(&images))
    }

    async fn begin_attempt(&self, job: &JobId, run: &RunId) -> Result<Write> {
        let (job, run) = (job.clone(), run.clone());
        pass!(self, begin_attempt, format!("{job} {run}"), None, |shelf| shelf.catalog.begin_attempt(&job, &run))
    }

    async fn note_finished(&self, tasks: &[FinishedTask]) -> Result<()> {
        let tasks = tasks.to_vec();
        pass!(self, note_finished, tasks.len(), None, |shelf| shelf.catalog.note_finished(&tasks))
    }

    async fn finished(&self, job: &JobId) -> Result<Vec<FinishedTask>> {
        let job = job.clone();
        pass!(self, finished, &job, None, |shelf| shelf.catalog.finished(&job))
    }

    async fn hand_over(&self, epoch: &Epoch) -> Result<Write> {
        let (epoch, n) = (epoch.clone(), epoch.clone());
        pass!(self, hand_over, "", Some(n), |shelf| shelf.catalog.hand_over(&epoch))
    }

    async fn delete_image(&self, image: &ImageId) -> Result<Write> {
        let image = image.clone();
        pass!(self, delete_image, &image, None, |shelf| shelf.catalog.delete_image(&image))
    }

    async fn trash(&self, images: &[ImageId]) -> Result<Vec<ImageId>> {
        let images = images.to_vec();
        pass!(self, trash, "", None, |shelf| shelf.catalog.trash(&images))
    }

    async fn restore(&self, images: &[ImageId]) -> Result<Vec<ImageId>> {
        let images = images.to_vec();
        pass!(self, restore, "", None, |shelf| shelf.catalog.restore(&images))
    }

    async fn keep_thumbhash(&self, image: &ImageId, thumbhash: &str) -> Result<()> {
        let (image, thumbhash) = (image.clone(), thumbhash.to_owned());
        pass!(self, keep_thumbhash, &image, None, |shelf| shelf.catalog.keep_thumbhash(&image, &thumbhash))
    }

    async fn sections(&self, query: &ImageQuery) -> Result<Sections> {
        let query = query.clone();
        pass!(self, sections, "", None, |shelf| shelf.catalog.sections(&query))
    }

    async fn images(&self, query: &ImageQuery) -> Result<Page> {
        let query = query.clone();
        pass!(self, images, "", None, |shelf| shelf.catalog.images(&query))
    }

    async fn image(&self, image: &ImageId) -> Result<Option<Image>> {
        let image = image.clone();
        pass!(self, image, &image, None, |shelf| shelf.catalog.image(&image))
    }

    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>> {
        let job = job.clone();
        pass!(self, job, &job, None, |shelf| shelf.catalog.job(&job))
    }

    async fn files(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<Files>> {
        let (image, job) = (image.clone(), job.cloned());
        pass!(self, files, &image, None, |shelf| shelf.catalog.files(&image, job.as_ref()))
    }

    async fn backlog(&self) -> Result<Backlog> {
        pass!(self, backlog, "", None, |shelf| shelf.catalog.backlog())
    }

    async fn take_epoch(&self, candidacy: &str) -> Result<Epoch> {
        let candidacy = candidacy.to_owned();
        pass!(self, take_epoch, &candidacy, None, |shelf| shelf.catalog.take_epoch(&candidacy))
    }

    async fn queued(&self, limit: u32, min_pixels: u64, max_pixels: u64) -> Result<Vec<JobRow>> {
        pass!(self, queued, "", None, |shelf| shelf.catalog.queued(limit, min_pixels, max_pixels))
    }

    async fn running(&self) -> Result<Vec<JobRow>> {
        pass!(self, running, "", None, |shelf| shelf.catalog.running())
    }

    async fn activate(&self, epoch: &Epoch, job: &JobId, run: &RunId) -> Result<Write> {
        let (epoch, job, run, n) = (epoch.clone(), job.clone(), run.clone(), epoch.clone());
        pass!(self, activate, format!("{job} {run}"), Some(n), |shelf| shelf.catalog.activate(&epoch, &job, &run))
    }

    async fn rerun(&self, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId) -> Result<Write> {
        let (epoch, job, old, new, n) = (epoch.clone(), job.clone(), old.clone(), new.clone(), epoch.clone());
        pass!(self, rerun, format!("{job} {new}"), Some(n), |shelf| shelf.catalog.rerun(&epoch, &job, &old, &new))
    }

    async fn publish(
        &self,
        epoch: &Epoch,
        run: &RunId,
        result: &ResultFile,
        timeline: Option<&Timeline>,
    ) -> Result<Write> {
        let (epoch, run, result, n) = (epoch.clone(), run.clone(), result.clone(), epoch.clone());
        let (what, timeline) = (format!("{} {run}", result.job), timeline.cloned());
        pass!(self, publish, what, Some(n), |shelf| { shelf.catalog.publish(&epoch, &run, &result, timeline.as_ref()) })
    }

    async fn needed(&self, job: &JobId, run: &RunId) -> Result<Needed> {
        let (job, run) = (job.clone(), run.clone());
        pass!(self, needed, format!("{job} {run}"), None, |shelf| shelf.catalog.needed(&job, &run))
    }

    async fn fail(
        &self,
        epoch: &Epoch,
        job: &JobId,
        run: &RunId,
        reason: &str,
        timeline: Option<&Timeline>,
    ) -> Result<Write> {
        let (epoch, job, run, reason, n) = (epoch.clone(), job.clone(), run.clone(), reason.to_owned(), epoch.clone());
        let (what, timeline) = (format!("{job} {run} {reason}"), timeline.cloned());
        pass!(self, fail, what, Some(n), |shelf| { shelf.catalog.fail(&epoch, &job, &run, &reason, timeline.as_ref()) })
    }

    async fn empty_trash(&self, epoch: &Epoch, kept: Duration) -> Result<Write> {
        let epoch = epoch.clone();
        let n = Some(epoch.clone());
        pass!(self, empty_trash, "", n, |shelf| shelf.catalog.empty_trash(&epoch, kept))
    }

    async fn deleting(&self, limit: u32) -> Result<Vec<ImageId>> {
        pass!(self, deleting, "", None, |shelf| shelf.catalog.deleting(limit))
    }

    async fn jobs_of(&self, image: &ImageId) -> Result<Vec<JobId>> {
        let image = image.clone();
        pass!(self, jobs_of, &image, None, |shelf| shelf.catalog.jobs_of(&image))
    }

    async fn forget(&self, epoch: &Epoch, image: &ImageId) -> Result<Write> {
        let (epoch, image, n) = (epoch.clone(), image.clone(), epoch.clone());
        pass!(self, forget, &image, Some(n), |shelf| shelf.catalog.forget(&epoch, &image))
    }

    async fn abandon(&self, epoch: &Epoch, untouched: Duration) -> Result<Option<Vec<Abandoned>>> {
        let epoch = epoch.clone();
        let abandon = move |shelf: Arc<Shelf>| async move {
            shelf.age().await?;
            shelf.catalog.abandon(&epoch, untouched).await
        };
        pass!(self, abandon, "", None, |shelf| abandon(shelf))
    }

    async fn identity(&self) -> Result<String> {
        pass!(self, identity, "", None, |shelf| shelf.catalog.identity())
    }

    async fn in_use(&self, images: &[ImageId]) -> Result<InUse> {
        let images = images.to_vec();
        pass!(self, in_use, "", None, |shelf| shelf.catalog.in_use(&images))
    }

    async fn raise_generation(&self, epoch: &Epoch, seen: u64) -> Result<Raised> {
        let epoch = epoch.clone();
        pass!(self, raise_generation, "", None, |shelf| shelf.catalog.raise_generation(&epoch, seen))
    }

    async fn accept_generation(&self, seen: u64) -> Result<u64> {
        pass!(self, accept_generation, "", None, |shelf| shelf.catalog.accept_generation(seen))
    }

    async fn generation(&self) -> Result<u64> {
        pass!(self, generation, "", None, |shelf| shelf.catalog.generation())
    }

    async fn quarantine(&self, epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Result<Option<Vec<String>>> {
        let (epoch, sweep, names) = (epoch.clone(), sweep.clone(), names.to_vec());
        pass!(self, quarantine, "", None, |shelf| shelf.catalog.quarantine(&epoch, &sweep, &names))
    }

    async fn end_sweep(&self, epoch: &Epoch, sweep: &Sweep) -> Result<Write> {
        let (epoch, sweep) = (epoch.clone(), sweep.clone());
        let n = Some(epoch.clone());
        pass!(self, end_sweep, "", n, |shelf| shelf.catalog.end_sweep(&epoch, &sweep))
    }

    async fn orphans(&self) -> Result<Vec<Orphan>> {
        pass!(self, orphans, "", None, |shelf| shelf.catalog.orphans())
    }

    async fn decide(&self, names: &[String], fate: Fate) -> Result<Vec<String>> {
        let names = names.to_vec();
        pass!(self, decide, "", None, |shelf| shelf.catalog.decide(&names, fate))
    }

    async fn release_orphans(&self, names: &[String]) -> Result<()> {
        let names = names.to_vec();
        pass!(self, release_orphans, "", None, |shelf| shelf.catalog.release_orphans(&names))
    }

    async fn alert(&self) -> Result<Option<String>> {
        pass!(self, alert, "", None, |shelf| shelf.catalog.alert())
    }

    async fn set_alert(&self, epoch: &Epoch, alert: Option<&str>) -> Result<Write> {
        let (epoch, alert) = (epoch.clone(), alert.map(str::to_owned));
        let n = Some(epoch.clone());
        pass!(self, set_alert, "", n, |shelf| shelf.catalog.set_alert(&epoch, alert.as_deref()))
    }

    async fn coordination(&self) -> Result<Coordination> {
        pass!(self, coordination, "", None, |shelf| shelf.catalog.coordination())
    }

    async fn take_coordination(&self, old: &Coordination, new: &str, place: &str) -> Result<Write> {
        let (old, new, place) = (old.clone(), new.to_owned(), place.to_owned());
        pass!(self, take_coordination, "", None, |shelf| shelf.catalog.take_coordination(&old, &new, &place))
    }

    async fn beat(&self, coordinator: &str) -> Result<Write> {
        let coordinator = coordinator.to_owned();
        pass!(self, beat, "", None, |shelf| shelf.catalog.beat(&coordinator))
    }

    async fn forget_upload(&self, epoch: &Epoch, upload: &UploadId) -> Result<Write> {
        let (epoch, upload, n) = (epoch.clone(), upload.clone(), epoch.clone());
        pass!(self, forget_upload, &upload, Some(n), |shelf| shelf.catalog.forget_upload(&epoch, &upload))
    }

    async fn ping(&self) -> Result<()> {
        pass!(self, ping, "", None, |shelf| shelf.catalog.ping())
    }

    async fn claim_pyramid(
        &self,
        claim: &str,
        wish: Option<(&ImageId, Option<&JobId>)>,
        lease: Duration,
    ) -> Result<Option<PyramidWork>> {
        let (claim, wish) = (claim.to_owned(), wish.map(|(image, job)| (image.clone(), job.cloned())));
        pass!(self, claim_pyramid, &claim, None, |shelf| {
            let wish = wish.as_ref().map(|(image, job)| (image, job.as_ref()));
            shelf.catalog.claim_pyramid(&claim, wish, lease)
        })
    }

    async fn touch_pyramid(&self, claim: &str) -> Result<Write> {
        let claim = claim.to_owned();
        pass!(self, touch_pyramid, &claim, None, |shelf| shelf.catalog.touch_pyramid(&claim))
    }

    async fn finish_pyramid(&self, claim: &str, bytes: u64) -> Result<Write> {
        let claim = claim.to_owned();
        pass!(self, finish_pyramid, &claim, None, |shelf| shelf.catalog.finish_pyramid(&claim, bytes))
    }

    async fn refuse_pyramid(&self, claim: &str, reason: &str) -> Result<Write> {
        let (claim, reason) = (claim.to_owned(), reason.to_owned());
        pass!(self, refuse_pyramid, &claim, None, |shelf| shelf.catalog.refuse_pyramid(&claim, &reason))
    }

    async fn release_pyramid(&self, claim: &str) -> Result<Write> {
        let claim = claim.to_owned();
        pass!(self, release_pyramid, &claim, None, |shelf| shelf.catalog.release_pyramid(&claim))
    }

    async fn pyramid(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<PyramidState>> {
        let (image, job) = (image.clone(), job.cloned());
        pass!(self, pyramid, &image, None, |shelf| shelf.catalog.pyramid(&image, job.as_ref()))
    }

    async fn timeline(&self, job: &JobId) -> Result<Option<Timeline>> {
        let job = job.clone();
        pass!(self, timeline, &job, None, |shelf| shelf.catalog.timeline(&job))
    }

    async fn neighbours(&self, image: &ImageId) -> Result<Neighbours> {
        let image = image.clone();
        pass!(self, neighbours, &image, None, |shelf| shelf.catalog.neighbours(&image))
    }
}
