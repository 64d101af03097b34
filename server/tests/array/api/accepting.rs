//! Accepting uploads: what is answered with 202 is kept, and a repeated upload stays a single image.

use std::sync::atomic::Ordering;

use axum::body::{Body, Bytes};
use shared::equalize::{Color, Recipe};
use shared::job::JobState;
use testkit::images::sample;

use super::harness::{Api, FORM, Field, form, ids, request};

#[tokio::test]
async fn an_upload_is_answered_with_its_ids_and_waits_in_the_catalog() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let recipe = Field::recipe(r#"{"method":"global","color":"hsv"}"#);
    let answer = server.post(&[recipe, Field::image("moon.png", &moon)], &[]).await;
    assert_eq!(answer.status, 202);
    let (image, job) = ids(&answer);
    assert_eq!(answer.json()["state"], "queued");
    assert_eq!(answer.header("location"), format!("/api/images/{image}"));
    assert_eq!(server.rings.load(Ordering::SeqCst), 1);

    let shown = server.get(answer.header("location")).await.json();
    assert_eq!(shown["id"], image.as_str());
    assert_eq!(shown["job_id"], job.as_str());
    assert_eq!(shown["name"], "moon.png");
    assert_eq!(shown["state"], "queued");
    assert_eq!((&shown["width"], &shown["height"]), (&512.into(), &512.into()));
    assert_eq!(shown["format"], "png");
    assert_eq!(shown["bytes"], moon.len());
    assert_eq!(shown["recipe"]["color"], "hsv");
    let row = server.catalog.queued(10, 0, u64::MAX).await.unwrap().pop().unwrap();
    assert_eq!((row.job, row.recipe), (job, Recipe::global(Color::Hsv)));
    assert_eq!(server.store.get(&row.original).await.unwrap(), Bytes::from(moon));
}

#[tokio::test]
async fn every_sample_is_taken_or_refused_with_a_sentence() {
    let server = Api::new().await;
    for name in [
        "brick.png",
        "cell.png",
        "coffee.png",
        "page.png",
        "retina.jpg",
        "rocket.jpg",
        "hubble_deep_field.jpg",
        "multipage.tif",
    ] {
        server.upload(name, &sample(name)).await;
    }
    let half = server.post(&[Field::image("half.tif", &sample("multipage.tif")[..300])], &[]).await;
    assert!(half.problem(422).contains("TIFF"));
}

