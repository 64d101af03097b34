//! Resumable uploads by tus 1.0.

use axum::body::{Body, Bytes};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use testkit::images::sample;

use super::harness::{Answer, Api, MOST};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");
const BYTES: (&str, &str) = ("content-type", "application/offset+octet-stream");

async fn begin(server: &Api, name: &str, length: usize, more: &[(&str, &str)]) -> Answer {
    begin_with(server, name, length, r#"{"method":"global","color":"hsv"}"#, more).await
}

async fn begin_with(server: &Api, name: &str, length: usize, recipe: &str, more: &[(&str, &str)]) -> Answer {
    let metadata = format!("filename {},recipe {},filetype", STANDARD.encode(name), STANDARD.encode(recipe));
    let length = length.to_string();
    let mut headers = vec![TUS, ("upload-length", &length), ("upload-metadata", &metadata)];
    headers.extend_from_slice(more);
    server.call("POST", "/api/uploads", &headers, "").await
}

/// Creates an upload and returns its location.
async fn location(server: &Api, name: &str, length: usize) -> String {
    let answer = begin(server, name, length, &[]).await;
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    answer.header("location").to_owned()
}

async fn append(server: &Api, path: &str, offset: usize, body: impl Into<Body>) -> Answer {
    server.call("PATCH", path, &[TUS, BYTES, ("upload-offset", &offset.to_string())], body).await
}

async fn offset(server: &Api, path: &str) -> usize {
    let answer = server.call("HEAD", path, &[TUS], "").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, "no-store"));
    answer.header("upload-offset").parse().unwrap()
}

#[tokio::test]
async fn the_server_says_what_it_can() {
    let server = Api::new().await;
    let answer = server.call("OPTIONS", "/api/uploads", &[], "").await;
    assert_eq!(answer.status, 204);
    let told = ["tus-version", "tus-extension", "tus-max-size"].map(|name| answer.header(name).to_owned());
    assert_eq!(told, ["1.0.0".to_owned(), "creation,termination".to_owned(), MOST.to_string()]);
    let other = [("tus-resumable", "0.2.2"), ("upload-length", "1")];
    assert!(server.call("POST", "/api/uploads", &other, "").await.problem(412).contains("1.0.0"));
}

#[tokio::test]
async fn an_upload_in_parts_is_one_image_whatever_pod_takes_them() {
    let server = Api::new().await;
    let rocket = sample("rocket.jpg");
    let path = location(&server, "rocket.jpg", rocket.len()).await;
    assert_eq!(offset(&server, &path).await, 0);
    let (third, two_thirds) = (rocket.len() / 3, rocket.len() / 3 * 2);
    let answer = append(&server, &path, 0, rocket[..third].to_vec()).await;
    assert_eq!((answer.status.as_u16(), answer.header("upload-offset")), (204, third.to_string().as_str()));
    assert!(server.get(&path).await.problem(409).contains(&rocket.len().to_string()));
    assert!(server.get("/api/images").await.json()["items"].as_array().unwrap().is_empty());

    // Another pod has the same information, from the same catalog and store.
    let other = server.another_pod();
    assert_eq!(offset(&other, &path).await, third);
    assert_eq!(append(&other, &path, third, rocket[third..two_thirds].to_vec()).await.status, 204);
    assert_eq!(append(&server, &path, two_thirds, rocket[two_thirds..].to_vec()).await.status, 204);
    let accepted = server.get(&path).await;
    assert_eq!(accepted.status, 202);
    let image = accepted.json()["image_id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/images/{image}/original")).await.body, rocket);
    let shown = server.get(&format!("/api/images/{image}")).await.json();
    assert_eq!(
        (&shown["name"], &shown["recipe"]["color"], &shown["state"]),
        (&"rocket.jpg".into(), &"hsv".into(), &"queued".into())
    );
    assert_eq!(other.get(&path).await.json()["image_id"], image, "asked again, the same");
    assert_eq!(offset(&server, &path).await, rocket.len());
}

