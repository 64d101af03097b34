//! Installation state in SQL: which objects of the store are in use, have ended or are in quarantine; the catalog's generation;
//! and the coordinator through which the installation is led.

use std::time::Duration;

use async_trait::async_trait;
use shared::id::ImageId;

use super::SqlCatalog;
use crate::database::{Arg, Row, each, int, millis};
use crate::error::{Result, Unavailable};
use crate::installation::{Coordination, Fate, InUse, Installation, Orphan, Raised, Sweep};
use crate::{Epoch, Write};

/// Age, by the database's clock, at which tombstones are removed. A later write of something that ended goes through
/// quarantine.
const TOMBSTONES_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The error of a missing row that the migrations insert.
const LOST: Unavailable = Unavailable::Lost("identity");

#[async_trait]
impl Installation for SqlCatalog {
    async fn ping(&self) -> Result<()> {
        // Waits for the writer like any write, but changes nothing.
        self.db.write("UPDATE epoch SET n = n WHERE one = 0", &[]).await.map(drop)
    }

    async fn identity(&self) -> Result<String> {
        let rows = self.db.read("SELECT id FROM installation", &[]).await?;
        rows.first().ok_or(LOST)?.get("id")
    }

    async fn coordination(&self) -> Result<Coordination> {
        let sql = "SELECT coordinator, place, beat FROM coordination";
        let rows = self.db.read(sql, &[]).await?;
        let row = rows.first().ok_or(LOST)?;
        Ok(Coordination { coordinator: row.get("coordinator")?, place: row.get("place")?, beat: row.get("beat")? })
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

    async fn generation(&self) -> Result<u64> {
        let rows = self.db.read("SELECT generation FROM installation", &[]).await?;
        rows.first().ok_or(LOST)?.count("generation")
    }

    async fn raise_generation(&self, epoch: &Epoch, seen: u64) -> Result<Raised> {
        let raise = "UPDATE installation SET generation = generation + 1 WHERE one = 1 AND generation >= $2";
        match self.fenced_rows(epoch, raise, "RETURNING generation", &[int(seen).into()]).await? {
            None => Ok(Raised::NotMine),
            Some(rows) => match rows.first() {
                Some(row) => Ok(Raised::To(row.count("generation")?)),
                None => self.generation().await.map(Raised::Behind),
            },
        }
    }

    async fn accept_generation(&self, seen: u64) -> Result<u64> {
        let sql =
            "UPDATE installation SET generation = CASE WHEN generation < $1 THEN $1 ELSE generation END, alert = NULL
                   WHERE one = 1 RETURNING generation";
        let rows = self.db.write_returning(sql, &[int(seen).into()]).await?;
        rows.first().ok_or(LOST)?.count("generation")
    }

    // Reads rows and tombstones in one statement, so that it never sees a run's end without its result. Reads outputs kept for
    // a further run afterwards: they stay until their job has ended, so the later read can only miss dead ones.
    //
    // A lagging standby never answers, because every read is part of a statement that only the primary runs (see `postgres`).
    async fn in_use(&self, images: &[ImageId]) -> Result<InUse> {
        let mut found = InUse::default();
        if images.is_empty() {
            return Ok(found);
        }
        let (these, args) = each(images);
        let sql = format!(
            "SELECT 'upload' AS what, image, id, state, key FROM
                 (SELECT id AS image, upload AS id, state, original AS key FROM images WHERE id IN ({these})) AS u
             UNION ALL SELECT 'run', image, run, state, result FROM jobs WHERE image IN ({these}) AND run IS NOT NULL
             UNION ALL SELECT 'claim', image, claim, '', NULL FROM pyramids WHERE image IN ({these}) AND claim IS NOT NULL
             UNION ALL SELECT 'tombstone', image, id, '', NULL FROM tombstones WHERE image IN ({these})"
        );
        for row in self.db.read(&sql, &args).await? {
            note(&mut found, &row)?;
        }
        found.keys.extend(self.kept_keys(&these, &args).await?);
        Ok(found)
    }

    async fn quarantine(&self, epoch: &Epoch, sweep: &Sweep, names: &[String]) -> Result<Option<Vec<String>>> {
        if names.is_empty() {
            return Ok(Some(Vec::new()));
        }
        // Each sweep adds the time since this master's previous sweep, by a monotonic clock. So no time is counted twice, and
        // steps of the wall clock don't count.
        let places: Vec<String> = (5..names.len() + 5).map(|place| format!("(${place})")).collect();
        let insert = format!(
            "INSERT INTO orphans (name, sweep, waited, fate)
             SELECT v.column1, $2, 0, CASE WHEN $4 <= 0 THEN 'discarded' END FROM (VALUES {}) AS v WHERE 1 = 1",
            places.join(", ")
        );
        let again = "ON CONFLICT (name) DO UPDATE SET sweep = excluded.sweep, waited = orphans.waited + $3,
                         fate = CASE WHEN orphans.fate IS NULL AND orphans.waited + $3 >= $4 THEN 'discarded' ELSE orphans.fate END
                     RETURNING name, fate";
        let mut args: Vec<Arg> =
            vec![sweep.id.as_str().into(), millis(sweep.since_last).into(), millis(sweep.grace).into()];
        args.extend(names.iter().map(|name| Arg::from(name.as_str())));
        let Some(rows) = self.fenced_rows(epoch, &insert, again, &args).await? else { return Ok(None) };
        let mut over = Vec::new();
        for row in rows {
            if row.get::<Option<String>>("fate")?.as_deref() == Some(fate_name(Fate::Discarded)) {
                over.push(row.get("name")?);
            }
        }
        Ok(Some(over))
    }

    async fn end_sweep(&self, epoch: &Epoch, sweep: &Sweep) -> Result<Write> {
        let old = "DELETE FROM tombstones WHERE at <= {now} - $2";
        if self.fenced(epoch, old, &[millis(TOMBSTONES_KEPT).into()]).await? == Write::NotMine {
            return Ok(Write::NotMine);
        }
        self.fenced(epoch, "DELETE FROM orphans WHERE sweep <> $2", &[sweep.id.as_str().into()]).await
    }

    async fn orphans(&self) -> Result<Vec<Orphan>> {
        let rows = self.db.read("SELECT name, waited, fate FROM orphans ORDER BY name", &[]).await?;
        let orphan = |row: &Row| {
            let fate = row.get::<Option<String>>("fate")?;
            let fate =
                [Fate::Adopted, Fate::Discarded].into_iter().find(|known| Some(fate_name(*known)) == fate.as_deref());
            Ok(Orphan { name: row.get("name")?, waited: Duration::from_millis(row.count("waited")?), fate })
        };
        rows.iter().map(orphan).collect()
    }

    async fn decide(&self, names: &[String], fate: Fate) -> Result<Vec<String>> {
        /// Number of names in one statement.
        const BATCH: usize = 256;
        let mut decided = Vec::new();
        for batch in names.chunks(BATCH) {
            let places: Vec<String> = (2..batch.len() + 2).map(|place| format!("(${place})")).collect();
            let sql = format!(
                "INSERT INTO orphans (name, sweep, waited, fate)
                 SELECT v.column1, '', 0, $1 FROM (VALUES {}) AS v WHERE 1 = 1
                 ON CONFLICT (name) DO UPDATE SET fate = excluded.fate WHERE orphans.fate IS NULL OR orphans.fate = excluded.fate
                 RETURNING name",
                places.join(", ")
            );
            let args: Vec<Arg> =
                std::iter::once(fate_name(fate)).chain(batch.iter().map(String::as_str)).map(Arg::from).collect();
            for row in self.db.write_returning(&sql, &args).await? {
                decided.push(row.get("name")?);
            }
        }
        Ok(decided)
    }

    async fn release_orphans(&self, names: &[String]) -> Result<()> {
        for name in names {
            let sql = "UPDATE orphans SET fate = NULL WHERE name = $1 AND fate = 'adopted'";
            self.db.write(sql, &[name.as_str().into()]).await?;
        }
        Ok(())
    }

    async fn alert(&self) -> Result<Option<String>> {
        let rows = self.db.read("SELECT alert FROM installation", &[]).await?;
        rows.first().map_or(Ok(None), |row| row.get("alert"))
    }

    async fn set_alert(&self, epoch: &Epoch, alert: Option<&str>) -> Result<Write> {
        self.fenced(epoch, "UPDATE installation SET alert = $2 WHERE one = 1", &[alert.into()]).await
    }
}

fn note(found: &mut InUse, row: &Row) -> Result<()> {
    let (what, id, state) = (row.get::<String>("what")?, row.get::<String>("id")?, row.get::<String>("state")?);
    match (what.as_str(), state.as_str()) {
        ("upload", "receiving") => found.uploads.insert((row.parse("image")?, row.parse("id")?)),
        ("run", "running") => found.runs.insert((row.parse("image")?, row.parse("id")?)),
        ("claim", _) => found.pyramids.insert((row.parse("image")?, id)),
        _ => found.ended.insert(id),
    };
    // An abandoned upload has no original, and an unfinished job has no result.
    found.keys.extend(row.get::<Option<String>>("key")?);
    Ok(())
}

impl SqlCatalog {
    /// Returns the keys of finished tasks that running jobs of these images may still use.
    async fn kept_keys(&self, these: &str, args: &[Arg]) -> Result<Vec<String>> {
        let sql = format!(
            "SELECT f.key FROM finished_tasks f JOIN jobs j ON j.id = f.job
             WHERE j.image IN ({these}) AND j.state = 'running'"
        );
        self.db.read(&sql, args).await?.iter().map(|row| row.get("key")).collect()
    }
}

fn fate_name(fate: Fate) -> &'static str {
    match fate {
        Fate::Adopted => "adopted",
        Fate::Discarded => "discarded",
    }
}
