//! Outside interference: another ZooKeeper client deletes and writes znodes while images are processed; and all pods are killed
//! at once. The znodes' histories aren't checked where outsiders wrote into them.

use std::time::Duration;

use server::coord::{Coordinator, Error, ensure_path, paths};
use testkit::wait::PATIENCE;
use testkit::{Dice, elapse, eventually, ok_if};
use tokio_util::sync::CancellationToken;

use crate::array::{Blueprint, ProxiedArray};
use crate::checker::check;
use crate::clients::Clients;
use crate::faults::Fault;
use crate::named::survives;

/// Number of unknown children of `/jobs`: three times the number of a master's slots.
const STRANGERS: usize = 24;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: `make test` and `make chaos` run it"]
async fn all_pods_are_killed_at_once_and_start_again() {
    survives("all_pods_are_killed_at_once_and_start_again", Blueprint::default(), vec![Fault::KillAll; 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: `make test` and `make chaos` run it"]
async fn parents_are_deleted_while_images_are_worked_on() {
    while_images_are_worked_on(async |session| {
        for path in [paths::LEADER, "/cluster", paths::JOBS, paths::NODES] {
            delete_all(session, path).await;
            elapse(Duration::from_millis(1_500)).await;
        }
        for path in ["/cluster", paths::JOBS, paths::NODES] {
            delete_all(session, path).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a minute: `make test` and `make chaos` run it"]
async fn jobs_get_children_that_nobody_knows() {
    while_images_are_worked_on(async |session| {
        let mut strangers = 0;
        eventually(&format!("{STRANGERS} children that nobody knows"), PATIENCE, async || {
            for job in session.children(paths::JOBS).await.unwrap_or_default() {
                let path = format!("{}/{job}/stranger/deep", paths::JOBS);
                strangers += usize::from(ensure_path(session, &path).await.is_ok());
            }
            ok_if(strangers >= STRANGERS, strangers)
        })
        .await;
    })
    .await;
}

/// Interferes while clients upload; afterwards every upload must have its result, no job may have failed, and no znode may be
/// left.
async fn while_images_are_worked_on(harm: impl AsyncFnOnce(&dyn Coordinator)) {
    let array = ProxiedArray::start(&Blueprint::default()).await;
    let clients = Clients::new(array.pods.iter().map(|pod| pod.address.clone()).collect());
    let stop = CancellationToken::new();
    let uploads = tokio::spawn(clients.run(Dice::new(11), stop.clone()));
    let session = array.session().await;
    eventually("work", PATIENCE, async || {
        let jobs = session.children(paths::JOBS).await;
        ok_if(jobs.as_ref().is_ok_and(|jobs| !jobs.is_empty()), jobs)
    })
    .await;
    harm(&*session).await;
    // Clients go on for a while.
    elapse(Duration::from_secs(2)).await;
    array.calm().await;
    stop.cancel();
    let verdict = check(&array, &uploads.await.unwrap()).await;
    assert!(verdict.acknowledged > 0, "nothing was uploaded");
    assert!(verdict.lost.is_empty() && verdict.failed.is_empty(), "{:#?} {:#?}", verdict.lost, verdict.failed);
    assert_eq!(session.children(paths::JOBS).await.unwrap(), Vec::<String>::new());
    session.close().await;
}

/// Deletes a node and everything below it, including nodes added meanwhile.
async fn delete_all(session: &dyn Coordinator, path: &str) {
    loop {
        for name in session.children(path).await.unwrap_or_default() {
            Box::pin(delete_all(session, &format!("{path}/{name}"))).await;
        }
        match session.delete(path, None).await {
            Err(Error::NotEmpty(_)) => {}
            Ok(()) | Err(Error::NoNode(_)) => return,
            Err(error) => panic!("{path}: {error}"),
        }
    }
}