#[tokio::test]
async fn what_came_before_the_connection_broke_is_kept() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let path = location(&server, "moon.png", moon.len()).await;
    let sent = moon.len() / 2;
    let first = Bytes::copy_from_slice(&moon[..sent]);
    let broken = futures::stream::iter([Ok(first), Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))]);
    append(&server, &path, 0, Body::from_stream(broken)).await;
    assert_eq!(offset(&server, &path).await, sent);

    let wrong = append(&server, &path, 7, moon[7..].to_vec()).await;
    assert!(wrong.problem(409).contains(&format!("from offset {sent},")));
    assert_eq!(append(&server, &path, sent, moon[sent..].to_vec()).await.status, 204);
    let image = server.get(&path).await.json()["image_id"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/images/{image}/original")).await.body, moon);
}

#[tokio::test]
async fn of_two_requests_with_the_same_bytes_one_counts() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let path = location(&server, "moon.png", moon.len()).await;
    let half = moon.len() / 2;
    let send = || append(&server, &path, 0, moon[..half].to_vec());
    let (a, b) = tokio::join!(send(), send());
    let (a, b) = (a.status.as_u16(), b.status.as_u16());
    let mut both = [a, b];
    both.sort_unstable();
    assert_eq!(both, [204, 409]);
    assert_eq!(offset(&server, &path).await, half);
}

