//! The checker: verifies that a drained run kept every guarantee.

use std::collections::{BTreeMap, BTreeSet};

use server::store::keys::MARKS;
use sha2::{Digest, Sha256};

use crate::clients::Ticket;
use crate::history::{Fact, History};
use crate::ledger::Ledger;
use crate::originals;
use crate::totals::Totals;
use crate::world::World;

/// A job's row in the database.
struct JobRow {
    id: String,
    image: String,
    state: String,
    reason: String,
    result: String,
    name: String,
}

/// The images and jobs in the database, and the objects that may exist for them.
struct Rows {
    jobs: Vec<JobRow>,
    images: BTreeMap<String, String>,
    keys: BTreeSet<String>,
}

impl Rows {
    async fn of(world: &World) -> Self {
        let jobs = world
            .rows(
                "SELECT j.id, j.image, j.state, j.reason, j.result, i.name FROM jobs j JOIN images i ON i.id = j.image",
            )
            .await;
        let images = world.rows("SELECT id, state, original FROM images").await;
        let originals = images.iter().filter(|row| !row[2].is_empty()).map(|row| row[2].clone());
        let mut keys: BTreeSet<String> = originals.collect();
        let job = |row: Vec<String>| {
            let [id, image, state, reason, result, name] = row.try_into().expect("six columns");
            JobRow { id, image, state, reason, result, name }
        };
        let jobs: Vec<JobRow> = jobs.into_iter().map(job).collect();
        keys.extend(jobs.iter().filter(|job| job.state == "done").map(|job| job.result.clone()));
        Self { jobs, images: images.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect(), keys }
    }
}

/// Describes everything that still has to be done or swept; empty once the run has drained.
pub async fn left(world: &World) -> Vec<String> {
    let rows = Rows::of(world).await;
    let mut left = Vec::new();
    let unended = rows.jobs.iter().filter(|job| !matches!(job.state.as_str(), "done" | "failed"));
    left.extend(unended.map(|job| format!("job {} of {} is {}", job.id, job.name, job.state)));
    let unswept = rows.images.iter().filter(|(_, state)| *state != "accepted");
    left.extend(unswept.map(|(image, state)| format!("image {image} is {state}")));
    left.extend(world.active().await.into_iter().map(|job| format!("znodes of job {job}")));
    let owned = |key: &str| MARKS.contains(&key) || rows.keys.contains(key);
    let orphans = world.stored().await.into_iter().filter(|object| !owned(object.location.as_ref()));
    left.extend(orphans.map(|object| format!("object {} belongs to nothing", object.location)));
    left
}

/// Returns everything that is wrong with a run; adds its figures to the totals.
pub async fn check(world: &World, tickets: &[Ticket], totals: &mut Totals) -> Vec<String> {
    let rows = Rows::of(world).await;
    let ledger = Ledger::of(&world.embedded.journal(), &world.history);
    let mut wrong = left(world).await;
    totals.commits += ledger.commits;
    totals.stale_commits += ledger.stale_commits;
    totals.stale_writes += ledger.stale_writes;
    for job in &rows.jobs {
        judge_job(world, job, &ledger, &mut wrong).await;
    }
    for ticket in tickets {
        judge_ticket(ticket, &rows, totals, &mut wrong);
    }
    judge_facts(&world.history.facts(), totals, &mut wrong);
    for key in &rows.keys {
        if !world.stored().await.iter().any(|object| object.location.as_ref() == key) {
            wrong.push(format!("{key} is not in the store"));
        }
    }
    wrong.extend(ledger.wrong);
    wrong
}

/// Checks that a result has the oracle's bytes and was committed by a claim, and that the faults justify a failure's reason.
async fn judge_job(world: &World, job: &JobRow, ledger: &Ledger, wrong: &mut Vec<String>) {
    let original = originals::all().iter().find(|original| job.name.ends_with(original.name)).expect("a known name");
    match job.state.as_str() {
        "done" => match world.bytes(&job.result).await {
            Some(bytes) if bytes == original.expected => {
                if !ledger.committed.contains(&job.result) {
                    wrong.push(format!("job {} published {}, which no claim committed", job.id, job.result));
                }
            }
            Some(bytes) => wrong.push(format!(
                "job {} of {} has other bytes than the oracle: {} of {}, SHA-256 {}",
                job.id,
                job.name,
                bytes.len(),
                original.expected.len(),
                server::pipeline::hex::hex(&Sha256::digest(&bytes))
            )),
            None => wrong.push(format!("the result of job {} is gone", job.id)),
        },
        "failed" => {
            if let Some(complaint) = unjustified(&world.history, job, ledger) {
                wrong.push(format!("job {} of {} failed: {} – {complaint}", job.id, job.name, job.reason));
            }
        }
        _ => {}
    }
}

