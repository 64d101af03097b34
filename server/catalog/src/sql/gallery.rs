//! Images in SQL: what users see of them and do with them, and their deletion.

use std::time::Duration;

use async_trait::async_trait;
use shared::equalize::{Recipe, Target};
use shared::gallery::{Image, ImageQuery, JobSummary, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId};
use shared::timeline::Timeline;

use super::{SqlCatalog, listing};
use crate::database::{Arg, Row, each, json, millis};
use crate::error::Result;
use crate::gallery::{Files, Gallery};
use crate::queue::ResultFile;
use crate::{Epoch, Write};

/// SQL that requeues a failed job.
const REQUEUE: &str = "UPDATE jobs SET state = 'queued', run = NULL, runs = 0, losses = 0, tried = 1,
                                         reason = NULL, finished = NULL";

#[async_trait]
impl Gallery for SqlCatalog {
    async fn images(&self, query: &ImageQuery) -> Result<Page> {
        listing::page(&*self.db, query).await
    }

    async fn sections(&self, query: &ImageQuery) -> Result<Sections> {
        listing::sections(&*self.db, query).await
    }

    async fn image(&self, image: &ImageId) -> Result<Option<Image>> {
        listing::image(&*self.db, image).await
    }

    async fn neighbours(&self, image: &ImageId) -> Result<Neighbours> {
        Ok(Neighbours { previous: self.beside(image, ">", "ASC").await?, next: self.beside(image, "<", "DESC").await? })
    }

    async fn job(&self, job: &JobId) -> Result<Option<JobSummary>> {
        listing::job(&*self.db, job).await
    }

    async fn timeline(&self, job: &JobId) -> Result<Option<Timeline>> {
        let sql = "SELECT timeline FROM jobs WHERE id = $1 AND timeline IS NOT NULL AND state IN ('done', 'failed')";
        let rows = self.db.read(sql, &[job.as_str().into()]).await?;
        rows.first().map(|row| row.json("timeline")).transpose()
    }

    async fn files(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<Files>> {
        let mut args = vec![Arg::from(image.as_str())];
        args.extend(job.map(|job| Arg::from(job.as_str())));
        let asked = if job.is_some() { "AND d.id = $2" } else { "" };
        let sql = format!(
            "SELECT i.name, i.original, i.bytes, i.sha256, i.info, r.id AS job, r.recipe, r.result, r.result_bytes, r.result_sha256
             FROM images i LEFT JOIN jobs r ON r.id = (
                 SELECT d.id FROM jobs d WHERE d.image = i.id AND d.state = 'done' {asked}
                 ORDER BY d.finished DESC, d.created DESC, d.id DESC LIMIT 1)
             WHERE i.id = $1 AND i.state = 'accepted'"
        );
        self.db.read(&sql, &args).await?.first().map(files).transpose()
    }

    async fn keep_thumbhash(&self, image: &ImageId, thumbhash: &str) -> Result<()> {
        let sql = "UPDATE images SET thumbhash = $2 WHERE id = $1 AND (thumbhash IS NULL OR thumbhash <> $2)";
        self.write(sql, &[image.as_str().into(), thumbhash.into()]).await.map(drop)
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
            "{REQUEUE} WHERE id = $1 AND state = 'failed'
             AND EXISTS (SELECT id FROM images WHERE images.id = jobs.image AND images.state = 'accepted')"
        );
        self.write(&sql, &[job.as_str().into()]).await
    }

    async fn retry_failed(&self, query: &ImageQuery) -> Result<u64> {
        let (wanted, args) = listing::wanted(query)?;
        let sql = format!(
            "{REQUEUE} WHERE state = 'failed' AND id IN
             (SELECT latest_job FROM images WHERE {wanted} AND latest_state = 'failed')"
        );
        self.db.write(&sql, &args).await
    }

    async fn retry_images(&self, images: &[ImageId]) -> Result<u64> {
        let places: Vec<String> = (1..=images.len()).map(|place| format!("${place}")).collect();
        let args: Vec<Arg> = images.iter().map(|image| image.as_str().into()).collect();
        let sql = format!(
            "{REQUEUE} WHERE state = 'failed' AND id IN
             (SELECT latest_job FROM images WHERE state = 'accepted' AND latest_state = 'failed' AND id IN ({}))",
            places.join(", ")
        );
        if images.is_empty() { Ok(0) } else { self.db.write(&sql, &args).await }
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

    async fn delete_image(&self, image: &ImageId) -> Result<Write> {
        let sql = "UPDATE images SET state = 'deleting', trashed = NULL
                   WHERE id = $1 AND (state = 'accepted' OR (state = 'deleting' AND trashed IS NOT NULL))";
        self.write(sql, &[image.as_str().into()]).await
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

    /// Returns the image beside one in the order of acceptance.
    async fn beside(&self, image: &ImageId, than: &str, order: &str) -> Result<Option<ImageId>> {
        let sql = format!(
            "SELECT n.id FROM images n JOIN images i ON i.id = $1
             WHERE n.state = 'accepted' AND (n.created, n.id) {than} (i.created, i.id)
             ORDER BY n.created {order}, n.id {order} LIMIT 1"
        );
        let rows = self.db.read(&sql, &[image.as_str().into()]).await?;
        rows.first().map(|row| row.parse("id")).transpose()
    }
}

fn files(row: &Row) -> Result<Files> {
    let (target, result) = match row.get::<Option<String>>("job")? {
        None => (Target::SAME, None),
        Some(_) => {
            let result = ResultFile {
                job: row.parse("job")?,
                key: row.get("result")?,
                bytes: row.count("result_bytes")?,
                sha256: row.get("result_sha256")?,
            };
            (row.json::<Recipe>("recipe")?.target, Some(result))
        }
    };
    Ok(Files {
        name: row.get("name")?,
        original: row.get("original")?,
        original_bytes: row.count("bytes")?,
        original_sha256: row.get("sha256")?,
        info: row.json("info")?,
        target,
        result,
    })
}
