//! Races between several processes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use server::catalog::{Epoch, Write};
use shared::id::RunId;
use shared::job::JobState;
use sqlx::{Connection, PgConnection};

use super::fixture::*;

pub async fn masters_that_take_the_epoch_at_once_get_different_turns(tested: TestCatalog) {
    let processes = [tested.catalog.clone(), tested.another_process().await, tested.another_process().await];
    let takes = (0..30).map(|n| {
        let catalog = processes[n % 3].clone();
        tokio::spawn(async move { epoch(catalog.as_ref()).await })
    });
    let taken: Vec<Epoch> = join_all(takes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(taken.iter().map(|epoch| epoch.n).collect::<BTreeSet<_>>(), (1..=30).collect());

    let accepted = accept(tested.catalog.as_ref(), "a.png").await;
    for epoch in &taken {
        let expected = if epoch.n == 30 { Write::Applied } else { Write::NotMine };
        let run = id();
        let write = tested.catalog.activate(epoch, &accepted.job, &run).await.unwrap();
        assert_eq!(write, expected);
        if write == Write::Applied {
            tested.catalog.fail(epoch, &accepted.job, &run, "x", None).await.unwrap();
            tested.catalog.retry(&accepted.job).await.unwrap();
        }
    }
}

pub async fn of_two_pods_that_finish_one_upload_one_wins(tested: TestCatalog) {
    let pods = [tested.catalog.clone(), tested.another_process().await];
    for round in 0..25 {
        let key = format!("key {round}");
        let attempts = [upload("a.png", Some(&key)), upload("b.png", Some(&key))];
        pods[0].begin_upload(&attempts[0]).await.unwrap();
        let first = async {
            let received = received(&attempts[0].image, &attempts[0].upload, info(1, 1));
            pods[0].finish_upload(&attempts[0].upload, &received).await.unwrap()
        };
        let second = async {
            pods[1].begin_upload(&attempts[1]).await.unwrap();
            let received = received(&attempts[0].image, &attempts[1].upload, info(2, 2));
            pods[1].finish_upload(&attempts[1].upload, &received).await.unwrap()
        };
        let writes = tokio::join!(first, second);
        let image = pods[0].image(&attempts[0].image).await.unwrap().unwrap();
        match writes {
            (Write::Applied, Write::NoChange) => assert_eq!(image.width, 1),
            (Write::NoChange, Write::Applied) => assert_eq!(image.width, 2),
            other => panic!("not one of them won: {other:?}"),
        }
        assert_eq!(image.jobs.len(), 1);
    }
}

pub async fn a_job_is_activated_once(tested: TestCatalog) {
    let processes = [tested.catalog.clone(), tested.another_process().await];
    let accepted = accept(tested.catalog.as_ref(), "a.png").await;
    let epoch = epoch(tested.catalog.as_ref()).await;
    let attempts = (0..10).map(|n| {
        let (catalog, epoch, job, run) = (processes[n % 2].clone(), epoch.clone(), accepted.job.clone(), id::<RunId>());
        tokio::spawn(async move { (catalog.activate(&epoch, &job, &run).await.unwrap(), run) })
    });
    let writes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let won: Vec<_> = writes.iter().filter(|(write, _)| *write == Write::Applied).collect();
    assert_eq!(won.len(), 1);
    let running = tested.catalog.running().await.unwrap();
    assert_eq!((running[0].run.as_ref(), running[0].runs), (Some(&won[0].1), 1));
}

pub async fn finishing_and_abandoning_at_once_agree_on_one_outcome(tested: TestCatalog) {
    let (pod, master) = (tested.catalog.clone(), tested.another_process().await);
    let epoch = epoch(master.as_ref()).await;
    for _ in 0..25 {
        let new = upload("a.png", None);
        pod.begin_upload(&new).await.unwrap();
        let received = received(&new.image, &new.upload, info(1, 1));
        let (finished, abandoned) =
            tokio::join!(pod.finish_upload(&new.upload, &received), master.abandon(&epoch, Duration::ZERO));
        let lost = abandoned.unwrap().unwrap().iter().any(|each| each.upload == new.upload);
        assert_eq!(finished.unwrap(), if lost { Write::NoChange } else { Write::Applied });
        assert_eq!(pod.image(&new.image).await.unwrap().is_none(), lost);
        if lost {
            assert_eq!(master.forget_upload(&epoch, &new.upload).await.unwrap(), Write::Applied);
        }
    }
}

pub async fn five_processes_may_open_a_new_catalog_at_once(tested: TestCatalog) {
    for _ in 0..if tested.is_postgres() { 2 } else { 40 } {
        let url = tested.untouched().await;
        let together = Arc::new(tokio::sync::Barrier::new(5));
        let opens = (0..5).map(|_| {
            let (url, together) = (url.clone(), together.clone());
            tokio::spawn(async move {
                together.wait().await;
                server::catalog::open(&url).await.unwrap()
            })
        });
        let opened: Vec<_> = join_all(opens).await.into_iter().map(Result::unwrap).collect();
        for process in &opened {
            accept(process.as_ref(), "a.png").await;
        }
        assert_eq!(opened[0].backlog().await.unwrap().queued, 5);
    }
}

/// A deposed master's statement may have started before its successor took the epoch. Whichever comes first locks the epoch's
/// row until it commits, so the successor either sees the write, or the write never happens.
pub async fn a_master_deposed_at_any_moment_writes_nothing_after_its_successors_turn_began(tested: TestCatalog) {
    let (old_process, new_process) = (tested.catalog.clone(), tested.another_process().await);
    for _ in 0..40 {
        let accepted = accept(old_process.as_ref(), "a.png").await;
        let old = epoch(old_process.as_ref()).await;
        let writing = {
            let (catalog, job) = (old_process.clone(), accepted.job.clone());
            tokio::spawn(async move { catalog.activate(&old, &job, &id()).await.unwrap() })
        };
        epoch(new_process.as_ref()).await;
        let seen = new_process.image(&accepted.image).await.unwrap().unwrap().state;
        let write = writing.await.unwrap();
        let expected = if write == Write::Applied { JobState::Running } else { JobState::Queued };
        assert_eq!(seen, expected, "{write:?}");
        assert_eq!(new_process.image(&accepted.image).await.unwrap().unwrap().state, expected);
    }
    if tested.is_postgres() {
        a_statement_that_began_before_the_successors_turn_waits_and_then_changes_nothing(&tested).await;
        a_turn_waits_for_its_predecessors_statement(&tested).await;
    }
}

/// PostgreSQL's critical moment, held open: the successor's epoch is written but not committed yet.
async fn a_statement_that_began_before_the_successors_turn_waits_and_then_changes_nothing(tested: &TestCatalog) {
    let catalog = tested.catalog.clone();
    let accepted = accept(catalog.as_ref(), "a.png").await;
    let old = epoch(catalog.as_ref()).await;

    let mut successor = PgConnection::connect(tested.url()).await.unwrap();
    let mut turn = successor.begin().await.unwrap();
    sqlx::query("UPDATE epoch SET n = n + 1, candidacy = 'successor'").execute(&mut *turn).await.unwrap();
    let job = accepted.job.clone();
    let writing = tokio::spawn(async move { catalog.activate(&old, &job, &id()).await.unwrap() });
    await_a_waiting_statement(tested).await;
    assert!(!writing.is_finished());
    turn.commit().await.unwrap();
    assert_eq!(writing.await.unwrap(), Write::NotMine);
    assert_eq!(tested.catalog.image(&accepted.image).await.unwrap().unwrap().state, JobState::Queued);
}

/// The other way round: the old master's statement has checked its epoch and waits for the job's row.
async fn a_turn_waits_for_its_predecessors_statement(tested: &TestCatalog) {
    let catalog = tested.catalog.clone();
    let accepted = accept(catalog.as_ref(), "a.png").await;
    let old = epoch(catalog.as_ref()).await;

    let mut other = PgConnection::connect(tested.url()).await.unwrap();
    let mut holding = other.begin().await.unwrap();
    let hold = "SELECT id FROM jobs WHERE id = $1 FOR UPDATE";
    sqlx::query(hold).bind(accepted.job.as_str()).execute(&mut *holding).await.unwrap();
    let job = accepted.job.clone();
    let writing = tokio::spawn(async move { catalog.activate(&old, &job, &id()).await.unwrap() });
    await_a_waiting_statement(tested).await;
    let successor = tested.another_process().await;
    let image = accepted.image.clone();
    let turn = tokio::spawn(async move {
        epoch(successor.as_ref()).await;
        successor.image(&image).await.unwrap().unwrap().state
    });
    await_waiting_statements(tested, 2).await;
    assert!(!turn.is_finished());
    holding.rollback().await.unwrap();
    assert_eq!(writing.await.unwrap(), Write::Applied);
    assert_eq!(turn.await.unwrap(), JobState::Running, "the successor reads what its predecessor wrote");
}

async fn await_a_waiting_statement(tested: &TestCatalog) {
    await_waiting_statements(tested, 1).await;
}

async fn await_waiting_statements(tested: &TestCatalog, number: i64) {
    let mut watcher = PgConnection::connect(tested.url()).await.unwrap();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut watcher).await.unwrap() < number {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("a statement waits for a lock");
}

/// As in a frozen pod: each call was started, and none is polled again. There are more of them than connections.
pub async fn a_call_that_nobody_polls_holds_nothing_that_others_need(tested: TestCatalog) {
    let catalog = tested.catalog.as_ref();
    let accepted = accept(catalog, "a.png").await;
    let mut frozen = Vec::new();
    for polls in 1..=20 {
        let mut calls = [
            async { catalog.take_epoch("frozen").await.is_ok() }.boxed().fuse(),
            async { catalog.running().await.is_ok() }.boxed().fuse(),
        ];
        for _ in 0..polls {
            for call in &mut calls {
                let _ = futures::poll!(call);
            }
            tokio::task::yield_now().await;
        }
        frozen.push(calls);
    }
    let begun = std::time::Instant::now();
    for number in 0..20 {
        accept(catalog, &format!("{number}.png")).await;
        assert!(catalog.image(&accepted.image).await.unwrap().is_some());
        catalog.ping().await.unwrap();
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    drop(frozen);
}
