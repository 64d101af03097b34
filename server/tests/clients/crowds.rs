//! More connections than file descriptors.

use std::time::{Duration, Instant};

use futures::StreamExt;
use testkit::Server;

use crate::EVENLIGHT;
use crate::raw::{ANOTHER, ONE, connect, head, http, in_time, request, rest, send, until_answered};

/// Time limit of a response.
const PROMPT: Duration = Duration::from_secs(10);

fn server(folder: &tempfile::TempDir) -> Server {
    let data = folder.path().join("data").display().to_string();
    let args = ["--data", &data, "--pods", "1"];
    EVENLIGHT.serve_with_descriptors("pod", folder.path(), &args, 1_024)
}

/// Sends requests from both addresses, over new connections.
async fn is_answered(server: &Server) {
    for from in [ONE, ANOTHER] {
        let begun = Instant::now();
        let url = format!("http://{}/readyz", server.address);
        let answer = in_time("an answer", http(from).get(url).send()).await.unwrap();
        assert_eq!(answer.status(), 200, "{from}");
        assert!(begun.elapsed() < PROMPT, "{from} waited {:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_make_room_and_busy_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder);
    let events = format!("http://{}/api/events", server.address);
    let mut events = in_time("an event stream", http(ONE).get(events).send()).await.unwrap().bytes_stream();
    in_time("a first event", events.next()).await.unwrap().unwrap();
    // Some never sent anything, some sent half a head, and some got a response.
    let mut idle = Vec::new();
    for number in 0..1_100 {
        let connection = match number % 3 {
            0 => connect(&server.address, ONE).await,
            1 => send(&server.address, ONE, &head("GET", "/healthz", &[])).await,
            _ => send(&server.address, ONE, &request("GET", "/healthz", &[])).await,
        };
        idle.push(connection);
    }
    is_answered(&server).await;
    in_time("a sign of life", events.next()).await.expect("the event stream ended").unwrap();
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_with_nothing_but_busy_connections_is_refused_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder);
    let mut busy = Vec::new();
    // Three quarters of half of the descriptors.
    for _ in 0..384 {
        busy.push(send(&server.address, ONE, &request("GET", "/api/events", &[])).await);
    }
    until_answered(&busy, busy.len()).await;
    let refused = rest(send(&server.address, ONE, &request("GET", "/healthz", &[])).await).await;
    assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{refused}");
    assert!(refused.contains("retry-after: 5") && refused.contains("Your address has 384 connections"), "{refused}");
    let other = format!("http://{}/readyz", server.address);
    assert_eq!(in_time("an answer", http(ANOTHER).get(&other).send()).await.unwrap().status(), 200);
    drop(busy);
}
