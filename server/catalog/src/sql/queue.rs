//! The queue of jobs in SQL, with the tasks that runs finished and the count of lost runs.
//!
//! A run is lost if the whole array stopped while a worker was working on it and it had finished no further task: the work
//! itself may be the cause. The master that finds such a run starts the next one ([`JobQueue::rerun`]) and counts the loss in
//! the same statement, so a run is counted once even if the reply is lost. After an orderly stop ([`JobQueue::hand_over`])
//! nothing is counted.
//!
//! [`JobQueue::note_finished`] needs no epoch: a committed output stays right for good, since it follows from the image, the
//! cut and the arithmetic. A damaged or missing output is detected by its reader and made again.

use async_trait::async_trait;
use base::causes::chain;
use shared::cluster::Backlog;
use shared::id::{JobId, RunId};
use shared::timeline::Timeline;

use super::SqlCatalog;
use crate::database::{Arg, Row, int, json};
use crate::error::{Invalid, Result, Unavailable};
use crate::queue::{FinishedTask, JobQueue, JobRow, Needed, ResultFile};
use crate::{Epoch, Write};

/// SQL: number of consecutive lost runs, including the current one if it ended now.
const LOSSES: &str = "CASE
    WHEN EXISTS (SELECT 1 FROM finished_tasks f WHERE f.job = jobs.id AND f.run = jobs.run) THEN 0
    WHEN jobs.tried = 1 THEN jobs.losses + 1
    ELSE jobs.losses END";

/// Number of tasks stored in one statement.
const BATCH: usize = 25;

/// SQL that selects jobs with everything that their runs need.
fn job_rows_where(condition: &str) -> String {
    let losses = LOSSES.replace("jobs.", "j.");
    format!(
        "SELECT j.id AS job, j.image, j.run, j.runs, {losses} AS losses, j.recipe, i.original, i.bytes, i.sha256, i.info
         FROM jobs j JOIN images i ON i.id = j.image WHERE {condition}"
    )
}

