//! The catalog on SQLite or PostgreSQL. Each write is one autocommitted statement; dependent changes are made by triggers (see
//! the migrations).

use std::time::Duration;

use async_trait::async_trait;
use shared::cluster::Backlog;
use shared::equalize::Recipe;
use shared::gallery::{Image, ImageQuery, JobSummary, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId, RunId, UploadId};
use shared::timeline::Timeline;

use super::fence::SqlCatalog;
use super::statement::{Arg, Row, each, int, json, millis};
use super::{
    Abandoned, Answer, Begun, Catalog, Coordination, Epoch, Error, Fate, Files, FinishedTask, InUse, JobRow, Needed,
    NewUpload, Orphan, Part, PyramidState, PyramidWork, RESUMABLE_FOR, Raised, Received, Result, ResultFile, Resumable,
    Resumed, Sweep, UnsentLimits, Write, derived, gallery, installation, resumable, runs,
};

/// SQL that selects jobs with everything that their runs need.
fn job_rows_where(condition: &str) -> String {
    let losses = runs::LOSSES.replace("jobs.", "j.");
    format!(
        "SELECT j.id AS job, j.image, j.run, j.runs, {losses} AS losses, j.recipe, i.original, i.bytes, i.sha256, i.info
         FROM jobs j JOIN images i ON i.id = j.image WHERE {condition}"
    )
}

impl SqlCatalog {
    /// Applies a write to each of these images in one statement; returns the changed ones.
    async fn write_each(&self, update: &str, images: &[ImageId]) -> Result<Vec<ImageId>> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let (places, args) = each(images);
        let changed = self.db.write_returning(&format!("{update} AND id IN ({places}) RETURNING id"), &args).await?;
        changed.iter().map(|row| row.parse("id")).collect()
    }

    /// Returns the answer to an accepted upload with this key or for this image.
    async fn accepted_before(&self, key: Option<&str>, image: Option<&ImageId>) -> Result<Option<Answer>> {
        let sql = "SELECT id, first_job, sha256, first_recipe FROM images
                   WHERE (idempotency_key = $1 OR id = $2) AND state IN ('accepted', 'deleting')";
        let rows = self.db.read(sql, &[key.into(), image.map(ImageId::as_str).into()]).await?;
        let answer = |row: &Row| -> Result<Answer> {
            Ok(Answer {
                image: row.parse("id")?,
                job: row.parse("first_job")?,
                sha256: row.get("sha256")?,
                recipe: row.json("first_recipe")?,
            })
        };
        rows.first().map(answer).transpose()
    }
}

#[async_trait]
impl Catalog for SqlCatalog {
    async fn begin_upload(&self, new: &NewUpload) -> Result<Begun> {
        if new.idempotency_key.as_deref().is_some_and(|key| key.contains('\0') || key.len() > 255) {
            return Err(Error::Invalid("an idempotency key is text of at most 255 bytes".into()));
        }
        let [name, name_key] = [gallery::kept_name(&new.name), gallery::name_key(&new.name)].map(Arg::from);
        let [upload, image, job] = [new.upload.as_str(), new.image.as_str(), new.job.as_str()].map(Arg::from);
        let key = Arg::from(new.idempotency_key.as_deref());
        let recipe = Arg::from(json(&new.recipe));

        let insert =
            "INSERT INTO images (id, upload, first_job, idempotency_key, name, name_key, first_recipe, state, touched)
                      VALUES ($1, $2, $3, $4, $5, $6, $7, 'receiving', {now}) ON CONFLICT DO NOTHING";
        let take_over = "UPDATE images SET upload = $1, name = $2, name_key = $3, first_recipe = $4, state = 'receiving', touched = {now}
                         WHERE (idempotency_key = $5 OR id = $6) AND state IN ('receiving', 'abandoned') RETURNING id, first_job";
        let fresh = [image.clone(), upload.clone(), job, key.clone(), name.clone(), name_key.clone(), recipe.clone()];
        let over = [upload, name, name_key, recipe, key, image];

        // The conflicting row may change its state or disappear between two statements, but not indefinitely.
        for _ in 0..10 {
            if self.db.write(insert, &fresh).await? > 0 {
                return Ok(Begun::Receiving { image: new.image.clone(), job: new.job.clone() });
            }
            if let Some(row) = self.db.write_returning(take_over, &over).await?.first() {
                return Ok(Begun::Receiving { image: row.parse("id")?, job: row.parse("first_job")? });
            }
            if let Some(answer) = self.accepted_before(new.idempotency_key.as_deref(), Some(&new.image)).await? {
                return Ok(Begun::Accepted(answer));
            }
        }
        Err(Error::Unavailable("too many concurrent uploads with this key; try again".into()))
    }

