//! The epoch, taken by two winners of the election in the wrong order.

use std::time::Duration;

use server::catalog::Write;
use server::coord::{Coordinator, election, paths};
use shared::cluster::Candidate;
use shared::job::{JobState, Phase};
use testkit::images::rgb16_tiff;
use testkit::store_faults::{Act, Fault, Rule};
use testkit::{eventually, ok_if};

use crate::array;
use crate::tasks::until;

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until a pod other than `not` leads; returns its node's name and its record.
async fn leader(eye: &dyn Coordinator, not: Option<&str>) -> (String, Candidate) {
    eventually("a leader", LIMIT, async || {
        eye.sync().await.unwrap();
        match election::leader(eye).await.unwrap() {
            Some((node, candidate)) if candidate.epoch.is_some() && Some(node.as_str()) != not => Ok((node, candidate)),
            seen => Err(seen),
        }
    })
    .await
}

/// Returns the UUID of a candidacy from its node's name.
fn uuid(node: &str) -> String {
    let name = node.strip_prefix(paths::LEADER).unwrap().trim_start_matches('/');
    name.split_once('-').unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_takers_epoch_is_taken_again_by_who_leads_and_nothing_stale_is_written() {
    let array = array(Duration::from_secs(5)).await;
    let (original, eye) = (rgb16_tiff(600, 900), array.session().await);
    array.start(&["pod-1"]);
    let (first, _) = leader(&*eye, None).await;
    array.start(&["pod-2"]);
    eventually("two candidates", LIMIT, async || {
        let candidates = eye.children(paths::LEADER).await.unwrap();
        ok_if(candidates.len() == 2, candidates)
    })
    .await;
    // The first is deposed without a failure of its own, and becomes a candidate again, now last in line.
    eye.delete(&first, None).await.unwrap();
    let (second, record) = leader(&*eye, Some(&first)).await;
    assert_eq!(record.pod.as_str(), "pod-2");
    // Its statement runs after its successor's, as in a database that hung.
    let late = array.catalog.take_epoch(&uuid(&first)).await.unwrap();
    assert!(late.n > record.epoch.unwrap());
    // The current leader learns it from its next write, takes the epoch again, and continues.
    array.faults.play(Rule::on(Act::Put, Fault::Slow(Duration::from_millis(500))).keys("/histograms/"));
    let accepted = array.upload("image", &original).await;
    until(&array, "a task", (&accepted.job_id, Phase::Histograms, 0), |seen| seen.lock.clone()).await;
    let rows = array.catalog.running().await.unwrap();
    let run = rows[0].run.clone().unwrap();
    let stale = array.catalog.fail(&late, &accepted.job_id, &run, "by nobody's right", None).await.unwrap();
    assert_eq!(stale, Write::NotMine, "the late taker's epoch is over");
    let stale =
        array.catalog.rerun(&late, &accepted.job_id, &run, &"f".repeat(32).parse().unwrap(), true).await.unwrap();
    assert_eq!(stale, Write::NotMine);
    array.is_exact(&accepted, &original).await;
    let job = array.catalog.job(&accepted.job_id).await.unwrap().unwrap();
    assert_eq!((job.state, job.reason), (JobState::Done, None));
    assert_eq!(leader(&*eye, None).await.0, second, "it has led all the while");
    let next = array.catalog.take_epoch("whoever").await.unwrap();
    assert_eq!(next.n, late.n + 2, "it took the epoch again once and not in a loop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_takers_epoch_is_taken_again_also_by_a_master_with_nothing_to_do() {
    let array = array(Duration::from_secs(5)).await;
    array.start(&["pod-1"]);
    let eye = array.session().await;
    let (first, _) = leader(&*eye, None).await;
    let late = array.catalog.take_epoch("somebody").await.unwrap();
    let nobody = "f".repeat(32);
    eventually("a later epoch", LIMIT, async || {
        let write = array.catalog.forget_upload(&late, &nobody.parse().unwrap()).await.unwrap();
        ok_if(write == Write::NotMine, write)
    })
    .await;
    assert_eq!(leader(&*eye, None).await.0, first, "it has led all the while");
}
