//! Outages of the catalog at the worst moments.

use std::sync::Arc;

use server::catalog::{self, Write};
use testkit::images::sample;

use super::faulty::{Fault, Faulty};
use super::harness::{Api, Field};

async fn faulty() -> (Api, Arc<Faulty>) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("catalog.db").display());
    let faulty = Arc::new(Faulty::new(catalog::connect(&url).await.unwrap()));
    (Api::over(folder, catalog::over(faulty.clone()), None).await, faulty)
}

#[tokio::test]
async fn without_a_catalog_nothing_is_taken_and_the_client_is_told_when_to_come_back() {
    let (server, faulty) = faulty().await;
    let moon = sample("moon.png");
    for operation in ["begin_upload", "images", "ping"] {
        faulty.fail(operation, Fault::Before, 1);
    }
    let refused = server.post(&[Field::image("moon.png", &moon)], &[]).await;
    assert!(!refused.problem(503).contains("on command"), "the inside is not told");
    assert_eq!(refused.header("retry-after"), "2");
    server.get("/api/images").await.problem(503);
    server.get("/readyz").await.problem(503);
    assert_eq!(server.get("/healthz").await.status, 200);
    server.upload("moon.png", &moon).await;
    assert_eq!(server.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn an_acceptance_whose_reply_was_lost_is_found_and_answered() {
    let (server, faulty) = faulty().await;
    faulty.fail("finish_upload", Fault::After, 1);
    let (image, _) = server.upload("moon.png", &sample("moon.png")).await;
    assert_eq!(server.get(&format!("/api/images/{image}")).await.json()["state"], "queued");
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 1);
}

#[tokio::test]
async fn an_acceptance_that_stays_unknown_is_503_and_its_retry_finds_it() {
    let (server, faulty) = faulty().await;
    let (moon, key) = (sample("moon.png"), [("idempotency-key", "k1")]);
    faulty.fail("finish_upload", Fault::After, 9);
    server.post(&[Field::image("moon.png", &moon)], &key).await.problem(503);
    assert_eq!(server.post(&[Field::image("moon.png", &moon)], &key).await.status, 202);
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 1);
}

#[tokio::test]
async fn an_upload_that_was_given_up_meanwhile_is_not_acknowledged() {
    let (server, faulty) = faulty().await;
    let moon = sample("moon.png");
    // The sweeper takes over the row while the acceptance is retried.
    faulty.fail("finish_upload", Fault::Before, 2);
    let fields = [Field::image("moon.png", &moon)];
    let post = server.post(&fields, &[]);
    let sweep = async {
        let epoch = server.catalog.take_epoch("sweeper").await.unwrap();
        loop {
            let won = server.catalog.abandon(&epoch, std::time::Duration::ZERO).await.unwrap().unwrap();
            if let Some(abandoned) = won.first() {
                return server.catalog.forget_upload(&epoch, &abandoned.upload).await.unwrap();
            }
            tokio::task::yield_now().await;
        }
    };
    let (answer, swept) = tokio::join!(post, sweep);
    assert!(answer.problem(410).contains("send it again"));
    assert_eq!(swept, Write::Applied);
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 0);
}