#[tokio::test]
async fn a_repeated_upload_with_its_key_gets_the_same_answer_and_leaves_one_image() {
    let server = Api::new().await;
    let (moon, key) = (sample("moon.png"), [("idempotency-key", "k1")]);
    let first = server.post(&[Field::image("moon.png", &moon)], &key).await;
    let again = server.post(&[Field::image("moon.png", &moon)], &key).await;
    assert_eq!(again.status, 202);
    assert_eq!(ids(&again), ids(&first));
    assert_eq!(server.get("/api/images").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_with_a_reference_is_repeated_as_a_whole() {
    let server = Api::new().await;
    let (moon, cell, key) = (sample("moon.png"), sample("cell.png"), [("idempotency-key", "k1")]);
    let recipe = || Field { name: "method", file: None, bytes: b"match" };
    let reference = |file| Field { name: "reference", file: Some(file), bytes: &cell };
    let parts = || [recipe(), reference("cell.png"), Field::image("moon.png", &moon)];
    let first = server.post(&parts(), &key).await;
    let again = server.post(&parts(), &key).await;
    assert_eq!(ids(&again), ids(&first));
    let listed = server.get("/api/images").await.json()["items"].as_array().unwrap().len();
    assert_eq!(listed, 2, "the image and its reference, once each");
}

#[tokio::test]
async fn what_is_wrong_with_a_reference_that_is_sent_is_said() {
    let server = Api::new().await;
    let (moon, id) = (sample("moon.png"), "0123456789abcdef0123456789abcdef");
    let image = || Field::image("moon.png", &moon);
    let sent = |name: &'static str, bytes| Field { name, file: Some("other.png"), bytes };
    let empty = || Field { name: "mask", file: Some(""), bytes: b"" };
    let named = format!(r#"{{"method":"match","reference":"{id}"}}"#);
    let half = &moon[..40];
    for (parts, status, words) in [
        (
            vec![Field::recipe(&named), sent("reference", &moon), image()],
            400,
            "named or sent as a file; got more than one",
        ),
        (vec![sent("mask", &moon), sent("mask", &moon), image()], 400, "named or sent as a file; got more than one"),
        (vec![Field::recipe("{}"), sent("reference", &moon), image()], 400, "is a parameter of the method `match`"),
        (vec![Field::recipe("{}"), sent("mask", half), image()], 422, "The mask image: "),
        (vec![Field::recipe("{}"), image(), sent("mask", &moon)], 400, "`mask` must come before the field `image`"),
        (vec![Field::recipe(r#"{"method":"match"}"#), empty(), image()], 400, "needs the id of an image"),
    ] {
        let said = server.post(&parts, &[]).await.problem(status);
        assert!(said.contains(words), "{said}");
    }
    // A page's form in which no file was chosen.
    assert_eq!(server.post(&[empty(), image()], &[]).await.status, 202);
}

#[tokio::test]
async fn a_key_with_another_body_or_recipe_is_refused() {
    let server = Api::new().await;
    let (moon, cell, key) = (sample("moon.png"), sample("cell.png"), [("idempotency-key", "k1")]);
    server.post(&[Field::image("moon.png", &moon)], &key).await;
    let other = server.post(&[Field::image("moon.png", &cell)], &key).await;
    assert!(other.problem(422).contains("another body"));
    let recipe = Field::recipe(r#"{"color":"gray"}"#);
    let other = server.post(&[recipe, Field::image("moon.png", &moon)], &key).await;
    assert!(other.problem(422).contains("another recipe"));
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 1);
}

#[tokio::test]
async fn an_upload_that_broke_off_is_taken_over_by_its_retry() {
    let server = Api::new().await;
    let (moon, key) = (sample("moon.png"), [("idempotency-key", "k1"), ("content-type", FORM)]);
    let whole = form(&[Field::image("moon.png", &moon)]);
    let half = whole[..whole.len() / 2].to_vec();
    let broken = server.call("POST", "/api/images", &key, half).await;
    assert!(broken.problem(400).contains("ends early"));
    assert!(server.get("/api/images").await.json()["items"].as_array().unwrap().is_empty());
    let retried = server.call("POST", "/api/images", &key, whole).await;
    assert_eq!(retried.status, 202);
    assert_eq!(server.get("/api/images").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_uploads_with_one_key_at_the_same_time_the_later_one_counts() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let whole = form(&[Field::image("moon.png", &moon)]);
    let (send, receive) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receive));
    let key = [("idempotency-key", "k1"), ("content-type", FORM)];
    let slow = tokio::spawn({
        let router = server.router.clone();
        let slow = request("POST", "/api/images", &key, body);
        async move { tower::ServiceExt::oneshot(router, slow).await.unwrap() }
    });
    // The channel holds one piece: when the third is taken, the first has been read and its row exists.
    for piece in [&whole[..5_000], &whole[5_000..6_000], &whole[6_000..7_000]] {
        send.send(Ok(Bytes::copy_from_slice(piece))).await.unwrap();
    }
    let second = server.call("POST", "/api/images", &key, whole.clone()).await;
    assert_eq!(second.status, 202);
    send.send(Ok(Bytes::copy_from_slice(&whole[7_000..]))).await.unwrap();
    drop(send);
    assert_eq!(slow.await.unwrap().status(), 409);
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 1);
}

#[tokio::test]
async fn a_browsers_own_form_is_led_to_the_pages() {
    let server = Api::new().await;
    let html = [("accept", "text/html,application/xhtml+xml")];
    let (moon, cell) = (sample("moon.png"), sample("cell.png"));
    let one = server.post(&[Field::image("moon.png", &moon)], &html).await;
    assert_eq!(one.status, 303);
    assert!(one.header("location").starts_with("/images/"));
    let two = server.post(&[Field::image("a.png", &moon), Field::image("b.png", &cell)], &html).await;
    assert_eq!((two.status.as_u16(), two.header("location")), (303, "/"));
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 3);
    let bad = server.post(&[Field::image("<b>.png", b"no image at all")], &html).await;
    assert_eq!(bad.status, 415);
    assert!(bad.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn clients_of_the_older_system_upload_and_download() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let answer = server.post_to("/upload", &[Field::image("moon.png", &moon)], &[]).await;
    assert_eq!(answer.status, 200);
    let job: shared::id::JobId = answer.json()["job_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(answer.json().as_object().unwrap().len(), 1);
    server.get(&format!("/download/{job}")).await.problem(404);
    let image = server.catalog.job(&job).await.unwrap().unwrap().image_id;
    server.finish(&image, &job, b"equalized").await;
    for name in [format!("{job}"), format!("{job}.png"), "moon.png".into(), "moon-equalized.png".into()] {
        let answer = server.get(&format!("/download/{name}")).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"equalized"[..]), "{name}");
    }
    server.get("/download/sun.png").await.problem(404);

    let coffee = sample("coffee.png");
    let fields = [Field::recipe(r#"{"method":"global","to":"jpeg"}"#), Field::image("coffee.png", &coffee)];
    let (image, job) = ids(&server.post(&fields, &[]).await);
    server.finish(&image, &job, b"as JPEG").await;
    for name in ["coffee.png", "coffee-equalized.jpg"] {
        let answer = server.get(&format!("/download/{name}")).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"as JPEG"[..]), "{name}");
        assert_eq!(answer.header("content-type"), "image/jpeg");
    }
    server.get("/download/coffee-equalized.png").await.problem(404);
}

#[tokio::test]
async fn another_recipe_is_another_job_of_the_image() {
    let server = Api::new().await;
    let (image, first) = server.upload("moon.png", &sample("moon.png")).await;
    let path = format!("/api/images/{image}/jobs");
    let key = [("idempotency-key", "again")];
    let answer = server.call("POST", &path, &key, r#"{"recipe":{"method":"global","color":"gray"}}"#).await;
    assert_eq!(answer.status, 202);
    let (_, second) = ids(&answer);
    assert_ne!(first, second);
    assert_eq!(ids(&server.call("POST", &path, &key, r#"{"color":"gray"}"#).await).1, second);
    server.call("POST", &path, &key, r#"{"color":"hsv"}"#).await.problem(422);
    let shown = server.get(&format!("/api/images/{image}")).await.json();
    assert_eq!(shown["job_id"], second.as_str());
    assert_eq!(shown["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(server.get(&format!("/api/jobs/{first}")).await.json()["state"], JobState::Queued.name());

    assert!(server.call("POST", &path, &[], r#"{"method":"magic"}"#).await.problem(400).contains("`global`"));
    assert!(server.call("POST", &path, &[], "").await.problem(400).contains("recipe"));
    let nobody = "0123456789abcdef0123456789abcdef";
    server.call("POST", &format!("/api/images/{nobody}/jobs"), &[], "{}").await.problem(404);
}
