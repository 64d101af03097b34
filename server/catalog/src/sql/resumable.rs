//! Resumable uploads in SQL: rows of the parts received so far.

use shared::id::UploadId;

use super::listing::{kept_name, name_key};
use crate::Write;
use crate::database::{Arg, Database, Row, int, json};
use crate::error::{Result, Unavailable};
use crate::uploads::{Answer, NewUpload, Part, Resumable, Resumed, Unsent, UnsentLimits};

/// SQL: uploads that aren't accepted yet, and the number of bytes missing from each.
const UNSENT: &str = "WITH unsent AS (
    SELECT i.client, i.length - coalesce((SELECT max(p.start + p.bytes) FROM upload_parts p WHERE p.upload = i.upload), 0) AS missing
    FROM images i WHERE i.state = 'receiving' AND i.length IS NOT NULL)";

/// Inserts the row of a new upload, or continues an existing one.
pub(super) async fn begin(db: &dyn Database, new: &NewUpload, length: u64, limits: &UnsentLimits) -> Result<Resumed> {
    let insert = format!(
        "{UNSENT}
         INSERT INTO images (id, upload, first_job, idempotency_key, name, name_key, first_recipe, state, touched, length, client)
         SELECT $1, $2, $3, $4, $5, $6, $7, 'receiving', {{now}}, $8, $9
         WHERE (SELECT count(*) FROM unsent) < $10
         AND (SELECT coalesce(sum(missing), 0) FROM unsent) <= $11 - $8
         AND (SELECT count(*) FROM unsent WHERE client = $9) < $12
         AND (SELECT coalesce(sum(missing), 0) FROM unsent WHERE client = $9) <= $13 - $8
         ON CONFLICT DO NOTHING"
    );
    let going_on = "UPDATE images SET touched = {now}
                    WHERE idempotency_key = $1 AND state = 'receiving' AND length = $2 AND first_recipe = $3 RETURNING upload";
    let take_over = "UPDATE images SET upload = $1, name = $2, name_key = $3, first_recipe = $4, state = 'receiving',
                                       touched = {now}, length = $6
                     WHERE idempotency_key = $5 AND state IN ('receiving', 'abandoned')";
    let accepted = "SELECT id, upload, first_job, sha256, first_recipe FROM images
                    WHERE idempotency_key = $1 AND state IN ('accepted', 'deleting')";
    let [upload, key, announced]: [Arg; 3] =
        [new.upload.as_str().into(), new.idempotency_key.as_deref().into(), int(length).into()];
    let [name, name_key, recipe] = [kept_name(&new.name), name_key(&new.name), json(&new.recipe)].map(Arg::from);
    let fresh: [Arg; 13] = [
        new.image.as_str().into(),
        upload.clone(),
        new.job.as_str().into(),
        key.clone(),
        name.clone(),
        name_key.clone(),
        recipe.clone(),
        announced.clone(),
        limits.client.as_deref().into(),
        int(limits.most.uploads).into(),
        int(limits.most.bytes).into(),
        int(limits.most.uploads_of_client).into(),
        int(limits.most.bytes_of_client).into(),
    ];
    let same = [key.clone(), announced.clone(), recipe.clone()];
    let over = [upload, name, name_key, recipe, key.clone(), announced];

    // The conflicting row may change its state or disappear between two statements, but not indefinitely.
    for _ in 0..10 {
        if db.write(&insert, &fresh).await? > 0 {
            return Ok(Resumed::Receiving(new.upload.clone()));
        }
        if let Some(row) = db.write_returning(going_on, &same).await?.first() {
            return Ok(Resumed::Receiving(row.parse("upload")?));
        }
        if db.write(take_over, &over).await? > 0 {
            return Ok(Resumed::Receiving(new.upload.clone()));
        }
        if let Some(row) = db.read(accepted, std::slice::from_ref(&key)).await?.first() {
            let answer = Answer {
                image: row.parse("id")?,
                job: row.parse("first_job")?,
                sha256: row.get("sha256")?,
                recipe: row.json("first_recipe")?,
            };
            return Ok(Resumed::Accepted(row.parse("upload")?, answer));
        }
        let unsent = unsent(db, limits.client.as_deref()).await?;
        if !limits.allow(&unsent, length) {
            return Ok(Resumed::NoRoom(unsent));
        }
    }
    Err(Unavailable::Contention.into())
}