    async fn answered(&self, idempotency_key: &str) -> Result<Option<Answer>> {
        self.accepted_before(Some(idempotency_key), None).await
    }

    async fn touch_upload(&self, upload: &UploadId) -> Result<Write> {
        let sql = "UPDATE images SET touched = {now} WHERE upload = $1 AND state = 'receiving'";
        self.write(sql, &[upload.as_str().into()]).await
    }

    async fn finish_upload(&self, upload: &UploadId, received: &Received) -> Result<Write> {
        let update = "UPDATE images SET state = 'accepted', client = NULL, original = $2, bytes = $3, sha256 = $4, info = $5, pixels = $6, created = {now}
                      WHERE upload = $1 AND state = 'receiving'";
        let args = [
            upload.as_str().into(),
            received.key.as_str().into(),
            int(received.bytes).into(),
            received.sha256.as_str().into(),
            json(&received.info).into(),
            int(received.info.pixels()).into(),
        ];
        if self.db.write(update, &args).await? > 0 {
            return Ok(Write::Applied);
        }
        // An upload id belongs to one attempt: if the upload was accepted, this attempt's reply was lost.
        let before = "SELECT id FROM images WHERE upload = $1 AND state IN ('accepted', 'deleting')";
        let before = self.db.read(before, &[upload.as_str().into()]).await?;
        Ok(if before.is_empty() { Write::NoChange } else { Write::Applied })
    }

    async fn begin_resumable(&self, new: &NewUpload, length: u64, limits: &UnsentLimits) -> Result<Resumed> {
        resumable::begin(&self.db, new, length, limits).await
    }

    async fn resumable(&self, upload: &UploadId) -> Result<Option<Resumable>> {
        resumable::progress(&self.db, upload).await
    }

    async fn add_part(&self, upload: &UploadId, part: &Part) -> Result<Write> {
        resumable::add(&self.db, upload, part).await
    }

    async fn parts(&self, upload: &UploadId) -> Result<Vec<Part>> {
        resumable::parts(&self.db, upload).await
    }

    async fn end_resumable(&self, upload: &UploadId) -> Result<Write> {
        let sql =
            "UPDATE images SET state = 'abandoned' WHERE upload = $1 AND state = 'receiving' AND length IS NOT NULL";
        self.write(sql, &[upload.as_str().into()]).await
    }

    async fn add_job(
        &self,
        image: &ImageId,
        job: &JobId,
        recipe: &Recipe,
        idempotency_key: Option<&str>,
    ) -> Result<Option<JobId>> {
        let insert = "INSERT INTO jobs (id, image, idempotency_key, recipe, pixels, state, runs, created)
                      SELECT $1, id, $3, $4, pixels, 'queued', 0, {now} FROM images WHERE id = $2 AND state = 'accepted'{hold}
                      ON CONFLICT DO NOTHING";
        let (job_arg, image_arg) = (Arg::from(job.as_str()), Arg::from(image.as_str()));
        let args = [job_arg.clone(), image_arg.clone(), idempotency_key.into(), json(recipe).into()];
        if self.db.write(insert, &args).await? > 0 {
            return Ok(Some(job.clone()));
        }
        let before = "SELECT j.id AS job FROM jobs j JOIN images i ON i.id = j.image
                      WHERE i.id = $1 AND i.state = 'accepted' AND (j.id = $2 OR j.idempotency_key = $3)";
        let before = self.db.read(before, &[image_arg, job_arg, idempotency_key.into()]).await?;
        before.first().map(|row| row.parse("job")).transpose()
    }

