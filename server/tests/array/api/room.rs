//! Full: 503 with the figures and a time to come back, before a row is created.

use std::time::Duration;

use axum::body::{Body, Bytes};
use server::pipeline::intake::gauge::Figures;
use shared::cluster::Backlog;
use testkit::images::sample;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::harness::{Api, CAPACITY, FORM, Field, form, ids, request};

fn full_backlog() -> Figures {
    let backlog = Backlog { queued: CAPACITY.max_backlog, ..Backlog::default() };
    Figures { backlog: Some(backlog), ..Figures::default() }
}

fn full_disk() -> Figures {
    Figures { free: Some(CAPACITY.min_free - 1), ..Figures::default() }
}

/// An upload in progress: pieces sent to the channel become its body.
struct Slow {
    body: mpsc::Sender<Result<Bytes, std::io::Error>>,
    answer: JoinHandle<axum::response::Response>,
}

impl Slow {
    /// Starts an upload, and returns when its row exists.
    async fn begin(server: &Api, whole: &[u8]) -> Self {
        let (body, receive) = mpsc::channel(1);
        let stream = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receive));
        let slow = request("POST", "/api/images", &[("content-type", FORM)], stream);
        let router = server.router.clone();
        let answer = tokio::spawn(async move { router.oneshot(slow).await.unwrap() });
        let slow = Self { body, answer };
        // The channel holds one piece: when the third is taken, the first has been read and its row exists.
        for piece in [&whole[..5_000], &whole[5_000..6_000], &whole[6_000..7_000]] {
            slow.send(piece).await;
        }
        slow
    }

    async fn send(&self, bytes: &[u8]) {
        self.body.send(Ok(Bytes::copy_from_slice(bytes))).await.unwrap();
    }
}

#[tokio::test]
async fn past_the_backlogs_limit_nothing_is_taken_and_the_client_is_told_when_to_come_back() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let (image, job) = server.upload("moon.png", &moon).await;
    server.fail(&job, "on command").await;
    server.figures.send_replace(full_backlog());
    let upload = [Field::image("moon.png", &moon)];
    for path in ["/api/images", "/upload"] {
        let refused = server.post_to(path, &upload, &[]).await;
        let sentence = refused.problem(503);
        // The counted jobs, plus the one that was accepted here since.
        assert!(sentence.contains("1001 jobs are waiting") && sentence.contains("the limit is 1000"), "{sentence}");
        assert_eq!(refused.header("retry-after"), "10");
    }
    for path in [format!("/api/images/{image}/jobs"), format!("/api/images/{image}/retry")] {
        let refused = server.call("POST", &path, &[], "{}").await;
        assert!(refused.problem(503).contains("1000"), "{path}");
        assert_eq!(refused.header("retry-after"), "10", "{path}");
    }
    let epoch = server.catalog.take_epoch("sweeper").await.unwrap();
    let rows = server.catalog.abandon(&epoch, Duration::ZERO).await.unwrap().unwrap();
    assert!(rows.is_empty(), "a row was made for what was refused: {rows:?}");
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 0);
    server.figures.send_replace(Figures::default());
    server.upload("moon.png", &moon).await;
    assert_eq!(server.call("POST", &format!("/api/images/{image}/retry"), &[], "").await.status, 202);
}

#[tokio::test]
async fn a_browsers_own_form_gets_a_page_that_says_there_is_no_room() {
    let server = Api::new().await;
    server.figures.send_replace(full_backlog());
    let html = [("accept", "text/html,application/xhtml+xml")];
    let answer = server.post(&[Field::image("moon.png", &sample("moon.png"))], &html).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("content-type").starts_with("text/html"));
    assert!(String::from_utf8_lossy(&answer.body).contains("1000 jobs are waiting"));
}

#[tokio::test]
async fn an_accepted_key_is_answered_also_when_there_is_no_room() {
    let server = Api::new().await;
    let (moon, key) = (sample("moon.png"), [("idempotency-key", "k1")]);
    let upload = [Field::image("moon.png", &moon)];
    let first = server.post(&upload, &key).await;
    let jobs = format!("/api/images/{}/jobs", ids(&first).0);
    let second = server.call("POST", &jobs, &key, r#"{"color":"gray"}"#).await;
    for figures in [full_backlog(), full_disk()] {
        server.figures.send_replace(figures);
        let again = server.post(&upload, &key).await;
        assert_eq!(again.status, 202, "{}", String::from_utf8_lossy(&again.body));
        assert_eq!(ids(&again), ids(&first));
        let other = server.post(&[Field::image("moon.png", &sample("cell.png"))], &key).await;
        assert!(other.problem(422).contains("another body"));
        server.post(&upload, &[("idempotency-key", "k2")]).await.problem(503);
        assert_eq!(ids(&server.call("POST", &jobs, &key, r#"{"color":"gray"}"#).await), ids(&second));
        server.call("POST", &jobs, &[("idempotency-key", "k2")], "{}").await.problem(503);
    }
}

#[tokio::test]
async fn an_upload_ends_when_the_disk_becomes_full_meanwhile() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let whole = form(&[Field::image("moon.png", &moon)]);
    let slow = Slow::begin(&server, &whole).await;
    server.figures.send_replace(full_disk());
    slow.send(&whole[7_000..]).await;
    drop(slow.body);
    let answer = slow.answer.await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "30");
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("1.0 MiB must stay free"), "{}", String::from_utf8_lossy(&body));
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 0);
}

#[tokio::test]
async fn so_many_uploads_are_under_way_at_a_time_and_no_more() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let whole = form(&[Field::image("moon.png", &moon)]);
    let mut slow = Vec::new();
    for _ in 0..CAPACITY.max_uploads {
        slow.push(Slow::begin(&server, &whole).await);
    }
    // From here on only clocks are waited for.
    tokio::time::pause();
    let refused = server.post(&[Field::image("moon.png", &moon)], &[]).await;
    tokio::time::resume();
    assert!(refused.problem(503).contains("20 uploads are in progress"));
    assert_eq!(refused.header("retry-after"), "2");
    let first = slow.remove(0);
    first.send(&whole[7_000..]).await;
    drop(first.body);
    let (next, first) = tokio::join!(server.upload("moon.png", &moon), first.answer);
    assert_eq!(first.unwrap().status(), 202);
    assert_eq!(server.catalog.job(&next.1).await.unwrap().unwrap().id, next.1);
}

#[tokio::test]
async fn a_client_that_falls_silent_is_told_so_and_its_turn_ends() {
    let server = Api::new().await;
    let whole = form(&[Field::image("moon.png", &sample("moon.png"))]);
    let slow = Slow::begin(&server, &whole).await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let answer = slow.answer.await.unwrap();
    assert_eq!(answer.status(), 408);
    assert!((60..70).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}
