//! Compares the answers to clients with the array's state after all faults have ended.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::TryStreamExt;
use server::coord::Coordinator;
use sqlx::{PgConnection, Row};
use testkit::{ok_if, within};

use crate::array::ProxiedArray;
use crate::clients::Upload;
use crate::pool::pool;
use crate::rows;
use crate::znodes;

/// How long accepted work may take after the faults have ended; generous, for a busy machine.
const DRAIN: Duration = Duration::from_secs(300);
/// How long leftovers may remain after that: unfinished uploads are abandoned after 4 s, rows and znodes are reconciled every 5
/// s, and the store is swept every 3 s, or 30 s after a failed sweep.
const SWEEP: Duration = Duration::from_secs(60);

/// Result of checking a run.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Uploads answered with 202.
    pub acknowledged: usize,
    /// Acknowledged uploads with neither a result nor a reason.
    pub lost: Vec<String>,
    /// Uploads with two images, jobs or results.
    pub duplicated: Vec<String>,
    /// Writes of a master after another master's term had begun.
    pub stale: Vec<String>,
    /// Failed jobs and their reasons.
    pub failed: Vec<(String, String)>,
    /// Any other violation.
    pub wrong: Vec<String>,
    /// Findings in the znodes' history.
    pub znodes: znodes::Findings,
    /// Findings in the catalog's history.
    pub rows: rows::Findings,
}

impl Verdict {
    /// Returns all violations.
    pub fn complaints(&self) -> Vec<String> {
        let kinds =
            [("lost", &self.lost), ("duplicated", &self.duplicated), ("stale", &self.stale), ("wrong", &self.wrong)];
        let failed = self.failed.iter().map(|(job, why)| format!("wrong: job {job} {why}"));
        kinds.iter().flat_map(|(kind, all)| all.iter().map(move |one| format!("{kind}: {one}"))).chain(failed).collect()
    }
}

/// An image in the catalog.
struct Found {
    image: String,
    sample: usize,
    jobs: Vec<Job>,
}

struct Job {
    id: String,
    state: String,
    reason: Option<String>,
    result: Option<String>,
}

/// Waits until all work has ended, then checks it. All faults must have ended.
pub async fn check(array: &ProxiedArray, uploads: &[Upload]) -> Verdict {
    let mut catalog = array.catalog().await;
    let mut verdict = Verdict::default();
    drained(&mut catalog, &mut verdict).await;
    let found = images(&mut catalog, uploads, &mut verdict).await;
    for upload in uploads {
        judge_upload(upload, &found, &mut verdict);
    }
    let mut belongs = BTreeSet::new();
    for image in found.values().flatten() {
        judge_results(array, image, &mut verdict).await;
        belongs.extend(image.jobs.iter().filter_map(|job| job.result.clone()));
    }
    swept(array, &mut catalog, belongs, &mut verdict).await;
    verdict.rows = rows::judge(&mut catalog).await;
    verdict.znodes = znodes::judge(array.chroot(), &array.history());
    verdict.stale.extend(verdict.znodes.stale.iter().chain(&verdict.rows.stale).cloned());
    verdict.duplicated.extend(verdict.znodes.twice.iter().chain(&verdict.rows.twice).cloned());
    verdict.wrong.extend(verdict.znodes.wrong.iter().cloned());
    verdict.wrong.extend(verdict.znodes.left.iter().map(|path| format!("{path} is left")));
    verdict
}

/// Waits until no job is queued or running.
async fn drained(catalog: &mut PgConnection, verdict: &mut Verdict) {
    let drained = within(DRAIN, async || {
        let open = "SELECT id, state FROM jobs WHERE state IN ('queued', 'running') ORDER BY created";
        let open: Vec<(String, String)> = sqlx::query_as(open).fetch_all(&mut *catalog).await.unwrap();
        ok_if(open.is_empty(), open)
    });
    if let Err(open) = drained.await {
        let open = open.expect("the catalog answers");
        verdict
            .lost
            .extend(open.iter().map(|(job, state)| format!("job {job} {state}: not ended {DRAIN:?} after the faults")));
    }
}

/// Returns all accepted images by name.
async fn images(catalog: &mut PgConnection, uploads: &[Upload], verdict: &mut Verdict) -> BTreeMap<String, Vec<Found>> {
    let samples: BTreeMap<&str, usize> = uploads.iter().map(|upload| (upload.name.as_str(), upload.sample)).collect();
    let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let rows =
        sqlx::query("SELECT id, name FROM images WHERE state = 'accepted'").fetch_all(&mut *catalog).await.unwrap();
    for row in rows {
        let (image, name): (String, String) = (row.get("id"), row.get("name"));
        let jobs = sqlx::query("SELECT id, state, reason, result FROM jobs WHERE image = $1").bind(&image);
        let jobs = jobs.fetch_all(&mut *catalog).await.unwrap();
        let job = |row: &sqlx::postgres::PgRow| Job {
            id: row.get("id"),
            state: row.get("state"),
            reason: row.get("reason"),
            result: row.get("result"),
        };
        let Some(sample) = samples.get(name.as_str()).copied() else {
            verdict.wrong.push(format!("{name} was accepted, and nobody sent it"));
            continue;
        };
        let jobs = jobs.iter().map(job).collect();
        found.entry(name).or_default().push(Found { image, sample, jobs });
    }
    found
}

