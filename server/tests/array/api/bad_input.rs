//! Bad input: it gets an answer, and the next upload works.

use testkit::images::sample;

use super::harness::{Api, FORM, Field, MOST, form};

/// Returns a PNG's signature and header of the given size, and nothing else.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    let crc = crc32fast::hash(&header);
    png.extend(header);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

#[tokio::test]
async fn what_is_no_image_is_refused_and_the_next_upload_works() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let truncated = &moon[..20];
    let huge = png_header(100_000, 100_000);
    let text = "This is a text file that is called .png.";
    let cases: [(&str, &[u8], u16, &str); 7] = [
        ("empty.png", b"", 400, "empty"),
        ("short.png", b"abc", 415, "not a PNG, JPEG, TIFF or WebP"),
        ("text.png", text.as_bytes(), 415, "not a PNG, JPEG, TIFF or WebP"),
        ("movie.gif", b"GIF89a\x01\0\x01\0\0\0\0\0\0\0\0\0", 415, "This is a GIF image"),
        ("fits.png", b"SIMPLE  =                    T", 415, "`gdal_translate in.fits out.tif`"),
        ("truncated.png", truncated, 422, ""),
        ("huge.png", &huge, 422, "100,000"),
    ];
    for (name, bytes, status, says) in cases {
        let answer = server.post(&[Field::image(name, bytes)], &[]).await;
        let sentence = answer.problem(status);
        assert!(sentence.contains(says), "{name}: {sentence}");
        assert!(sentence.ends_with('.'), "{name}: not a sentence: {sentence}");
    }
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 0);
    server.upload("moon.png", &moon).await;
}

#[tokio::test]
async fn an_upload_above_the_limit_is_refused_without_reading_it_all() {
    let server = Api::new().await;
    let mut large = sample("moon.png");
    large.resize(MOST as usize + 1, 0);
    let sentence = server.post(&[Field::image("large.png", &large)], &[]).await.problem(413);
    assert!(sentence.contains(&MOST.to_string()), "{sentence}");
    // A form may contain an image, a reference and a mask.
    let told = (3 * MOST + (2 << 20)).to_string();
    let headers = [("content-type", FORM), ("content-length", told.as_str())];
    server.call("POST", "/api/images", &headers, "").await.problem(413);
    server.upload("moon.png", &sample("moon.png")).await;
}

#[tokio::test]
async fn a_form_that_is_not_as_expected_is_told_what_is() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let image = Field::image("moon.png", &moon);
    let recipe = Field::recipe("{}");
    let other = Field { name: "colour", file: None, bytes: b"hsv" };
    let long = "x".repeat(20_000);
    for (parts, status, says) in [
        (vec![], 400, "`image`; there is none"),
        (vec![recipe], 400, "`image`; there is none"),
        (vec![image, recipe], 400, "before the field `image`"),
        (vec![image, image], 400, "one image per request"),
        (vec![recipe, recipe, image], 400, "more than one field `recipe`"),
        (vec![other, image], 400, "got \"colour\""),
        (vec![Field::recipe("{"), image], 400, "recipe can't be used"),
        (vec![Field::recipe(r#"{"method":"magic"}"#), image], 400, "`global`"),
        (vec![Field::recipe(r#"{"color":"sepia"}"#), image], 400, "`luma`"),
        (vec![Field::recipe(&long), image], 413, "longer than"),
    ] {
        let sentence = server.post(&parts, &[]).await.problem(status);
        assert!(sentence.contains(says), "expected {says:?} in {sentence:?}");
    }
    let plain = server.call("POST", "/api/images", &[("content-type", "image/png")], moon.clone()).await;
    assert!(plain.problem(415).contains("multipart/form-data"));
    let bare = server.call("POST", "/api/images", &[("content-type", "multipart/form-data")], form(&[image])).await;
    bare.problem(400);
    let key = "k".repeat(300);
    server.post(&[image], &[("idempotency-key", &key)]).await.problem(400);
    assert_eq!(server.catalog.backlog().await.unwrap().queued, 0);
}

#[tokio::test]
async fn a_form_whose_headers_never_end_is_not_collected() {
    let server = Api::new().await;
    let endless = axum::body::Body::from_stream(futures::stream::unfold(0_u64, |sent| async move {
        let chunk = if sent == 0 { b"--XX\r\nContent-Disposition: ".to_vec() } else { vec![b'a'; 64 << 10] };
        assert!(sent < 8 << 20, "more was read than can be of use");
        let next = sent + chunk.len() as u64;
        Some((Ok::<_, std::io::Error>(chunk), next))
    }));
    let answer = server.call("POST", "/api/images", &[("content-type", FORM)], endless).await;
    answer.problem(400);
}

/// Returns a body in which every byte is a separate chunk; it panics if more than `most` of them are read.
fn dripping(body: Vec<u8>, most: usize) -> axum::body::Body {
    axum::body::Body::from_stream(futures::stream::iter(body.into_iter().enumerate().map(move |(sent, byte)| {
        assert!(sent < most, "more was read than can be of use");
        Ok::<_, std::io::Error>(vec![byte])
    })))
}

#[tokio::test]
async fn a_form_whose_header_comes_byte_by_byte_isnt_searched_again_for_each() {
    let server = Api::new().await;
    let header = [b"--XX\r\nContent-Disposition: ".to_vec(), vec![b'a'; 100_000]].concat();
    let answer = server.call("POST", "/api/images", &[("content-type", FORM)], dripping(header, 2_000)).await;
    answer.problem(400);
    // The bytes of an image may arrive like this.
    let body = form(&[Field::image("cell.png", &sample("cell.png"))]);
    let answer = server.call("POST", "/api/images", &[("content-type", FORM)], dripping(body, usize::MAX)).await;
    assert_eq!(answer.status, 202);
}

#[tokio::test]
async fn a_form_of_very_many_fields_isnt_collected() {
    let server = Api::new().await;
    let moon = sample("moon.png");
    let strength = Field { name: "color", file: None, bytes: b"luma" };
    let mut parts = vec![strength; 100];
    parts.push(Field::image("moon.png", &moon));
    assert!(server.post(&parts, &[]).await.problem(400).contains("at most 64 fields"));
    let mask = Field { name: "mask", file: Some("mask.png"), bytes: &moon };
    let twice = server.post(&[mask, mask, mask], &[]).await;
    assert!(twice.problem(400).contains("more than one"));
}
