//! Each kind of fault, forced; and late writes of deposed masters, which a random schedule meets only by luck.

use std::time::{Duration, Instant};

use server::coord::paths;
use shared::equalize::Recipe;
use sqlx::Row;
use testkit::proxy::Flow;
use testkit::wait::PATIENCE;
use testkit::{Dice, elapse, ok_if, stays};
use tokio_util::sync::CancellationToken;

use crate::array::{Blueprint, Pixels, ProxiedArray};
use crate::checker::check;
use crate::clients::Clients;
use crate::faults::{Fault, Stage, Way, Whom};
use crate::pool::pool;
use crate::report;
use crate::run::{Plan, run};

/// Runs these faults; each must have been injected, and nothing may be violated.
pub async fn survives(name: &str, blueprint: Blueprint, faults: Vec<Fault>) {
    let plan = Plan { seed: 1, blueprint, faults };
    let outcome = run(&plan).await;
    report::tell(name, &plan, &outcome);
    report::write(name, std::slice::from_ref(&outcome));
    assert!(outcome.complaints.is_empty(), "{name}: {:#?}", outcome.complaints);
    for fault in &plan.faults {
        assert!(outcome.faults.contains_key(&fault.name()), "{name}: there was no occasion for {}", fault.name());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn the_master_is_killed_at_each_stage() {
    let faults = Stage::ALL.map(|stage| Fault::Kill(Whom::Master, stage)).to_vec();
    survives("the_master_is_killed_at_each_stage", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn a_worker_is_killed_at_each_stage() {
    let faults = Stage::ALL.map(|stage| Fault::Kill(Whom::Worker, stage)).to_vec();
    survives("a_worker_is_killed_at_each_stage", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn master_and_worker_are_paused_for_twice_the_timeout() {
    let faults = vec![Fault::Pause(Whom::Master, Stage::Map), Fault::Pause(Whom::Worker, Stage::Apply)];
    survives("master_and_worker_are_paused_for_twice_the_timeout", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn all_pods_restart_one_after_the_other_and_within_the_timeout() {
    let faults = vec![Fault::RollingRestart, Fault::QuickRestart(Whom::Master), Fault::QuickRestart(Whom::Worker)];
    survives("all_pods_restart_one_after_the_other_and_within_the_timeout", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn pods_are_not_heard_or_hear_nothing() {
    let faults = vec![
        Fault::OneWay(Whom::Master, Way::Mute),
        Fault::OneWay(Whom::Master, Way::Deaf),
        Fault::OneWay(Whom::Worker, Way::Mute),
        Fault::OneWay(Whom::Worker, Way::Deaf),
    ];
    survives("pods_are_not_heard_or_hear_nothing", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn pods_are_cut_from_zookeeper_for_less_and_for_more_than_the_timeout() {
    let faults = vec![
        Fault::ShortCut(Whom::Master),
        Fault::ShortCut(Whom::Worker),
        Fault::LongCut(Whom::Master),
        Fault::LongCut(Whom::Worker),
    ];
    let name = "pods_are_cut_from_zookeeper_for_less_and_for_more_than_the_timeout";
    survives(name, Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn replies_are_lost_and_links_are_slow() {
    let faults = vec![
        Fault::LostReplies(Whom::Master),
        Fault::LostReplies(Whom::Worker),
        Fault::LostRows(Whom::Master),
        Fault::LostRows(Whom::Worker),
        Fault::SlowLink(Whom::Master),
    ];
    survives("replies_are_lost_and_links_are_slow", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn pods_reach_zookeeper_but_not_the_store_or_the_catalog() {
    let blueprint = Blueprint { pixels: Pixels::S3, ..Blueprint::default() };
    let faults = vec![Fault::Bridge(Whom::Master), Fault::Bridge(Whom::Worker), Fault::NoCatalog];
    survives("pods_reach_zookeeper_but_not_the_store_or_the_catalog", blueprint, faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn the_ensembles_leader_dies_and_pods_see_different_servers() {
    let faults = vec![Fault::EnsembleLeader, Fault::SplitViews];
    survives("the_ensembles_leader_dies_and_pods_see_different_servers", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn the_quorum_is_lost_and_all_that_was_accepted_is_done_after() {
    let length = if report::long() { 60_000 } else { 5_000 };
    let faults = vec![Fault::NoQuorum(length)];
    survives("the_quorum_is_lost_and_all_that_was_accepted_is_done_after", Blueprint::default(), faults).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn the_catalog_is_switched_over_to_its_standby() {
    let blueprint = Blueprint { standby: true, ..Blueprint::default() };
    let faults = vec![Fault::Switchover, Fault::Kill(Whom::Master, Stage::Map)];
    survives("the_catalog_is_switched_over_to_its_standby", blueprint, faults).await;
}

/// A measurement; with the default arrays' short timeout, an eviction by a witness could hardly be distinguished from an expired
/// session.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and it measures: `make chaos` runs it"]
async fn failovers_with_a_session_timeout_of_ten_seconds() {
    let mut faults = vec![Fault::RollingRestart];
    faults.extend(Stage::ALL.map(|stage| Fault::Kill(Whom::Master, stage)));
    faults.push(Fault::RollingRestart);
    faults.push(Fault::Pause(Whom::Master, Stage::Map));
    faults.push(Fault::LongCut(Whom::Master));
    faults.push(Fault::OneWay(Whom::Master, Way::Mute));
    let blueprint = Blueprint { lease: Duration::from_secs(10), ..Blueprint::default() };
    survives("failovers_with_a_session_timeout_of_ten_seconds", blueprint, faults).await;
}

/// The proxy holds a master's statement that activates a job on its way to PostgreSQL. The successor takes the epoch; then the
/// statement arrives. The successor's own statement is held as well, so that only the epoch can keep the late one from taking
/// effect. With fewer pods than `--min-pods`, the job waits until everything is set up.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn a_deposed_masters_statement_that_arrives_late_changes_nothing() {
    let array = ProxiedArray::start(&Blueprint { more: vec!["--min-pods", "3"], ..Blueprint::default() }).await;
    let master = array.master().await;
    let (other, third) = (&array.pods[(master + 1) % 3], &array.pods[(master + 2) % 3]);
    let old = &array.pods[master];
    third.kill();
    old.client.until("two pods", |view| (view.live() == 2).then_some(())).await;
    let accepted = other.client.upload("late.png", pool()[0].bytes.clone(), &Recipe::default()).await.unwrap();
    array.pods.iter().for_each(|pod| pod.links.catalog.hold_at(accepted.job_id.as_str(), 1));
    third.start();
    old.links.catalog.sprung(0).await;
    old.links.zookeeper.cut();
    let successor = loop {
        let leader = array.master().await;
        if leader != master {
            break leader;
        }
    };
    let mut catalog = array.catalog().await;
    old.links.catalog.mend();
    let untouched = format!("without a statement of {}, {}'s epoch", old.name, array.pods[successor].name);
    stays(&untouched, Duration::from_secs(2), async || {
        let job = sqlx::query("SELECT state FROM jobs WHERE id = $1").bind(accepted.job_id.as_str());
        let state: String = job.fetch_one(&mut catalog).await.unwrap().get("state");
        ok_if(state == "queued", state)
    })
    .await;
    array.calm().await;
    assert!(other.client.result(&accepted.image_id).await == pool()[0].expected);
    let verdict = check(&array, &[]).await;
    assert!(verdict.stale.is_empty(), "{:?}", verdict.stale);
}

const EVICTIONS: usize = 4;

/// An outsider deletes the election node of a live master, while ZooKeeper's messages to that master are delayed: it continues
/// as if it led, and each of its writes must be rejected.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn a_master_that_was_evicted_without_knowing_writes_nothing_more() {
    let array = ProxiedArray::start(&Blueprint::default()).await;
    let clients = Clients::new(array.pods.iter().map(|pod| pod.address.clone()).collect());
    let stop = CancellationToken::new();
    let uploads = tokio::spawn(clients.run(Dice::new(7), stop.clone()));
    let session = array.session().await;
    let mut evicted = 0;
    let begun = Instant::now();
    while evicted < EVICTIONS {
        assert!(begun.elapsed() < PATIENCE, "only {evicted} masters could be evicted");
        let master = array.master().await;
        array.pods[master].links.zookeeper.to_client(Flow::Late(Duration::from_millis(150)));
        // Slow down the successors' epoch, so that until then they change nothing that the old master would have changed.
        let others = array.pods.iter().enumerate().filter(|(at, _)| *at != master);
        others.for_each(|(_, pod)| pod.links.catalog.to_server(Flow::Late(Duration::from_millis(400))));
        // Let work pile up until each job waits for the slow master, which then always has writes in flight.
        elapse(Duration::from_secs(2)).await;
        let mut candidates = session.children(paths::LEADER).await.unwrap();
        candidates.sort_by_key(|name| name.rsplit_once('-').map(|(_, sequence)| sequence.to_owned()));
        if let Some(leader) = candidates.first()
            && session.delete(&format!("{}/{leader}", paths::LEADER), None).await.is_ok()
        {
            evicted += 1;
        }
        elapse(Duration::from_millis(1_000)).await;
        array.pods.iter().for_each(|pod| pod.links.mend());
    }
    session.close().await;
    array.calm().await;
    stop.cancel();
    let verdict = check(&array, &uploads.await.unwrap()).await;
    assert!(
        verdict.complaints().is_empty(),
        "{:#?}; logs are kept in {}",
        verdict.complaints(),
        array.keep().display()
    );
    assert!(verdict.znodes.evictions >= EVICTIONS, "{} evictions", verdict.znodes.evictions);
}
