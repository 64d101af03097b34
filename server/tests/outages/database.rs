//! A PostgreSQL that hangs, or ends connections in the middle of statements.

use std::time::{Duration, Instant};

use futures::StreamExt;
use shared::equalize::Recipe;
use shared::job::JobState;
use shared::route;
use testkit::images::sample;
use testkit::{Ensemble, elapse};

use crate::{LEASE, Services, outage};

/// A catalog call takes at most 5 s; the rest is an allowance for a busy machine.
const PROMPT: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn while_the_catalog_hangs_uploads_and_pages_say_so_within_seconds_and_all_resumes() {
    let services = Services::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    let servers = services.two().await;
    let (client, luma) = (&servers[0].client, Recipe::default());
    let first = client.upload("first.png", sample("moon.png"), &luma).await.unwrap();
    client.result(&first.image_id).await;
    let (master, epoch) = client.master(None).await;
    // Work in progress.
    let mut taken = Vec::new();
    for number in 0..20 {
        taken.push(client.upload(&format!("{number}.png"), sample("cell.png"), &luma).await.unwrap());
    }
    services.postgres.pause();
    let since = Instant::now();
    let threads = servers[0].threads();
    while since.elapsed() < outage() {
        let begun = Instant::now();
        let problem = client.upload("late.png", sample("cell.png"), &luma).await.unwrap_err();
        assert_eq!(problem.status, 503);
        assert!(problem.detail.as_ref().unwrap().contains("catalog of images doesn't answer"), "{problem:?}");
        assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
        for (path, status) in [(route::API_IMAGES, 503), ("/readyz", 503), ("/healthz", 200), (route::API_CLUSTER, 200)]
        {
            let look = client.look(path).await;
            assert!(look.status == status && look.took < PROMPT, "{path}: {} after {:?}", look.status, look.took);
            assert_eq!(look.retry_after.is_some(), status == 503, "{path}");
        }
        let page = client.look("/").await;
        assert!(page.took < PROMPT && page.body.contains("catalog of images doesn"), "{:?}: {}", page.took, page.body);
        let cluster = client.look("/cluster").await;
        assert!(cluster.status == 200 && cluster.took < PROMPT, "{} after {:?}", cluster.status, cluster.took);
    }
    assert!(servers[0].threads() < threads + 20, "{} threads, {threads} before", servers[0].threads());
    assert_eq!(client.master(None).await, (master, epoch), "the master stepped down");
    services.postgres.resume();
    let back = Instant::now();
    taken.push(loop {
        match client.upload("after.png", sample("cell.png"), &luma).await {
            Ok(accepted) => break accepted,
            Err(problem) => assert!(problem.status == 503 && back.elapsed() < PROMPT, "{problem:?}"),
        }
    });
    for accepted in &taken {
        let image = client.ended(&accepted.image_id).await;
        assert_eq!(image.state, JobState::Done, "{}: {:?}", image.name, image.reason);
    }
    println!("all {} done {:.1?} after the catalog was back (lease {LEASE:?})", taken.len(), back.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_end_in_the_middle_of_statements_lose_and_double_nothing() {
    let services = Services::new(Ensemble::shared().connect_string_with_new_chroot()).await;
    let servers = services.two().await;
    let (client, luma) = (&servers[0].client, Recipe::default());
    let upload = async |number: u32| client.upload(&format!("{number}.png"), sample("cell.png"), &luma).await;
    // Several at a time, so that connections are in use whenever they end.
    let uploads = futures::stream::iter(0..200).map(upload).buffer_unordered(8).collect::<Vec<_>>();
    let ended = std::cell::Cell::new(0);
    let ending = async {
        loop {
            ended.set(ended.get() + services.postgres.end_connections(&services.deployment.catalog).await);
            elapse(Duration::from_millis(50)).await;
        }
    };
    let answers = tokio::select! {
        answers = uploads => answers,
        () = ending => unreachable!("it goes on for ever"),
    };
    // Without a key, an unacknowledged upload may or may not exist.
    assert!(answers.iter().flat_map(|answer| answer.as_ref().err()).all(|problem| problem.status == 503));
    let taken: Vec<_> = answers.into_iter().flatten().collect();
    assert!(taken.len() > 20, "{} of 200 taken", taken.len());
    for accepted in &taken {
        let image = client.ended(&accepted.image_id).await;
        assert_eq!((image.state, image.jobs.len()), (JobState::Done, 1), "{}: {:?}", image.name, image.reason);
    }
    println!("{} of 200 uploads taken while {} connections ended; all done", taken.len(), ended.get());
    assert!(ended.get() > 20);
}