    async fn job_answered(&self, image: &ImageId, idempotency_key: &str) -> Result<Option<JobId>> {
        let sql = "SELECT j.id AS job FROM jobs j JOIN images i ON i.id = j.image
                   WHERE i.id = $1 AND i.state = 'accepted' AND j.idempotency_key = $2";
        let rows = self.db.read(sql, &[image.as_str().into(), idempotency_key.into()]).await?;
        rows.first().map(|row| row.parse("job")).transpose()
    }

    async fn retry(&self, job: &JobId) -> Result<Write> {
        let sql = format!(
            "{} WHERE id = $1 AND state = 'failed'
             AND EXISTS (SELECT id FROM images WHERE images.id = jobs.image AND images.state = 'accepted')",
            runs::REQUEUE
        );
        self.write(&sql, &[job.as_str().into()]).await
    }

    async fn retry_failed(&self, query: &ImageQuery) -> Result<u64> {
        runs::retry_failed(self, query).await
    }

    async fn retry_images(&self, images: &[ImageId]) -> Result<u64> {
        runs::retry_images(self, images).await
    }

    async fn begin_attempt(&self, job: &JobId, run: &RunId) -> Result<Write> {
        runs::begin_attempt(self, job, run).await
    }

    async fn note_finished(&self, tasks: &[FinishedTask]) -> Result<()> {
        runs::note_finished(self, tasks).await
    }

    async fn finished(&self, job: &JobId) -> Result<Vec<FinishedTask>> {
        runs::finished(self, job).await
    }

    async fn delete_image(&self, image: &ImageId) -> Result<Write> {
        let sql = "UPDATE images SET state = 'deleting', trashed = NULL
                   WHERE id = $1 AND (state = 'accepted' OR (state = 'deleting' AND trashed IS NOT NULL))";
        self.write(sql, &[image.as_str().into()]).await
    }

    async fn keep_thumbhash(&self, image: &ImageId, thumbhash: &str) -> Result<()> {
        let sql = "UPDATE images SET thumbhash = $2 WHERE id = $1 AND (thumbhash IS NULL OR thumbhash <> $2)";
        self.write(sql, &[image.as_str().into(), thumbhash.into()]).await.map(drop)
    }

    async fn trash(&self, images: &[ImageId]) -> Result<Vec<ImageId>> {
        let sql = "UPDATE images SET state = 'deleting', trashed = {now} WHERE state = 'accepted'";
        self.write_each(sql, images).await
    }

    async fn restore(&self, images: &[ImageId]) -> Result<Vec<ImageId>> {
        let sql =
            "UPDATE images SET state = 'accepted', trashed = NULL WHERE state = 'deleting' AND trashed IS NOT NULL";
        self.write_each(sql, images).await
    }

    async fn sections(&self, query: &ImageQuery) -> Result<Sections> {
        gallery::sections(&self.db, query).await
    }

    async fn images(&self, query: &ImageQuery) -> Result<Page> {
        gallery::page(&self.db, query).await
    }

    async fn image(&self, image: &ImageId) -> Result<Option<Image>> {
        gallery::image(&self.db, image).await
    }

    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>> {
        gallery::job(&self.db, job).await
    }

