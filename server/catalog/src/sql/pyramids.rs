//! Pyramids in SQL.

use std::time::Duration;

use async_trait::async_trait;
use shared::id::{ImageId, JobId};

use super::SqlCatalog;
use crate::Write;
use crate::database::{Arg, Row, int, millis};
use crate::error::Result;
use crate::pyramids::{PyramidFile, PyramidState, PyramidWork, Pyramids};

/// Maximum number of failed claims of a pyramid.
const MOST_TRIES: i64 = 3;
/// SQL: whether image `i` has a job in this state. A done job shows that the image can be decoded.
const DONE: &str = "EXISTS (SELECT 1 FROM jobs d WHERE d.image = i.id AND d.state = 'done')";
const FAILED: &str = "EXISTS (SELECT 1 FROM jobs f WHERE f.image = i.id AND f.state = 'failed')";

#[async_trait]
impl Pyramids for SqlCatalog {
    async fn pyramid(&self, image: &ImageId, job: Option<&JobId>) -> Result<Option<PyramidState>> {
        let sql = format!(
            "SELECT p.claim, p.bytes, p.reason, CAST(CASE WHEN {FAILED} AND NOT {DONE} THEN 1 ELSE 0 END AS BIGINT) AS hopeless
             FROM pyramids p JOIN images i ON i.id = p.image WHERE p.image = $1 AND p.job = $2 AND i.state = 'accepted'"
        );
        let rows = self.db.read(&sql, &[image.as_str().into(), job.map_or("", JobId::as_str).into()]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        if let Some(reason) = row.get::<Option<String>>("reason")? {
            return Ok(Some(PyramidState::Refused(reason)));
        }
        if row.get::<Option<i64>>("bytes")?.is_some() {
            return Ok(Some(PyramidState::There(PyramidFile { claim: row.get("claim")?, bytes: row.count("bytes")? })));
        }
        if row.get::<i64>("hopeless")? == 1 {
            let reason = "Every job of this image failed, and decoding it may be the cause.";
            return Ok(Some(PyramidState::Refused(reason.to_owned())));
        }
        Ok(Some(PyramidState::Wanted))
    }

    async fn claim_pyramid(
        &self,
        claim: &str,
        wish: Option<(&ImageId, Option<&JobId>)>,
        lease: Duration,
    ) -> Result<Option<PyramidWork>> {
        let mut args = vec![Arg::from(MOST_TRIES), millis(lease).into()];
        let wished = match wish {
            None => DONE.to_owned(),
            Some((image, job)) => {
                args.extend([image.as_str().into(), job.map_or("", JobId::as_str).into()]);
                format!("p.image = $3 AND p.job = $4 AND ({DONE} OR NOT {FAILED})")
            }
        };
        let sql = format!(
            "SELECT p.image, p.job, p.touched, i.original, j.result
             FROM pyramids p JOIN images i ON i.id = p.image LEFT JOIN jobs j ON j.id = p.job
             WHERE p.bytes IS NULL AND p.reason IS NULL AND p.tries < $1 AND p.touched <= {{now}} - $2
                   AND i.state = 'accepted' AND {wished}
             ORDER BY p.touched, p.image, p.job LIMIT 1"
        );
        let rows = self.db.read(&sql, &args).await?;
        let Some(row) = rows.first() else {
            if let Some((image, job)) = wish {
                self.give_up(image, job, lease).await?;
            }
            return Ok(None);
        };
        let (work, touched) = (work(row)?, row.get::<i64>("touched")?);
        let sql = "UPDATE pyramids SET claim = $1, tries = tries + 1, touched = {now}
                   WHERE image = $2 AND job = $3 AND touched = $4 AND bytes IS NULL AND reason IS NULL";
        let job = work.job.as_ref().map_or("", JobId::as_str);
        let args = [claim.into(), work.image.as_str().into(), job.into(), touched.into()];
        Ok((self.write(sql, &args).await? == Write::Applied).then_some(work))
    }

    async fn touch_pyramid(&self, claim: &str) -> Result<Write> {
        let sql = "UPDATE pyramids SET touched = {now} WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
        self.write(sql, &[claim.into()]).await
    }

    async fn finish_pyramid(&self, claim: &str, bytes: u64) -> Result<Write> {
        let sql = "UPDATE pyramids SET bytes = $2 WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
        self.write(sql, &[claim.into(), int(bytes).into()]).await
    }

    async fn refuse_pyramid(&self, claim: &str, reason: &str) -> Result<Write> {
        let sql = "UPDATE pyramids SET reason = $2 WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
        self.write(sql, &[claim.into(), reason.into()]).await
    }

    async fn release_pyramid(&self, claim: &str) -> Result<Write> {
        let sql = "UPDATE pyramids SET claim = NULL, tries = tries - 1, touched = {now}
                   WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
        self.write(sql, &[claim.into()]).await
    }
}

impl SqlCatalog {
    /// Marks a wished pyramid as impossible if all its tries failed.
    async fn give_up(&self, image: &ImageId, job: Option<&JobId>, lease: Duration) -> Result<()> {
        let reason = format!("They were never completed in {MOST_TRIES} tries.");
        let sql = "UPDATE pyramids SET reason = $1
                   WHERE image = $2 AND job = $3 AND tries >= $4 AND touched <= {now} - $5 AND bytes IS NULL AND reason IS NULL";
        let job = job.map_or("", JobId::as_str);
        let args = [reason.into(), image.as_str().into(), job.into(), MOST_TRIES.into(), millis(lease).into()];
        if self.write(sql, &args).await? == Write::Applied {
            tracing::warn!(%image, job, "pyramid refused after {MOST_TRIES} failed claims");
        }
        Ok(())
    }
}

fn work(row: &Row) -> Result<PyramidWork> {
    let of_result = !row.get::<String>("job")?.is_empty();
    Ok(PyramidWork {
        image: row.parse("image")?,
        job: if of_result { Some(row.parse("job")?) } else { None },
        source: row.get(if of_result { "result" } else { "original" })?,
    })
}