fn judge_upload(upload: &Upload, found: &BTreeMap<String, Vec<Found>>, verdict: &mut Verdict) {
    let name = &upload.name;
    verdict.wrong.extend(upload.wrong.iter().map(|answer| format!("{name} was answered {answer}")));
    let found = found.get(name).map_or(&[][..], Vec::as_slice);
    if found.len() > 1 {
        verdict.duplicated.push(format!("{name} is there {} times", found.len()));
    }
    if upload.accepted.is_empty() {
        if upload.keyed {
            let last = upload.refused.last();
            verdict.wrong.push(format!("{name} was never accepted, though repeated long after the faults: {last:?}"));
        }
        return;
    }
    verdict.acknowledged += 1;
    for accepted in &upload.accepted {
        let image = found.iter().find(|found| found.image == accepted.image_id.as_str());
        let Some(image) = image else {
            verdict.lost.push(format!("{name}: image {} is not in the catalog", accepted.image_id));
            continue;
        };
        match image.jobs.iter().filter(|job| job.id == accepted.job_id.as_str()).count() {
            0 => verdict.lost.push(format!("{name}: job {} is not in the catalog", accepted.job_id)),
            _ if image.jobs.len() > 1 => verdict.duplicated.push(format!("{name} has {} jobs", image.jobs.len())),
            _ => {}
        }
        let first = &upload.accepted[0];
        if (&accepted.image_id, &accepted.job_id) != (&first.image_id, &first.job_id) {
            verdict.duplicated.push(format!("{name}: one key, two answers: {:?}", upload.accepted));
        }
    }
}

/// Checks that every accepted image, acknowledged or not, has exactly the oracle's result, as a client downloads it from a pod.
async fn judge_results(array: &ProxiedArray, image: &Found, verdict: &mut Verdict) {
    let id = &image.image;
    for job in &image.jobs {
        match (job.state.as_str(), &job.result) {
            ("done", Some(_)) => {}
            ("failed", _) => {
                verdict.failed.push((job.id.clone(), format!("of image {id} failed: {:?}", job.reason)));
            }
            // Already reported.
            _ => {}
        }
        if job.state != "done" {
            continue;
        }
        let path = format!("/api/images/{id}/result");
        let pod = &array.pods[id.bytes().map(usize::from).sum::<usize>() % array.pods.len()];
        match pod.client.get_ok(&path).await {
            Some(bytes) if bytes == pool()[image.sample].expected => {}
            Some(bytes) => {
                verdict.lost.push(format!("image {id}: the result's {} bytes are not the oracle's", bytes.len()))
            }
            None => verdict.lost.push(format!("image {id}: its result can't be read from {}", pod.name)),
        }
    }
}

/// What an array at rest must not hold any more, and what it must.
#[derive(Debug)]
struct Holdings {
    /// Jobs with znodes.
    jobs: Vec<String>,
    /// Number of unfinished uploads.
    unfinished: usize,
    /// Keys in the store.
    stored: BTreeSet<String>,
    /// Keys of finished pyramids.
    pyramids: BTreeSet<String>,
    /// Keys in the store that belong to nothing.
    orphans: Vec<String>,
}

impl Holdings {
    async fn look(
        array: &ProxiedArray,
        catalog: &mut PgConnection,
        session: &dyn Coordinator,
        belongs: &BTreeSet<String>,
    ) -> Self {
        let jobs = session.children(server::coord::paths::JOBS).await.expect("all is calm");
        let unfinished = "SELECT id FROM images WHERE state IN ('receiving', 'abandoned')";
        let unfinished = sqlx::query(unfinished).fetch_all(&mut *catalog).await.unwrap().len();
        let claims = "SELECT image, claim, bytes IS NOT NULL AS made FROM pyramids WHERE claim IS NOT NULL";
        let (mut pyramids, mut being_made) = (BTreeSet::new(), BTreeSet::new());
        for row in sqlx::query(claims).fetch_all(&mut *catalog).await.unwrap() {
            let image = row.get::<String, _>("image").parse().unwrap();
            let key = server::store::keys::pyramid(&image, row.get("claim"));
            if row.get("made") {
                pyramids.insert(key)
            } else {
                being_made.insert(key)
            };
        }
        let stored: BTreeSet<String> =
            array.store.list("").map_ok(|object| object.key).try_collect().await.expect("the store can be listed");
        let is_orphan = |key: &&String| {
            !pyramids.contains(*key)
                && !being_made.contains(*key)
                && !server::store::keys::MARKS.contains(&key.as_str())
        };
        let orphans = stored.difference(belongs).filter(is_orphan).cloned().collect();
        Self { jobs, unfinished, stored, pyramids, orphans }
    }

    fn is_clean(&self) -> bool {
        self.jobs.is_empty() && self.unfinished == 0 && self.orphans.is_empty()
    }
}

/// Waits until the store contains only objects that belong to something: originals of accepted images, published results, and
/// the pyramids of both.
async fn swept(array: &ProxiedArray, catalog: &mut PgConnection, mut belongs: BTreeSet<String>, verdict: &mut Verdict) {
    let originals =
        sqlx::query("SELECT original FROM images WHERE state = 'accepted'").fetch_all(&mut *catalog).await.unwrap();
    belongs.extend(originals.iter().map(|row| row.get::<String, _>("original")));
    let session = array.session().await;
    let swept = within(SWEEP, async || {
        let held = Holdings::look(array, catalog, &*session, &belongs).await;
        if held.is_clean() { Ok(held) } else { Err(held) }
    });
    let held = swept.await.unwrap_or_else(|held| held.expect("catalog and store answer"));
    let missing = belongs.difference(&held.stored).chain(held.pyramids.difference(&held.stored));
    verdict.lost.extend(missing.map(|key| format!("{key} is not in the store")));
    let more = |count: usize, what: &str| (count > 0).then(|| format!("{count} {what} are left after the sweep"));
    verdict.wrong.extend(more(held.jobs.len(), "jobs' znodes"));
    verdict.wrong.extend(more(held.unfinished, "unfinished uploads"));
    verdict.wrong.extend(held.orphans.iter().map(|key| format!("{key} belongs to nothing and wasn't swept")));
    session.close().await;
}