    async fn files(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<Files>> {
        let mut args = vec![Arg::from(image.as_str())];
        args.extend(job.map(|job| Arg::from(job.as_str())));
        let asked = if job.is_some() { "AND d.id = $2" } else { "" };
        let sql = format!(
            "SELECT i.name, i.original, i.bytes, i.sha256, i.info, r.id AS job, r.result, r.result_bytes, r.result_sha256
             FROM images i LEFT JOIN jobs r ON r.id = (
                 SELECT d.id FROM jobs d WHERE d.image = i.id AND d.state = 'done' {asked}
                 ORDER BY d.finished DESC, d.created DESC, d.id DESC LIMIT 1)
             WHERE i.id = $1 AND i.state = 'accepted'"
        );
        self.db.read(&sql, &args).await?.first().map(files).transpose()
    }

    async fn backlog(&self) -> Result<Backlog> {
        // Few images are being deleted while any number of jobs may wait, so the jobs to exclude are counted separately. CROSS
        // JOIN forces SQLite's join order.
        let sql = "SELECT (SELECT count(*) FROM jobs WHERE state = 'queued')
                          - (SELECT count(*) FROM images i CROSS JOIN jobs j
                             WHERE j.image = i.id AND i.state = 'deleting' AND j.state = 'queued') AS queued,
                          (SELECT count(*) FROM jobs WHERE state = 'running') AS running,
                          (SELECT j.created FROM jobs j CROSS JOIN images i
                           WHERE i.id = j.image AND j.state = 'queued' AND i.state = 'accepted' ORDER BY j.created, j.id LIMIT 1) AS oldest";
        let rows = self.db.read(sql, &[]).await?;
        let row = rows.first().ok_or_else(|| Error::Unavailable("a count returned no row".into()))?;
        Ok(Backlog { queued: row.count("queued")?, running: row.count("running")?, oldest: row.get("oldest")? })
    }

    async fn take_epoch(&self, candidacy: &str) -> Result<Epoch> {
        if candidacy.is_empty() {
            return Err(Error::Invalid("a candidacy without a uuid can't take the epoch".into()));
        }
        let sql = "UPDATE epoch SET n = n + 1, candidacy = $1 WHERE one = 1 RETURNING n";
        let rows = self.db.write_returning(sql, &[candidacy.into()]).await?;
        let row = rows.first().ok_or_else(|| Error::Unavailable("the catalog has lost its epoch row".into()))?;
        Ok(Epoch { n: row.count("n")?, candidacy: candidacy.to_owned() })
    }

    async fn queued(&self, limit: u32, min_pixels: u64, max_pixels: u64) -> Result<Vec<JobRow>> {
        let sql = job_rows_where(&format!(
            "j.state = 'queued' AND i.state = 'accepted' AND j.pixels BETWEEN $1 AND $2
             ORDER BY j.created, j.id LIMIT {limit}"
        ));
        Ok(job_rows(self.db.read(&sql, &[int(min_pixels).into(), int(max_pixels).into()]).await?))
    }

    async fn running(&self) -> Result<Vec<JobRow>> {
        let sql = job_rows_where("j.state = 'running' ORDER BY j.created, j.id");
        Ok(job_rows(self.db.read(&sql, &[]).await?))
    }

    async fn activate(&self, epoch: &Epoch, job: &JobId, run: &RunId) -> Result<Write> {
        let sql =
            "UPDATE jobs SET state = 'running', run = $3, runs = runs + 1, tried = 1 WHERE id = $2 AND state = 'queued'
                   AND EXISTS (SELECT id FROM images WHERE images.id = jobs.image AND images.state = 'accepted')";
        self.fenced(epoch, sql, &[job.as_str().into(), run.as_str().into()]).await
    }

    async fn rerun(&self, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId) -> Result<Write> {
        runs::rerun(self, epoch, job, old, new).await
    }

    async fn hand_over(&self, epoch: &Epoch) -> Result<Write> {
        runs::hand_over(self, epoch).await
    }

    async fn publish(
        &self,
        epoch: &Epoch,
        run: &RunId,
        result: &ResultFile,
        timeline: Option<&Timeline>,
    ) -> Result<Write> {
        let sql =
            "UPDATE jobs SET state = 'done', finished = {now}, result = $4, result_bytes = $5, result_sha256 = $6,
                          timeline = $7
                   WHERE id = $2 AND state = 'running' AND run = $3";
        let args = [
            result.job.as_str().into(),
            run.as_str().into(),
            result.key.as_str().into(),
            int(result.bytes).into(),
            result.sha256.as_str().into(),
            timeline.map(json).as_deref().into(),
        ];
        self.fenced(epoch, sql, &args).await
    }

    async fn needed(&self, job: &JobId, run: &RunId) -> Result<Needed> {
        let rows = self.db.read("SELECT state, run, result FROM jobs WHERE id = $1", &[job.as_str().into()]).await?;
        let Some(row) = rows.first() else { return Ok(Needed::All) };
        let (state, current): (String, Option<String>) = (row.get("state")?, row.get("run")?);
        Ok(match state.as_str() {
            "running" if current.as_deref() == Some(run.as_str()) => Needed::All,
            _ => Needed::Only(row.get("result")?),
        })
    }

    async fn fail(
        &self,
        epoch: &Epoch,
        job: &JobId,
        run: &RunId,
        reason: &str,
        timeline: Option<&Timeline>,
    ) -> Result<Write> {
        let sql = "UPDATE jobs SET state = 'failed', finished = {now}, reason = $4, timeline = $5
                   WHERE id = $2 AND state = 'running' AND run = $3";
        let reason = reason.replace('\0', "\u{fffd}");
        let timeline = timeline.map(json);
        let args = [job.as_str().into(), run.as_str().into(), reason.into(), timeline.as_deref().into()];
        self.fenced(epoch, sql, &args).await
    }

    async fn empty_trash(&self, epoch: &Epoch, kept: Duration) -> Result<Write> {
        let sql = "UPDATE images SET trashed = NULL WHERE state = 'deleting' AND trashed <= {now} - $2";
        self.fenced(epoch, sql, &[millis(kept).into()]).await
    }

    async fn deleting(&self, limit: u32) -> Result<Vec<ImageId>> {
        let sql =
            format!("SELECT id FROM images WHERE state = 'deleting' AND trashed IS NULL ORDER BY id LIMIT {limit}");
        self.db.read(&sql, &[]).await?.iter().map(|row| row.parse("id")).collect()
    }

    async fn jobs_of(&self, image: &ImageId) -> Result<Vec<JobId>> {
        let sql = "SELECT id FROM jobs WHERE image = $1 ORDER BY created, id";
        self.db.read(sql, &[image.as_str().into()]).await?.iter().map(|row| row.parse("id")).collect()
    }

    async fn forget(&self, epoch: &Epoch, image: &ImageId) -> Result<Write> {
        let sql = "DELETE FROM images WHERE id = $2 AND state = 'deleting'";
        self.fenced(epoch, sql, &[image.as_str().into()]).await
    }

    async fn abandon(&self, epoch: &Epoch, untouched: Duration) -> Result<Option<Vec<Abandoned>>> {
        let sql = "UPDATE images SET state = 'abandoned' WHERE state = 'receiving' AND touched <= {now} - $2
                   AND (length IS NULL OR touched <= {now} - $3
                        OR NOT EXISTS (SELECT start FROM upload_parts WHERE upload_parts.upload = images.upload))";
        if self.fenced(epoch, sql, &[millis(untouched).into(), millis(RESUMABLE_FOR).into()]).await? == Write::NotMine {
            return Ok(None);
        }
        let sql = "SELECT id, upload FROM images WHERE state = 'abandoned' ORDER BY id";
        let rows = self.db.read(sql, &[]).await?;
        let abandoned = |row: &Row| Ok(Abandoned { upload: row.parse("upload")?, image: row.parse("id")? });
        rows.iter().map(abandoned).collect::<Result<_>>().map(Some)
    }

    async fn identity(&self) -> Result<String> {
        let rows = self.db.read("SELECT id FROM installation", &[]).await?;
        rows.first().ok_or_else(|| Error::Unavailable("the catalog has lost its identity".into()))?.get("id")
    }

    async fn in_use(&self, images: &[ImageId]) -> Result<InUse> {
        installation::in_use(self, images).await
    }

    async fn raise_generation(&self, epoch: &Epoch, seen: u64) -> Result<Raised> {
        installation::raise_generation(self, epoch, seen).await
    }

    async fn accept_generation(&self, seen: u64) -> Result<u64> {
        installation::accept_generation(self, seen).await
    }

    async fn generation(&self) -> Result<u64> {
        installation::generation(self).await
    }

    async fn quarantine(&self, epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Result<Option<Vec<String>>> {
        installation::quarantine(self, epoch, sweep, names).await
    }

    async fn end_sweep(&self, epoch: &Epoch, sweep: &Sweep) -> Result<Write> {
        installation::end_sweep(self, epoch, sweep).await
    }

    async fn orphans(&self) -> Result<Vec<Orphan>> {
        installation::orphans(self).await
    }

    async fn decide(&self, names: &[String], fate: Fate) -> Result<Vec<String>> {
        installation::decide(self, names, fate).await
    }

    async fn release_orphans(&self, names: &[String]) -> Result<()> {
        installation::release_orphans(self, names).await
    }

    async fn alert(&self) -> Result<Option<String>> {
        let rows = self.db.read("SELECT alert FROM installation", &[]).await?;
        rows.first().map_or(Ok(None), |row| row.get("alert"))
    }

    async fn set_alert(&self, epoch: &Epoch, alert: Option<&str>) -> Result<Write> {
        self.fenced(epoch, "UPDATE installation SET alert = $2 WHERE one = 1", &[alert.into()]).await
    }

    async fn coordination(&self) -> Result<Coordination> {
        installation::coordination(self).await
    }

    async fn take_coordination(&self, old: &Coordination, new: &str, place: &str) -> Result<Write> {
        let sql = "UPDATE coordination SET coordinator = $3, place = $4, beat = beat + 1
                   WHERE coordinator = $1 AND beat = $2";
        let args = [old.coordinator.as_str().into(), old.beat.into(), new.into(), place.into()];
        self.write(sql, &args).await
    }

    async fn beat(&self, coordinator: &str) -> Result<Write> {
        let sql = "UPDATE coordination SET beat = beat + 1 WHERE coordinator = $1";
        self.write(sql, &[coordinator.into()]).await
    }

    async fn forget_upload(&self, epoch: &Epoch, upload: &UploadId) -> Result<Write> {
        let sql = "DELETE FROM images WHERE upload = $2 AND state = 'abandoned'";
        self.fenced(epoch, sql, &[upload.as_str().into()]).await
    }

    async fn ping(&self) -> Result<()> {
        // Waits for the writer like any write, but changes nothing.
        self.db.write("UPDATE epoch SET n = n WHERE one = 0", &[]).await.map(drop)
    }

    async fn claim_pyramid(
        &self,
        claim: &str,
        wish: Option<(&ImageId, Option<&JobId>)>,
        lease: Duration,
    ) -> Result<Option<PyramidWork>> {
        derived::claim(self, claim, wish, lease).await
    }

    async fn touch_pyramid(&self, claim: &str) -> Result<Write> {
        derived::touch(self, claim).await
    }

    async fn finish_pyramid(&self, claim: &str, bytes: u64) -> Result<Write> {
        derived::finish(self, claim, int(bytes)).await
    }

    async fn refuse_pyramid(&self, claim: &str, reason: &str) -> Result<Write> {
        derived::refuse(self, claim, reason).await
    }

    async fn release_pyramid(&self, claim: &str) -> Result<Write> {
        derived::release(self, claim).await
    }

    async fn pyramid(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<PyramidState>> {
        derived::pyramid(self, image, job).await
    }

    async fn timeline(&self, job: &JobId) -> Result<Option<Timeline>> {
        derived::timeline(self, job).await
    }

    async fn neighbours(&self, image: &ImageId) -> Result<Neighbours> {
        derived::neighbours(self, image).await
    }
}

/// Skips jobs whose recipe this version doesn't know; pods of the later version handle them during a rolling upgrade.
fn job_rows(rows: Vec<Row>) -> Vec<JobRow> {
    let known = |row: Row| job_row(&row).inspect_err(|error| tracing::warn!(%error, "unreadable job skipped")).ok();
    rows.into_iter().filter_map(known).collect()
}

fn job_row(row: &Row) -> Result<JobRow> {
    let run: Option<String> = row.get("run")?;
    let run = run.map(|run| run.parse()).transpose().map_err(|error| Error::Unavailable(format!("{error}")))?;
    Ok(JobRow {
        job: row.parse("job")?,
        image: row.parse("image")?,
        run,
        runs: u32::try_from(row.count("runs")?).unwrap_or(u32::MAX),
        losses: u32::try_from(row.count("losses")?).unwrap_or(u32::MAX),
        recipe: row.json("recipe")?,
        original: row.get("original")?,
        original_bytes: row.count("bytes")?,
        original_sha256: row.get("sha256")?,
        info: row.json("info")?,
    })
}

fn files(row: &Row) -> Result<Files> {
    let result = match row.get::<Option<String>>("job")? {
        None => None,
        Some(_) => Some(ResultFile {
            job: row.parse("job")?,
            key: row.get("result")?,
            bytes: row.count("result_bytes")?,
            sha256: row.get("result_sha256")?,
        }),
    };
    Ok(Files {
        name: row.get("name")?,
        original: row.get("original")?,
        original_bytes: row.count("bytes")?,
        original_sha256: row.get("sha256")?,
        info: row.json("info")?,
        result,
    })
}
