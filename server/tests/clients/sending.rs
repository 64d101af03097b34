//! Clients that send slowly.

use std::time::Duration;

use shared::equalize::Recipe;
use testkit::images::{rgba_png, sample};
use testkit::{Server, elapse};
use tokio::io::AsyncWriteExt;

use crate::EVENLIGHT;
use crate::raw::{ANOTHER, ONE, head, http, in_time, rest, send};

const TUS: (&str, &str) = ("tus-resumable", "1.0.0");

fn server(folder: &tempfile::TempDir, client_timeout: &str, more: &[&str]) -> Server {
    let data = folder.path().join("data").display().to_string();
    let own = ["--data", &data, "--pods", "1", "--min-pods", "9"];
    let variables = [("EVENLIGHT_CLIENT_TIMEOUT", client_timeout)];
    EVENLIGHT.serve_with("pod", folder.path(), &[&own[..], more].concat(), &variables)
}

/// Starts a resumable upload of this many bytes.
async fn begin(server: &Server, length: usize) -> String {
    let creation = http(ONE).post(format!("http://{}/api/uploads", server.address)).header(TUS.0, TUS.1);
    let created = creation.header("upload-length", length.to_string()).send().await.unwrap();
    assert_eq!(created.status(), 201);
    created.headers()["location"].to_str().unwrap().to_owned()
}

/// Returns the head of a request that sends all of it.
fn patch(path: &str, length: usize) -> String {
    let length = length.to_string();
    let kind = ("content-type", "application/offset+octet-stream");
    head("PATCH", path, &[TUS, kind, ("upload-offset", "0"), ("content-length", &length)]) + "\r\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_uploads_of_one_address_leave_turns_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "60s", &["--max-uploads", "8"]);
    let moon = String::from_utf8_lossy(&sample("moon.png")[..1]).into_owned();
    let mut slow = Vec::new();
    for _ in 0..8 {
        let path = begin(&server, 100_000).await;
        slow.push(send(&server.address, ONE, &(patch(&path, 100_000) + &moon)).await);
    }
    // Those with a turn hold it: another one of the same address waits, and gets the reason.
    let begun = std::time::Instant::now();
    let form = |name: &str| {
        let part = reqwest::multipart::Part::bytes(rgba_png(24, 16)).file_name(name.to_owned());
        reqwest::multipart::Form::new()
            .text("recipe", serde_json::to_string(&Recipe::default()).unwrap())
            .part("image", part)
    };
    let url = format!("http://{}/api/images", server.address);
    let other = http(ANOTHER).post(&url).multipart(form("other.png"));
    let other = in_time("another client's upload", other.send()).await.unwrap();
    assert_eq!(other.status(), 202, "{}", other.text().await.unwrap());
    assert!(begun.elapsed() < Duration::from_secs(15), "another client waited {:?}", begun.elapsed());
    let own =
        in_time("a further upload's answer", http(ONE).post(&url).multipart(form("own.png")).send()).await.unwrap();
    assert_eq!(own.status(), 429);
    assert_eq!(own.headers()["retry-after"], "2");
    let told = own.text().await.unwrap();
    assert!(told.contains("6 uploads from your address"), "{told}");
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_drips_is_answered_408_whatever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "2s", &[]);
    let path = begin(&server, 100_000).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let sized = |method: &str, path: &str, kind| head(method, path, &[kind, ("content-length", "5000")]) + "\r\n";
    let multipart = ("content-type", "multipart/form-data; boundary=XX");
    let bodies = [
        patch(&path, 100_000),
        sized("POST", "/api/images/delete", ("content-type", "application/json")),
        sized("POST", "/api/images/zip", form),
        sized("POST", "/api/images", multipart) + "--XX\r\nContent-Disposition: form-data; name=\"image\"; ",
    ];
    let dripping = bodies.map(|request| {
        let address = server.address.clone();
        async move {
            let connection = send(&address, ONE, &request).await;
            let (read, mut write) = connection.into_split();
            let drip = async {
                // As long as the server accepts it.
                while write.write_all(b" ").await.is_ok() {
                    elapse(Duration::from_millis(500)).await;
                }
            };
            tokio::select! {
                answer = in_time("an answer", answer(read)) => (request, answer),
                () = drip => panic!("closed without an answer: {request}"),
            }
        }
    });
    for (request, answer) in futures::future::join_all(dripping).await {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{request}\n{answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("in 2 seconds"), "{answer}");
    }
    // What arrived of a resumable upload is kept, and the upload resumes there.
    let asked = http(ONE).head(format!("http://{}{path}", server.address)).header(TUS.0, TUS.1).send().await.unwrap();
    let offset: u64 = asked.headers()["upload-offset"].to_str().unwrap().parse().unwrap();
    assert!((1..10).contains(&offset), "{offset}");
}

/// Reads the head and a part of the body of a response.
async fn answer(mut read: tokio::net::tcp::OwnedReadHalf) -> String {
    use tokio::io::AsyncReadExt;
    let (mut bytes, mut piece) = (Vec::new(), [0; 4 << 10]);
    while !String::from_utf8_lossy(&bytes).contains("\r\n\r\n{") {
        match read.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_heads_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, "2s", &[]);
    let mut half = Vec::new();
    for _ in 0..300 {
        half.push(send(&server.address, ONE, &head("GET", "/healthz", &[])).await);
    }
    for connection in half {
        assert_eq!(rest(connection).await, "");
    }
}
