//! Downloads of originals, results, and views of both.

use testkit::images::sample;

use super::harness::{Api, sha256};

#[tokio::test]
async fn an_original_comes_back_whole_or_in_ranges() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let (image, _) = server.upload("Mond \u{e4}.png", &moon).await;
    let path = format!("/api/images/{image}/original");
    let whole = server.get(&path).await;
    assert_eq!((whole.status.as_u16(), whole.body.len()), (200, moon.len()));
    assert_eq!(whole.body, moon);
    let etag = format!("\"{}\"", sha256(&moon));
    assert_eq!(whole.header("etag"), etag);
    assert_eq!(whole.header("content-type"), "image/png");
    assert_eq!(whole.header("content-length"), moon.len().to_string());
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert!(whole.header("content-disposition").contains("filename*=UTF-8''Mond%20%C3%A4.png"));
    assert!(whole.header("cache-control").contains("immutable"));

    let part = server.get_with(&path, &[("range", "bytes=10-19")]).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &moon[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", moon.len()));
    assert_eq!(part.header("content-length"), "10");
    let tail = server.get_with(&path, &[("range", "bytes=-7"), ("if-range", &etag)]).await;
    assert_eq!((tail.status.as_u16(), &tail.body[..]), (206, &moon[moon.len() - 7..]));
    let stale = server.get_with(&path, &[("range", "bytes=-7"), ("if-range", "\"old\"")]).await;
    assert_eq!((stale.status.as_u16(), stale.body.len()), (200, moon.len()));
    let beyond = server.get_with(&path, &[("range", "bytes=99999999-")]).await;
    assert!(beyond.problem(416).contains("outside"));
    assert_eq!(beyond.header("content-range"), format!("bytes */{}", moon.len()));

    let known = server.get_with(&path, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), etag);
    let head = server.call("HEAD", &path, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), moon.len().to_string());
}

#[tokio::test]
async fn each_job_has_its_result_and_the_latest_is_the_images() {
    let server = Api::new().await;
    let (image, first) = server.upload("moon.png", &sample("moon.png")).await;
    let path = format!("/api/images/{image}/result");
    assert!(server.get(&path).await.problem(404).contains("no such result"));
    server.finish(&image, &first, b"first").await;
    let added = server.call("POST", &format!("/api/images/{image}/jobs"), &[], r#"{"color":"gray"}"#).await;
    let second = super::harness::ids(&added).1;
    assert_eq!(server.get(&path).await.body, "first", "the finished one while the other waits");
    server.get(&format!("{path}?job={second}")).await.problem(404);
    server.finish(&image, &second, b"second").await;
    let latest = server.get(&path).await;
    assert_eq!(latest.body, "second");
    assert!(latest.header("content-disposition").contains("moon-equalized.png"));
    assert_eq!(latest.header("cache-control"), "private, no-cache");
    let chosen = server.get(&format!("{path}?job={first}")).await;
    assert_eq!(chosen.body, "first");
    assert!(chosen.header("cache-control").contains("immutable"));
    server.get(&format!("{path}?job=../x")).await.problem(400);
}

#[tokio::test]
async fn a_browser_gets_pictures_it_can_show() {
    let server = Api::new().await;
    let coffee = sample("coffee.png");
    let (image, job) = server.upload("coffee.png", &coffee).await;
    let small = server.get(&format!("/api/images/{image}/thumbnail")).await;
    assert_eq!(small.status, 200, "{}", String::from_utf8_lossy(&small.body));
    assert!(small.header("content-type").starts_with("image/"));
    assert_eq!(small.header("cache-control"), "private, no-cache", "its result will replace it");
    let view = server.get(&format!("/api/images/{image}/view")).await;
    assert_eq!(view.status, 200);
    assert!(view.body.len() > small.body.len());
    server.get(&format!("/api/images/{image}/result/view")).await.problem(404);

    let moon = sample("moon.png");
    server.finish(&image, &job, &moon).await;
    let path = format!("/api/images/{image}/thumbnail?job={job}");
    let of_result = server.get(&path).await;
    assert_ne!(of_result.body, small.body);
    assert!(of_result.header("cache-control").contains("immutable"));
    let etag = of_result.header("etag").to_owned();
    assert_eq!(server.get_with(&path, &[("if-none-match", &etag)]).await.status, 304);
    let part = server.get_with(&path, &[("range", "bytes=2-5")]).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &of_result.body[2..6]));
    server.get_with(&path, &[("range", "bytes=99999999-")]).await.problem(416);
    assert_eq!(server.get(&format!("/api/images/{image}/result/view")).await.status, 200);
}

#[tokio::test]
async fn an_image_whose_pixels_are_torn_has_a_sentence_instead_of_a_picture() {
    let server = Api::new().await;
    let mut moon = sample("moon.png");
    let middle = moon.len() / 2;
    moon[middle..middle + 64].fill(0x55);
    let (image, _) = server.upload("torn.png", &moon).await;
    let sentence = server.get(&format!("/api/images/{image}/thumbnail")).await.problem(422);
    assert!(sentence.ends_with('.'), "{sentence}");
}