#[tokio::test]
async fn a_creation_repeated_with_its_key_goes_on_where_it_was_and_makes_no_second_image() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let key = [("idempotency-key", "moon-1")];
    let path = begin(&server, "moon.png", moon.len(), &key).await.header("location").to_owned();
    append(&server, &path, 0, moon[..100].to_vec()).await;
    let again = begin(&server, "moon.png", moon.len(), &key).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (201, path.as_str()));
    assert_eq!(offset(&server, &path).await, 100);
    append(&server, &path, 100, moon[100..].to_vec()).await;
    let accepted = server.get(&path).await.json();
    let done = begin(&server, "moon.png", moon.len(), &key).await;
    assert_eq!((done.status.as_u16(), done.header("location")), (201, path.as_str()));
    assert_eq!(offset(&server, &path).await, moon.len());
    assert_eq!(server.get(&path).await.json()["image_id"], accepted["image_id"]);
    // A plain upload with the key gets the same answer.
    let plain = [super::harness::Field::recipe(r#"{"color":"hsv"}"#), super::harness::Field::image("moon.png", &moon)];
    assert_eq!(server.post(&plain, &key).await.json()["image_id"], accepted["image_id"]);
    assert_eq!(server.get("/api/images/sections").await.json()["total"], 1);
}

#[tokio::test]
async fn an_upload_that_is_given_up_is_gone() {
    let server = Api::new().await;
    let path = location(&server, "moon.png", 1_000).await;
    append(&server, &path, 0, sample("moon.png")[..100].to_vec()).await;
    assert_eq!(server.call("DELETE", &path, &[TUS], "").await.status, 204);
    assert_eq!(server.call("HEAD", &path, &[TUS], "").await.status, 410);
    append(&server, &path, 100, vec![0; 900]).await.problem(410);
    server.call("DELETE", &path, &[TUS], "").await.problem(410);
    let epoch = server.catalog.take_epoch("test").await.unwrap();
    let left = server.catalog.abandon(&epoch, std::time::Duration::from_secs(3_600)).await.unwrap().unwrap();
    assert_eq!(left.len(), 1, "the master deletes what it left");
}

#[tokio::test]
async fn a_resumable_upload_may_ask_for_another_format_if_it_can_hold_the_image() {
    let server = Api::new().await;
    let asked = |recipe: &'static str, file: Vec<u8>| {
        let server = &server;
        async move {
            let answer = begin_with(server, "a", file.len(), recipe, &[]).await;
            assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
            let path = answer.header("location").to_owned();
            (append(server, &path, 0, file).await, path)
        }
    };
    let (answer, path) = asked(r#"{"method":"global","to":"jpeg","depth":8}"#, sample("moon.png")).await;
    assert_eq!(answer.status, 204);
    let image = server.get(&path).await.json()["image_id"].as_str().unwrap().to_owned();
    let recipe = &server.get(&format!("/api/images/{image}")).await.json()["recipe"];
    assert_eq!((&recipe["to"], &recipe["depth"]), (&"jpeg".into(), &8.into()));

    let (answer, path) = asked(r#"{"method":"global","to":"webp"}"#, sample("multipage.tif")).await;
    assert!(answer.problem(422).contains("pages, which can only be kept as they are"));
    assert_eq!(server.call("HEAD", &path, &[TUS], "").await.status, 410);
}

#[tokio::test]
async fn what_is_no_image_is_refused_with_its_first_bytes_and_a_damaged_one_at_its_end() {
    let server = Api::new().await;
    let letter = location(&server, "letter.png", 10_000).await;
    assert!(append(&server, &letter, 0, b"Dear array, I am no picture.".to_vec()).await.problem(415).contains("not a"));
    assert_eq!(server.call("HEAD", &letter, &[TUS], "").await.status, 410);

    let torn = &sample("moon.png")[..40];
    let path = location(&server, "torn.png", torn.len()).await;
    append(&server, &path, 0, torn.to_vec()).await.problem(422);
    assert_eq!(server.call("HEAD", &path, &[TUS], "").await.status, 410);
    assert!(server.get("/api/images").await.json()["items"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_told_why() {
    let server = Api::new().await;
    let post = |headers: Vec<(&'static str, &'static str)>| {
        let server = &server;
        async move { server.call("POST", "/api/uploads", &headers, "").await }
    };
    assert!(post(vec![TUS]).await.problem(400).contains("Upload-Length"));
    assert!(post(vec![TUS, ("upload-length", "many")]).await.problem(400).contains("number"));
    post(vec![TUS, ("upload-length", "0")]).await.problem(400);
    post(vec![TUS, ("upload-length", "999999999999")]).await.problem(413);
    assert!(
        post(vec![TUS, ("upload-length", "9"), ("upload-metadata", "filename !")])
            .await
            .problem(400)
            .contains("base64")
    );
    post(vec![TUS, ("upload-length", "9"), ("upload-metadata", "recipe e30x")]).await.problem(400);
    let path = location(&server, "moon.png", 100).await;
    server.call("PATCH", &path, &[TUS, ("upload-offset", "0")], "").await.problem(415);
    assert!(server.call("PATCH", &path, &[TUS, BYTES], "").await.problem(400).contains("Upload-Offset"));
    append(&server, &path, 0, sample("moon.png")[..101].to_vec()).await.problem(413);
}

#[tokio::test]
async fn what_is_announced_must_fit_on_the_disk_beside_what_others_announced() {
    let server = Api::new().await;
    let free = super::harness::CAPACITY.min_free + 100_000;
    server.figures.send_modify(|known| known.free = Some(free));
    let first = location(&server, "a.png", 60_000).await;
    let refused = begin(&server, "b.png", 60_000, &[]).await;
    let sentence = refused.problem(507);
    assert!(sentence.contains("60000 bytes") && sentence.contains("room for"), "{sentence}");
    assert_eq!(refused.header("retry-after"), "30");
    // A small one is accepted, and a plain upload isn't blocked by what others announced.
    location(&server, "b.png", 40_000).await;
    server.upload("moon.png", &sample("moon.png")).await;
    assert_eq!(server.call("DELETE", &first, &[TUS], "").await.status, 204);
    location(&server, "c.png", 60_000).await;
}

#[tokio::test]
async fn so_many_resumable_uploads_may_be_unfinished_and_no_more() {
    let server = Api::new().await;
    for _ in 0..super::harness::CAPACITY.max_unfinished {
        location(&server, "a.png", 100).await;
    }
    let key = [("idempotency-key", "again")];
    let refused = begin(&server, "a.png", 100, &key).await;
    assert!(refused.problem(503).contains("8 uploads are unfinished"));
    assert_eq!(refused.header("retry-after"), "30");
}
