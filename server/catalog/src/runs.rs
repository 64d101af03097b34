//! Runs in SQL: their finished tasks, lost runs, and requeueing of failed jobs.
//!
//! A run is lost if the whole array stopped while a worker was working on it and it had finished no further task: the work
//! itself may be the cause. The master that finds such a run starts the next one ([`rerun`]) and counts the loss in the same
//! statement, so a run is counted once even if the reply is lost. After an orderly stop ([`hand_over`]) nothing is counted.
//!
//! [`note_finished`] needs no epoch: a committed output stays right for good, since it follows from the image, the cut and the
//! arithmetic. A damaged or missing output is detected by its reader and made again.

use shared::gallery::ImageQuery;
use shared::id::{ImageId, JobId, RunId};

use super::fence::SqlCatalog;
use super::statement::{Arg, Row, json};
use super::{Epoch, FinishedTask, Result, Write, gallery};

/// SQL: number of consecutive lost runs, including the current one if it ended now.
pub(super) const LOSSES: &str = "CASE
    WHEN EXISTS (SELECT 1 FROM finished_tasks f WHERE f.job = jobs.id AND f.run = jobs.run) THEN 0
    WHEN jobs.tried = 1 THEN jobs.losses + 1
    ELSE jobs.losses END";

/// Number of tasks stored in one statement.
const BATCH: usize = 25;

pub(super) async fn rerun(catalog: &SqlCatalog, epoch: &Epoch, job: &JobId, old: &RunId, new: &RunId) -> Result<Write> {
    // If the job has lost no run yet, its next run counts even if no worker begins it: that saves ordinary jobs a write per
    // task.
    let sql = format!(
        "UPDATE jobs SET run = $4, runs = runs + 1, losses = {LOSSES},
                tried = CASE WHEN {LOSSES} = 0 THEN 1 ELSE 0 END
         WHERE id = $2 AND state = 'running' AND run = $3"
    );
    catalog.fenced(epoch, &sql, &[job.as_str().into(), old.as_str().into(), new.as_str().into()]).await
}

pub(super) async fn begin_attempt(catalog: &SqlCatalog, job: &JobId, run: &RunId) -> Result<Write> {
    let sql = "UPDATE jobs SET tried = 1 WHERE id = $1 AND run = $2 AND state = 'running' AND tried = 0";
    catalog.write(sql, &[job.as_str().into(), run.as_str().into()]).await
}

pub(super) async fn hand_over(catalog: &SqlCatalog, epoch: &Epoch) -> Result<Write> {
    catalog.fenced(epoch, "UPDATE jobs SET tried = 0 WHERE state = 'running'", &[]).await
}

pub(super) async fn note_finished(catalog: &SqlCatalog, tasks: &[FinishedTask]) -> Result<()> {
    for batch in tasks.chunks(BATCH) {
        let mut args: Vec<Arg> = Vec::new();
        let mut rows = Vec::new();
        for task in batch {
            let Some(key) = task.key() else { continue };
            let first = args.len() + 1;
            let [job, phase, index, run, key_, algo, cut, done] = std::array::from_fn(|at| format!("${}", first + at));
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
        catalog.db.write(&sql, &args).await?;
    }
    Ok(())
}

pub(super) async fn finished(catalog: &SqlCatalog, job: &JobId) -> Result<Vec<FinishedTask>> {
    let sql = "SELECT job, phase, task, run, algo, cut, done FROM finished_tasks WHERE job = $1 ORDER BY phase, task";
    let rows = catalog.db.read(sql, &[job.as_str().into()]).await?;
    // Skips what a later version wrote; those tasks are done again.
    let known =
        |row: Row| finished_task(&row).inspect_err(|error| tracing::warn!(%error, "unreadable finished task skipped"));
    Ok(rows.into_iter().filter_map(|row| known(row).ok()).collect())
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

/// Returns the keys of finished tasks that running jobs of these images may still use.
pub(super) async fn kept_keys(catalog: &SqlCatalog, these: &str, args: &[Arg]) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT f.key FROM finished_tasks f JOIN jobs j ON j.id = f.job
         WHERE j.image IN ({these}) AND j.state = 'running'"
    );
    catalog.db.read(&sql, args).await?.iter().map(|row| row.get("key")).collect()
}

/// SQL that requeues a failed job.
pub(super) const REQUEUE: &str = "UPDATE jobs SET state = 'queued', run = NULL, runs = 0, losses = 0, tried = 1,
                                         reason = NULL, finished = NULL";

pub(super) async fn retry_failed(catalog: &SqlCatalog, query: &ImageQuery) -> Result<u64> {
    let (wanted, args) = gallery::wanted(query)?;
    let sql = format!(
        "{REQUEUE} WHERE state = 'failed' AND id IN
         (SELECT latest_job FROM images WHERE {wanted} AND latest_state = 'failed')"
    );
    catalog.db.write(&sql, &args).await
}

pub(super) async fn retry_images(catalog: &SqlCatalog, images: &[ImageId]) -> Result<u64> {
    let places: Vec<String> = (1..=images.len()).map(|place| format!("${place}")).collect();
    let args: Vec<Arg> = images.iter().map(|image| image.as_str().into()).collect();
    let sql = format!(
        "{REQUEUE} WHERE state = 'failed' AND id IN
         (SELECT latest_job FROM images WHERE state = 'accepted' AND latest_state = 'failed' AND id IN ({}))",
        places.join(", ")
    );
    if images.is_empty() { Ok(0) } else { catalog.db.write(&sql, &args).await }
}
