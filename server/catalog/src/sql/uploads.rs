//! Uploads in SQL.

use std::time::Duration;

use async_trait::async_trait;
use shared::id::{ImageId, UploadId};

use super::{SqlCatalog, listing, resumable};
use crate::database::{Arg, Row, int, json, millis};
use crate::error::{Invalid, Result, Unavailable};
use crate::uploads::{
    Abandoned, Answer, Begun, NewUpload, Part, RESUMABLE_FOR, Received, Resumable, Resumed, UnsentLimits, Uploads,
};
use crate::{Epoch, Write};

#[async_trait]
impl Uploads for SqlCatalog {
    async fn begin_upload(&self, new: &NewUpload) -> Result<Begun> {
        if new.idempotency_key.as_deref().is_some_and(|key| key.contains('\0') || key.len() > 255) {
            return Err(Invalid::IdempotencyKey.into());
        }
        let [name, name_key] = [listing::kept_name(&new.name), listing::name_key(&new.name)].map(Arg::from);
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
        Err(Unavailable::Contention.into())
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
        resumable::begin(&*self.db, new, length, limits).await
    }

    async fn resumable(&self, upload: &UploadId) -> Result<Option<Resumable>> {
        resumable::progress(&*self.db, upload).await
    }

    async fn add_part(&self, upload: &UploadId, part: &Part) -> Result<Write> {
        resumable::add(&*self.db, upload, part).await
    }

    async fn parts(&self, upload: &UploadId) -> Result<Vec<Part>> {
        resumable::parts(&*self.db, upload).await
    }

    async fn end_resumable(&self, upload: &UploadId) -> Result<Write> {
        let sql =
            "UPDATE images SET state = 'abandoned' WHERE upload = $1 AND state = 'receiving' AND length IS NOT NULL";
        self.write(sql, &[upload.as_str().into()]).await
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

    async fn forget_upload(&self, epoch: &Epoch, upload: &UploadId) -> Result<Write> {
        let sql = "DELETE FROM images WHERE upload = $2 AND state = 'abandoned'";
        self.fenced(epoch, sql, &[upload.as_str().into()]).await
    }
}

impl SqlCatalog {
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
