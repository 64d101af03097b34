//! Frozen pods hold nothing that other pods of their process need.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shared::job::JobState;
use shared::route::pod_act;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use testkit::images::sample;
use testkit::{Client, elapse, eventually, ok_if};

use crate::jobs::{luma, start};

/// Number of times that the master is frozen, each time at another moment of its work.
const FREEZES: u64 = 10;
/// Time limit of a response: a catalog call takes up to 5 s, the rest is an allowance for a busy machine.
const PROMPT: Duration = Duration::from_secs(10);
/// Time limit of a succession with a session timeout of 500 ms, on a busy machine.
const SUCCESSION: Duration = Duration::from_secs(10);
/// Interval of the writes of a master without work.
const MASTER_WRITE_INTERVAL: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_master_frozen_at_any_moment_stops_neither_uploads_nor_its_successor() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--pods", "3", "--max-backlog", "100000"]).await;
    let (stop, accepted) = (AtomicBool::new(false), AtomicUsize::new(0));
    let uploading = async {
        while !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = client.upload("cell.png", sample("cell.png"), &luma()).await;
            assert!(answer.is_ok(), "{answer:?} after {:?}", begun.elapsed());
            assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
            accepted.fetch_add(1, Ordering::Relaxed);
        }
    };
    let freezing = async {
        let mut dice = 88_172_645_463_325_252_u64;
        for round in 0..FREEZES {
            let (master, epoch) = client.master(None).await;
            // Xorshift: any moment within a second, the master's poll interval of the catalog.
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            elapse(Duration::from_millis(dice % 1_000)).await;
            assert_eq!(client.post(&pod_act(&master, "freeze")).await, 204);
            let (begun, before) = (Instant::now(), accepted.load(Ordering::Relaxed));
            let succession = client.until("a successor", |view| {
                let leader = view.leader.as_ref().filter(|leader| leader.pod != master)?;
                leader.epoch.filter(|later| *later > epoch)
            });
            let succeeded = tokio::time::timeout(SUCCESSION, succession).await;
            assert!(succeeded.is_ok(), "round {round}: nobody succeeds frozen {master} within {SUCCESSION:?}");
            let rest = (SUCCESSION + PROMPT).saturating_sub(begun.elapsed());
            eventually(&format!("eight more uploads in round {round}"), rest, async || {
                let more = accepted.load(Ordering::Relaxed) - before;
                ok_if(more >= 8, more)
            })
            .await;
            assert_eq!(client.post(&pod_act(&master, "start")).await, 204);
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(freezing, uploading, uploading_too(&client, &stop), uploading_too(&client, &stop));
    process.stop().await;
}

async fn uploading_too(client: &Client, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    }
}

/// With a single pixel thread, each pod is about to take it most of the time.
#[tokio::test(flavor = "multi_thread")]
async fn frozen_pods_hold_no_pixel_thread() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--pods", "5", "--threads", "1"]).await;
    let mut taken = Vec::new();
    for _ in 0..60 {
        taken.push(client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap());
    }
    let (master, _) = client.master(None).await;
    let others = process.pods.iter().filter(|pod| **pod != master).take(3);
    for pod in others {
        assert_eq!(client.post(&pod_act(pod, "freeze")).await, 204);
    }
    for accepted in &taken {
        assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
    }
    process.stop().await;
}

/// Takes the write lock of the catalog's file, as another process may.
async fn locked(data: &Path) -> SqliteConnection {
    let file = SqliteConnectOptions::new().filename(data.join("catalog.sqlite"));
    let mut other = file.connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_frozen_while_it_writes_to_the_catalog_holds_no_connection() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--pods", "3"]).await;
    let (master, epoch) = client.master(None).await;
    let other = locked(data.path()).await;
    // By then the master has begun a write, which waits for the lock, or for the connection behind others.
    elapse(MASTER_WRITE_INTERVAL + Duration::from_millis(500)).await;
    assert_eq!(client.post(&pod_act(&master, "freeze")).await, 204);
    other.close().await.unwrap();
    let begun = Instant::now();
    let accepted = loop {
        match client.upload("cell.png", sample("cell.png"), &luma()).await {
            Ok(accepted) => break accepted,
            Err(problem) => assert!(problem.status == 503 && begun.elapsed() < PROMPT, "{problem:?}"),
        }
    };
    let (_, later) = client.master(Some(&master)).await;
    assert!(later > epoch && begun.elapsed() < SUCCESSION, "{later} after {:?}", begun.elapsed());
    assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_cannot_be_recorded_is_answered_within_seconds() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--pods", "1"]).await;
    let before = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    assert_eq!(client.ended(&before.image_id).await.state, JobState::Done);
    let other = locked(data.path()).await;
    let begun = Instant::now();
    let problem = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap_err();
    assert!(problem.status == 503 && begun.elapsed() < PROMPT, "{problem:?} after {:?}", begun.elapsed());
    assert!(problem.detail.as_ref().unwrap().contains("catalog of images doesn't answer"), "{problem:?}");
    let ready = client.look("/readyz").await;
    assert!(ready.status == 503 && ready.retry_after.is_some(), "{ready:?}");
    // Readers don't wait for the writer.
    let page = client.look("/").await;
    assert!(page.status == 200 && page.took < PROMPT, "{} after {:?}", page.status, page.took);
    other.close().await.unwrap();
    let after = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    assert_eq!(client.ended(&after.image_id).await.state, JobState::Done);
    assert_eq!(client.look("/readyz").await.status, 200);
    process.stop().await;
}