#[async_trait]
impl JobQueue for SqlCatalog {
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
        let row = rows.first().ok_or(Unavailable::NoRow)?;
        Ok(Backlog { queued: row.count("queued")?, running: row.count("running")?, oldest: row.get("oldest")? })
    }

    async fn take_epoch(&self, candidacy: &str) -> Result<Epoch> {
        if candidacy.is_empty() {
            return Err(Invalid::Candidacy.into());
        }
        let sql = "UPDATE epoch SET n = CASE WHEN candidacy = $1 THEN n ELSE n + 1 END, candidacy = $1 WHERE one = 1 RETURNING n";
        let rows = self.db.write_returning(sql, &[candidacy.into()]).await?;
        let row = rows.first().ok_or(Unavailable::Lost("epoch row"))?;
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

    async fn rerun(&self, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId, stopped: bool) -> Result<Write> {
        let losses = if stopped { LOSSES } else { "losses" };
        // If the job has lost no run yet, its next run counts even if no worker begins it: that saves ordinary jobs a write per
        // task.
        let sql = format!(
            "UPDATE jobs SET run = $4, runs = runs + 1, losses = {losses},
                    tried = CASE WHEN {losses} = 0 THEN 1 ELSE 0 END
             WHERE id = $2 AND state = 'running' AND run = $3"
        );
        self.fenced(epoch, &sql, &[job.as_str().into(), old.as_str().into(), new.as_str().into()]).await
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

    async fn needed(&self, job: &JobId, run: &RunId) -> Result<Needed> {
        let rows = self.db.read("SELECT state, run, result FROM jobs WHERE id = $1", &[job.as_str().into()]).await?;
        let Some(row) = rows.first() else { return Ok(Needed::All) };
        let (state, current): (String, Option<String>) = (row.get("state")?, row.get("run")?);
        Ok(match state.as_str() {
            "running" if current.as_deref() == Some(run.as_str()) => Needed::All,
            _ => Needed::Only(row.get("result")?),
        })
    }

    async fn hand_over(&self, epoch: &Epoch) -> Result<Write> {
        self.fenced(epoch, "UPDATE jobs SET tried = 0 WHERE state = 'running'", &[]).await
    }

    async fn begin_attempt(&self, job: &JobId, run: &RunId) -> Result<Write> {
        let sql = "UPDATE jobs SET tried = 1 WHERE id = $1 AND run = $2 AND state = 'running' AND tried = 0";
        self.write(sql, &[job.as_str().into(), run.as_str().into()]).await
    }

    async fn note_finished(&self, tasks: &[FinishedTask]) -> Result<()> {
        for batch in tasks.chunks(BATCH) {
            let mut args: Vec<Arg> = Vec::new();
            let mut rows = Vec::new();
            for task in batch {
                let Some(key) = task.key() else { continue };
                let first = args.len() + 1;
                let [job, phase, index, run, key_, algo, cut, done] =
                    std::array::from_fn(|at| format!("${}", first + at));
                rows.push(format!(
                    "SELECT {job}, {phase}, {index}, {run}, {key_}, {algo}, {cut}, {done}
                     WHERE EXISTS (SELECT 1 FROM jobs WHERE id = {job} AND run = {run} AND state = 'running')"
                ));
                args.extend([
                    task.job.as_str().into(),
                    task.phase.name().into(),
                    i64::from(task.index).into(),
                    task.run.as_str().into(),
                    key.into(),
                    i64::from(task.algo).into(),
                    json(&task.cut).into(),
                    json(&task.done).into(),
                ]);
            }
            if rows.is_empty() {
                continue;
            }
            let sql = format!(
                "INSERT INTO finished_tasks (job, phase, task, run, key, algo, cut, done) {}
                 ON CONFLICT (job, phase, task) DO UPDATE
                 SET run = excluded.run, key = excluded.key, algo = excluded.algo, cut = excluded.cut, done = excluded.done",
                rows.join(" UNION ALL ")
            );
            self.db.write(&sql, &args).await?;
        }
        Ok(())
    }

    async fn finished(&self, job: &JobId) -> Result<Vec<FinishedTask>> {
        let sql =
            "SELECT job, phase, task, run, algo, cut, done FROM finished_tasks WHERE job = $1 ORDER BY phase, task";
        let rows = self.db.read(sql, &[job.as_str().into()]).await?;
        // Skips what a later version wrote; those tasks are done again.
        let known = |row: Row| {
            finished_task(&row)
                .inspect_err(|error| tracing::warn!(error = %chain(error), "unreadable finished task skipped"))
        };
        Ok(rows.into_iter().filter_map(|row| known(row).ok()).collect())
    }
}

/// Skips jobs whose recipe this version doesn't know; pods of the later version handle them during a rolling upgrade.
fn job_rows(rows: Vec<Row>) -> Vec<JobRow> {
    let known = |row: Row| {
        job_row(&row).inspect_err(|error| tracing::warn!(error = %chain(error), "unreadable job skipped")).ok()
    };
    rows.into_iter().filter_map(known).collect()
}

fn job_row(row: &Row) -> Result<JobRow> {
    let activated = row.get::<Option<String>>("run")?.is_some();
    Ok(JobRow {
        job: row.parse("job")?,
        image: row.parse("image")?,
        run: if activated { Some(row.parse("run")?) } else { None },
        runs: u32::try_from(row.count("runs")?).unwrap_or(u32::MAX),
        losses: u32::try_from(row.count("losses")?).unwrap_or(u32::MAX),
        recipe: row.json("recipe")?,
        original: row.get("original")?,
        original_bytes: row.count("bytes")?,
        original_sha256: row.get("sha256")?,
        info: row.json("info")?,
    })
}

fn finished_task(row: &Row) -> Result<FinishedTask> {
    Ok(FinishedTask {
        job: row.parse("job")?,
        run: row.parse("run")?,
        phase: row.parse("phase")?,
        index: u32::try_from(row.count("task")?).unwrap_or(u32::MAX),
        algo: u32::try_from(row.count("algo")?).unwrap_or(u32::MAX),
        cut: row.json("cut")?,
        done: row.json("done")?,
    })
}
