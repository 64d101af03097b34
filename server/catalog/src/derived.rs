//! Data derived from images, in SQL: pyramids, timelines, and an image's neighbours.

use std::time::Duration;

use shared::gallery::Neighbours;
use shared::id::{ImageId, JobId};
use shared::timeline::Timeline;

use super::fence::SqlCatalog;
use super::statement::{Arg, Row};
use super::{PyramidFile, PyramidState, PyramidWork, Result, Write};

/// Number of failed claims after which a pyramid is given up.
const MOST_TRIES: i64 = 3;
/// SQL: whether image `i` has a job in this state. A done job shows that the image can be decoded.
const DONE: &str = "EXISTS (SELECT 1 FROM jobs d WHERE d.image = i.id AND d.state = 'done')";
const FAILED: &str = "EXISTS (SELECT 1 FROM jobs f WHERE f.image = i.id AND f.state = 'failed')";

pub(super) async fn claim(
    catalog: &SqlCatalog,
    claim: &str,
    wish: Option<(&ImageId, Option<&JobId>)>,
    lease: Duration,
) -> Result<Option<PyramidWork>> {
    let mut args = vec![Arg::from(MOST_TRIES), i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2).into()];
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
    let rows = catalog.db.read(&sql, &args).await?;
    let Some(row) = rows.first() else {
        if let Some((image, job)) = wish {
            give_up(catalog, image, job, lease).await?;
        }
        return Ok(None);
    };
    let (work, touched) = (work(row)?, row.get::<i64>("touched")?);
    let sql = "UPDATE pyramids SET claim = $1, tries = tries + 1, touched = {now}
               WHERE image = $2 AND job = $3 AND touched = $4 AND bytes IS NULL AND reason IS NULL";
    let job = work.job.as_ref().map_or("", JobId::as_str);
    let args = [claim.into(), work.image.as_str().into(), job.into(), touched.into()];
    Ok((catalog.write(sql, &args).await? == Write::Applied).then_some(work))
}

/// Marks a wished pyramid as impossible if all its tries failed.
async fn give_up(catalog: &SqlCatalog, image: &ImageId, job: Option<&JobId>, lease: Duration) -> Result<()> {
    let reason = format!("They were never completed in {MOST_TRIES} tries.");
    let sql = "UPDATE pyramids SET reason = $1
               WHERE image = $2 AND job = $3 AND tries >= $4 AND touched <= {now} - $5 AND bytes IS NULL AND reason IS NULL";
    let job = job.map_or("", JobId::as_str);
    let lease = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX / 2);
    let args = [reason.into(), image.as_str().into(), job.into(), MOST_TRIES.into(), lease.into()];
    if catalog.write(sql, &args).await? == Write::Applied {
        tracing::warn!(%image, job, "pyramid given up after {MOST_TRIES} tries");
    }
    Ok(())
}

fn work(row: &Row) -> Result<PyramidWork> {
    let of_result = !row.get::<String>("job")?.is_empty();
    Ok(PyramidWork {
        image: row.parse("image")?,
        job: if of_result { Some(row.parse("job")?) } else { None },
        source: row.get(if of_result { "result" } else { "original" })?,
    })
}

pub(super) async fn touch(catalog: &SqlCatalog, claim: &str) -> Result<Write> {
    let sql = "UPDATE pyramids SET touched = {now} WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
    catalog.write(sql, &[claim.into()]).await
}

pub(super) async fn finish(catalog: &SqlCatalog, claim: &str, bytes: i64) -> Result<Write> {
    let sql = "UPDATE pyramids SET bytes = $2 WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
    catalog.write(sql, &[claim.into(), bytes.into()]).await
}

pub(super) async fn refuse(catalog: &SqlCatalog, claim: &str, reason: &str) -> Result<Write> {
    let sql = "UPDATE pyramids SET reason = $2 WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
    catalog.write(sql, &[claim.into(), reason.into()]).await
}

pub(super) async fn release(catalog: &SqlCatalog, claim: &str) -> Result<Write> {
    let sql = "UPDATE pyramids SET claim = NULL, tries = tries - 1, touched = {now}
               WHERE claim = $1 AND bytes IS NULL AND reason IS NULL";
    catalog.write(sql, &[claim.into()]).await
}

pub(super) async fn pyramid(
    catalog: &SqlCatalog,
    image: &ImageId,
    job: Option<&JobId>,
) -> Result<Option<PyramidState>> {
    let sql = format!(
        "SELECT p.claim, p.bytes, p.reason, CAST(CASE WHEN {FAILED} AND NOT {DONE} THEN 1 ELSE 0 END AS BIGINT) AS hopeless
         FROM pyramids p JOIN images i ON i.id = p.image WHERE p.image = $1 AND p.job = $2 AND i.state = 'accepted'"
    );
    let rows = catalog.db.read(&sql, &[image.as_str().into(), job.map_or("", JobId::as_str).into()]).await?;
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

pub(super) async fn timeline(catalog: &SqlCatalog, job: &JobId) -> Result<Option<Timeline>> {
    let sql = "SELECT timeline FROM jobs WHERE id = $1 AND timeline IS NOT NULL AND state IN ('done', 'failed')";
    let rows = catalog.db.read(sql, &[job.as_str().into()]).await?;
    rows.first().map(|row| row.json("timeline")).transpose()
}

pub(super) async fn neighbours(catalog: &SqlCatalog, image: &ImageId) -> Result<Neighbours> {
    Ok(Neighbours {
        previous: beside(catalog, image, ">", "ASC").await?,
        next: beside(catalog, image, "<", "DESC").await?,
    })
}

async fn beside(catalog: &SqlCatalog, image: &ImageId, than: &str, order: &str) -> Result<Option<ImageId>> {
    let sql = format!(
        "SELECT n.id FROM images n JOIN images i ON i.id = $1
         WHERE n.state = 'accepted' AND (n.created, n.id) {than} (i.created, i.id)
         ORDER BY n.created {order}, n.id {order} LIMIT 1"
    );
    let rows = catalog.db.read(&sql, &[image.as_str().into()]).await?;
    rows.first().map(|row| row.parse("id")).transpose()
}