/// Returns why the faults of the run don't justify a failure; `None` if they do.
fn unjustified(history: &History, job: &JobRow, ledger: &Ledger) -> Option<String> {
    if job.reason.contains("was given up: of its attempts") {
        let below = format!("/jobs/{}/", job.id);
        // A pod that was paused past its session timeout takes its strike back when it resumes, but that may be too late, or it
        // may be paused again.
        let gone = |session| history.has_crashed(session) || history.has_overslept(session);
        let lost = ledger.lost_locks.iter();
        let lost = lost.filter(|(task, session)| task.starts_with(&below) && gone(*session)).count();
        return (lost < 3).then(|| format!("only {lost} pods died or slept past their lease with a lock of it"));
    }
    if job.reason.contains("attempts") {
        let faults = history.store_faults();
        return (faults < 12).then(|| format!("only {faults} operations of the store had faults"));
    }
    if job.reason.contains("The whole array stopped") {
        let kinds = [
            "pod crashed",
            "pod paused",
            "session expired",
            "disconnected",
            "leader evicted",
            "pod restarted",
            "coordinator down",
        ];
        let ends = history.faults_of(&kinds);
        return (ends < 3).then(|| format!("only {ends} faults end a role"));
    }
    Some("no fault has this reason".to_owned())
}

/// Checks that an acknowledged image exists exactly once, unless its deletion was requested.
fn judge_ticket(ticket: &Ticket, rows: &Rows, totals: &mut Totals, wrong: &mut Vec<String>) {
    wrong.extend(ticket.complaints.iter().cloned());
    let made = rows.jobs.iter().filter(|job| job.name == ticket.name);
    let images: BTreeSet<&str> = made.map(|job| job.image.as_str()).collect();
    let allowed = if ticket.keyed { 1 } else { ticket.attempts as usize };
    if images.len() > allowed {
        totals.duplicated += 1;
        wrong.push(format!("{} made {} images in {} attempts", ticket.name, images.len(), ticket.attempts));
    }
    let Some(first) = ticket.acknowledged.first() else { return };
    totals.acknowledged += 1;
    let same = |other: &&shared::gallery::Accepted| other.image_id == first.image_id && other.job_id == first.job_id;
    if ticket.keyed && !ticket.acknowledged.iter().all(|other| same(&other)) {
        totals.duplicated += 1;
        wrong.push(format!("{} was acknowledged with different ids for one key", ticket.name));
    }
    let job = rows.jobs.iter().find(|job| job.id == first.job_id.as_str());
    match (job, ticket.deletion_asked) {
        (None, true) => totals.deleted += 1,
        (None, false) => {
            totals.lost += 1;
            wrong.push(format!("{} was acknowledged and its job {} is lost", ticket.name, first.job_id));
        }
        (Some(job), true) if ticket.deletion_confirmed => wrong.push(format!("{} was deleted and is there", job.name)),
        (Some(job), _) => match job.state.as_str() {
            "done" => totals.done += 1,
            "failed" => totals.failed += 1,
            _ => totals.lost += 1,
        },
    }
}

/// Checks that no older epoch writes after a newer one was taken, and that a job is published once each time that it is queued.
fn judge_facts(facts: &[Fact], totals: &mut Totals, wrong: &mut Vec<String>) {
    let mut now = (0, "");
    let mut published: BTreeMap<&str, i64> = BTreeMap::new();
    for fact in facts {
        match fact {
            // Who has the latest epoch keeps it: a repetition after a lost reply isn't another one.
            Fact::Epoch { n, candidacy } if (*n, candidacy.as_str()) == now => {}
            Fact::Epoch { n, candidacy } => {
                if *n <= now.0 {
                    wrong.push(format!("epoch {n} was taken after {}", now.0));
                }
                now = (*n, candidacy.as_str());
                totals.epochs += 1;
            }
            Fact::Fenced { candidacy, name, what, applied: true } => {
                // A candidacy may take several epochs, if it didn't learn of the first.
                if candidacy != now.1 {
                    totals.stale_writes += 1;
                    wrong.push(format!("{name} {what} of {candidacy} took effect in {now:?}"));
                }
                if *name == "publish" {
                    let job = what.split(' ').next().unwrap_or_default();
                    let times = published.entry(job).or_default();
                    *times += 1;
                    if *times > 1 {
                        totals.duplicated += 1;
                        wrong.push(format!("job {job} was published twice"));
                    }
                }
            }
            Fact::Fenced { .. } => {}
            Fact::NotMine { .. } => totals.refused_catalog += 1,
            Fact::Requeued { job } => *published.entry(job.as_str()).or_default() -= 1,
        }
    }
}
