//! Uploads that are announced and never sent.

use testkit::Server;

use crate::EVENLIGHT;
use crate::raw::{ANOTHER, ONE, http, in_time};

/// Creates a resumable upload of this many bytes; returns the status, its location, and the message.
async fn announce(server: &Server, from: &str, length: u64) -> (u16, String, String) {
    let creation = http(from).post(format!("http://{}/api/uploads", server.address)).header("tus-resumable", "1.0.0");
    let answer = in_time("an answer", creation.header("upload-length", length.to_string()).send()).await.unwrap();
    let place = answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
    (answer.status().as_u16(), place.unwrap_or_default(), answer.text().await.unwrap())
}

fn server(folder: &tempfile::TempDir, variables: &[(&str, &str)]) -> Server {
    let data = folder.path().join("data").display().to_string();
    EVENLIGHT.serve_with("pod", folder.path(), &["--data", &data, "--pods", "1"], variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn announced_bytes_are_held_against_what_the_disk_has_free() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &[]);
    // Free space is measured every second.
    server.client.until("the disk's free space", |view| view.room.free).await;
    let mut taken = 0;
    let (status, _, told) = loop {
        let answer = announce(&server, ONE, 16 << 30).await;
        if answer.0 != 201 {
            break answer;
        }
        taken += 1;
        assert!(taken < 3_000, "3,000 uploads of 16 GiB were taken");
    };
    // On a large disk, their number is the limit instead.
    assert!(if taken < 750 { status == 507 } else { status == 429 }, "{taken} taken: {status} {told}");
    assert!(told.contains("reserved") || told.contains("750 uploads"), "{told}");
    println!("{taken} uploads of 16 GiB were taken: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_uploads_are_limited_by_number_and_one_address_has_a_share() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &[("EVENLIGHT_MAX_UNFINISHED", "8")]);
    let mut places = Vec::new();
    for _ in 0..6 {
        let (status, place, told) = announce(&server, ONE, 1_000).await;
        assert_eq!(status, 201, "{told}");
        places.push(place);
    }
    let (status, _, told) = announce(&server, ONE, 1_000).await;
    assert_eq!(status, 429, "{told}");
    assert!(told.contains("6 uploads") && told.contains("one address"), "{told}");
    for _ in 0..2 {
        assert_eq!(announce(&server, ANOTHER, 1_000).await.0, 201);
    }
    let (status, _, told) = announce(&server, ANOTHER, 1_000).await;
    assert_eq!(status, 503, "{told}");
    assert!(told.contains("8 uploads"), "{told}");

    let url = format!("http://{}{}", server.address, places[0]);
    let ended = http(ONE).delete(url).header("tus-resumable", "1.0.0").send().await.unwrap();
    assert_eq!(ended.status(), 204);
    assert_eq!(announce(&server, ONE, 1_000).await.0, 201, "what was given up counts no more");
}
