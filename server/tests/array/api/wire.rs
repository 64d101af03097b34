//! The API over a real connection, where a client sends before it reads and a stream stays open.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use server::web::{FaultError, Faults};
use shared::id::PodName;
use testkit::images::sample;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::harness::{Api, FORM, Field, form};

/// Serves on a free port until stopped.
async fn listen(server: &Api) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let router = server.router.clone();
    let serving = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        axum::serve(listener, router).with_graceful_shutdown(shutdown).await.unwrap();
    });
    (address, stop, serving)
}

fn client() -> reqwest::Client {
    // Another test may have installed it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

#[tokio::test]
async fn a_client_that_sends_before_it_reads_sees_why_it_was_refused() {
    let server = Api::new().await;
    let (address, _stop, _serving) = listen(&server).await;
    let text = vec![b'x'; 8 << 20];
    let post = client().post(format!("http://{address}/api/images")).header("content-type", FORM);
    let stream =
        futures::stream::iter(form(&[Field::image("long.png", &text)])).chunks(64 << 10).map(Ok::<_, std::io::Error>);
    let answer = post.body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
    assert_eq!(answer.status(), 415);
    assert!(answer.text().await.unwrap().contains("not a PNG, JPEG, TIFF or WebP"));
}

#[tokio::test]
async fn an_upload_in_small_pieces_arrives_whole() {
    let server = Api::new().await;
    let (address, _stop, _serving) = listen(&server).await;
    let moon = sample("moon.png");
    let stream =
        futures::stream::iter(form(&[Field::image("moon.png", &moon)])).chunks(777).map(Ok::<_, std::io::Error>);
    let post = client().post(format!("http://{address}/api/images")).header("content-type", FORM);
    let answer = post.body(reqwest::Body::wrap_stream(stream)).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let accepted: serde_json::Value = answer.json().await.unwrap();
    let original = format!("http://{address}/api/images/{}/original", accepted["image_id"].as_str().unwrap());
    let back = client().get(original).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(back, moon);
}

#[tokio::test]
async fn open_streams_end_when_the_server_is_told_to_stop() {
    let server = Api::new().await;
    let (address, stop, serving) = listen(&server).await;
    let response = client().get(format!("http://{address}/api/events")).send().await.unwrap();
    let mut stream = response.bytes_stream();
    let mut text = String::new();
    while !text.contains("event: snapshot") {
        text.push_str(&String::from_utf8_lossy(&stream.next().await.unwrap().unwrap()));
    }
    stop.send(()).unwrap();
    server.events.close();
    assert!(stream.next().await.is_none());
    serving.await.unwrap();
}

/// A fault handler that panics.
struct Panics;

#[async_trait]
impl Faults for Panics {
    async fn play(&self, _pod: &PodName, _fault: shared::cluster::Fault) -> Result<(), FaultError> {
        panic!("the innermost secret")
    }

    async fn start(&self, _pod: &PodName) -> Result<(), FaultError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_that_panics_is_a_problem_without_details_and_the_server_goes_on() {
    let server = Api::with_faults(Some(Arc::new(Panics))).await;
    let answer = server.call("POST", "/api/pods/pod-1/kill", &[], "").await;
    assert!(!answer.problem(500).contains("secret"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(server.call("POST", "/api/pods/pod-1/start", &[], "").await.status, 204);
}