#[tokio::test]
async fn a_file_that_the_store_damaged_is_never_sent_as_if_it_were_whole() {
    use futures::TryStreamExt;
    let server = Api::new().await;
    let (image, job) = server.upload("moon.png", &sample("moon.png")).await;
    let result = vec![7_u8; 3 << 20];
    server.finish(&image, &job, &result).await;
    let path = format!("/api/images/{image}/result");
    assert_eq!(server.get(&path).await.body, result);

    let key = server.catalog.files(&image, None).await.unwrap().unwrap().result.unwrap().key;
    let mut flipped = result.clone();
    flipped[1 << 20] ^= 1;
    server.damage(&key, &flipped);
    let answer = server.answer(&path).await;
    assert_eq!(answer.status(), 200, "the head is sent before the bytes are read");
    let mut sent = 0;
    let mut body = answer.into_body().into_data_stream();
    let broken = loop {
        match body.try_next().await {
            Ok(Some(piece)) => sent += piece.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken && sent < result.len(), "{sent} bytes were sent");
    assert_eq!(server.get_with(&path, &[("range", "bytes=0-9")]).await.body, result[..10]);

    for other in [&result[1..], &[&result[..], b"x"].concat()] {
        server.damage(&key, other);
        assert!(server.get(&path).await.problem(500).contains("damaged"));
        assert!(server.get_with(&path, &[("range", "bytes=0-9")]).await.problem(500).contains("damaged"));
    }
}

#[tokio::test]
async fn several_results_come_as_one_zip_each_under_its_own_name() {
    let server = Api::new().await;
    let (moon, moon_job) = server.upload("moon.png", &sample("moon.png")).await;
    let (other, other_job) = server.upload("MOON.png", &sample("cell.png")).await;
    let (waiting, _) = server.upload("rocket.jpg", &sample("rocket.jpg")).await;
    server.finish(&moon, &moon_job, b"the moon").await;
    server.finish(&other, &other_job, &vec![7; 300_000]).await;
    let read = |bytes: &[u8]| {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes.to_vec())).unwrap();
        let mut found = Vec::new();
        for at in 0..zip.len() {
            let mut entry = zip.by_index(at).unwrap();
            assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
            let name = entry.name().unwrap().into_owned();
            found.push((name, content));
        }
        found
    };
    let chosen = format!("image={moon}&image={other}&image={waiting}");
    let results = server.get(&format!("/api/images/zip?{chosen}")).await;
    assert_eq!(results.header("content-type"), "application/zip");
    assert!(results.header("content-disposition").contains("evenlight-results.zip"));
    let expected = [
        ("moon-equalized.png".to_owned(), b"the moon".to_vec()),
        ("MOON-equalized (2).png".to_owned(), vec![7; 300_000]),
    ];
    assert_eq!(read(&results.body), expected);

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let originals = server.call("POST", "/api/images/zip", &form, format!("what=original&{chosen}")).await;
    let originals = read(&originals.body);
    assert_eq!(originals.len(), 3);
    assert_eq!(originals[2], ("rocket.jpg".to_owned(), sample("rocket.jpg")));

    server.get(&format!("/api/images/zip?image={waiting}")).await.problem(404);
    assert!(server.get("/api/images/zip?what=original").await.problem(400).contains("at least one"));
    assert!(
        server.get(&format!("/api/images/zip?what=all&image={moon}")).await.problem(400).contains("original or result")
    );
}

#[tokio::test]
async fn a_zip_of_a_file_that_the_store_damaged_breaks_off() {
    let server = Api::new().await;
    let (moon, _) = server.upload("moon.png", &sample("moon.png")).await;
    let files = server.catalog.files(&moon, None).await.unwrap().unwrap();
    server.damage(&files.original, &vec![7; sample("moon.png").len()]);
    let answer = server.answer(&format!("/api/images/zip?what=original&image={moon}")).await;
    assert_eq!(answer.status(), 200);
    axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap_err();
}

#[tokio::test]
async fn a_thumbnail_leaves_a_thumbhash_of_what_it_shows() {
    let server = Api::new().await;
    let (image, _) = server.upload("rocket.jpg", &sample("rocket.jpg")).await;
    let path = format!("/api/images/{image}");
    assert_eq!(server.get(&path).await.json()["thumbhash"], serde_json::Value::Null);
    assert_eq!(server.get(&format!("{path}/thumbnail")).await.status, 200);
    let hash = server.get(&path).await.json()["thumbhash"].as_str().unwrap().to_owned();
    let hash = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, hash).unwrap();
    // The rocket is 640 × 427, and mostly dark.
    assert!((thumbhash::thumb_hash_to_approximate_aspect_ratio(&hash).unwrap() - 1.5).abs() < 0.2);
    let (r, g, b, a) = thumbhash::thumb_hash_to_average_rgba(&hash).unwrap();
    assert!(r < 0.5 && g < 0.5 && b < 0.5 && a > 0.9, "{r} {g} {b} {a}");
    let page = server.get_with("/", &[("accept", "text/html")]).await;
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(
        html.contains("background-image:url(data:image/bmp;base64,"),
        "its tile shows it before the thumbnail comes"
    );
}