/// Totals of unsent uploads: of all clients, and of this one.
async fn unsent(db: &dyn Database, client: Option<&str>) -> Result<Unsent> {
    let sql = format!(
        "{UNSENT}
         SELECT count(*) AS uploads, CAST(coalesce(sum(missing), 0) AS BIGINT) AS bytes,
                count(CASE WHEN client = $1 THEN 1 END) AS own,
                CAST(coalesce(sum(CASE WHEN client = $1 THEN missing END), 0) AS BIGINT) AS own_bytes
         FROM unsent"
    );
    let rows = db.read(&sql, &[client.into()]).await?;
    let row = rows.first().ok_or(Unavailable::NoRow)?;
    Ok(Unsent {
        uploads: row.count("uploads")?,
        bytes: row.count("bytes")?,
        uploads_of_client: row.count("own")?,
        bytes_of_client: row.count("own_bytes")?,
    })
}

/// Returns the progress of an upload.
pub(super) async fn progress(db: &dyn Database, upload: &UploadId) -> Result<Option<Resumable>> {
    let sql = "SELECT i.id, i.first_job, i.first_recipe, i.state, i.bytes, i.length,
                      (SELECT max(p.start + p.bytes) FROM upload_parts p WHERE p.upload = i.upload) AS there
               FROM images i WHERE i.upload = $1 AND i.state <> 'abandoned'";
    let rows = db.read(sql, &[upload.as_str().into()]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let accepted = row.get::<String>("state")? != "receiving";
    let number = |value: Option<i64>| value.map_or(0, i64::unsigned_abs);
    let Some(length) = row.get::<Option<i64>>(if accepted { "bytes" } else { "length" })? else { return Ok(None) };
    let length = length.unsigned_abs();
    Ok(Some(Resumable {
        image: row.parse("id")?,
        job: row.parse("first_job")?,
        recipe: row.json("first_recipe")?,
        length,
        offset: if accepted { length } else { number(row.get("there")?) },
        accepted,
    }))
}

/// Appends a part to an upload.
pub(super) async fn add(db: &dyn Database, upload: &UploadId, part: &Part) -> Result<Write> {
    let sql = "INSERT INTO upload_parts (upload, start, bytes, key, image)
               SELECT upload, $2, $3, $4, id FROM images
               WHERE upload = $1 AND state = 'receiving' AND length >= $5
               AND $6 = (SELECT coalesce(max(p.start + p.bytes), 0) FROM upload_parts p WHERE p.upload = $1)
               ON CONFLICT DO NOTHING";
    let start: Arg = int(part.start).into();
    let end = int(part.start.saturating_add(part.bytes)).into();
    let args = [upload.as_str().into(), start.clone(), int(part.bytes).into(), part.key.as_str().into(), end, start];
    if db.write(sql, &args).await? > 0 {
        return Ok(Write::Applied);
    }
    // The reply of an earlier, equal write was lost: each key belongs to one attempt.
    let mine = "SELECT key FROM upload_parts WHERE upload = $1 AND key = $2";
    let mine = db.read(mine, &[upload.as_str().into(), part.key.as_str().into()]).await?;
    Ok(if mine.is_empty() { Write::NoChange } else { Write::Applied })
}

/// Returns the parts of an upload, in order.
pub(super) async fn parts(db: &dyn Database, upload: &UploadId) -> Result<Vec<Part>> {
    let sql = "SELECT start, bytes, key FROM upload_parts WHERE upload = $1 ORDER BY start";
    let part = |row: &Row| Ok(Part { start: row.count("start")?, bytes: row.count("bytes")?, key: row.get("key")? });
    db.read(sql, &[upload.as_str().into()]).await?.iter().map(part).collect()
}
