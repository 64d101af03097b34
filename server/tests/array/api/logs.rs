//! Logs of pods over HTTP: of this process's pods and of another's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::cluster::{PodState, PodView};
use shared::id::PodName;
use shared::log::LogKind;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::harness::{Api, view};
use super::live::Stream;

fn pod(name: &str) -> PodName {
    name.parse().unwrap()
}

/// Starts a server whose pod has logged these lines, one ms apart.
async fn says(name: &str, lines: &[&str]) -> Api {
    let server = Api::new().await;
    server.said.open(&pod(name));
    for (at, line) in (1..).zip(lines) {
        server.said.say(&pod(name), at * 1_000_000, LogKind::Line, line);
    }
    server
}

/// Starts another server, which knows the pod only by its address.
async fn neighbour(name: &str, address: &str) -> Api {
    let server = Api::new().await;
    let other = PodView {
        pod: pod(name),
        state: PodState::Up,
        leads: false,
        session: String::new(),
        lease_ms: 0,
        address: address.to_owned(),
        cores: 1,
        version: String::new(),
        started: 0,
        holds: 0,
        leaving: false,
        faults: false,
        fault: None,
    };
    let mut seen = view();
    seen.pods = vec![other];
    server.view.send_replace(Arc::new(seen));
    server
}

#[tokio::test]
async fn a_log_goes_on_after_the_line_that_the_browser_had_last() {
    let server = says("pod-1", &["one", "two", "three"]).await;
    let path = "/api/pods/pod-1/logs";
    let mut stream = Stream::of(&server, path, &[]).await;
    let (id, name, data) = stream.next().await;
    assert_eq!((name.as_str(), &data["text"], &data["at"]), ("line", &"one".into(), &1.into()));
    drop(stream);
    let mut stream = Stream::of(&server, path, &[("last-event-id", &id)]).await;
    assert_eq!(stream.next().await.2["text"], "two");
    assert_eq!(stream.next().await.2["text"], "three");
    server.said.say(&pod("pod-1"), 9_000_000, LogKind::Line, "four");
    assert_eq!(stream.next().await.2["text"], "four");
    let mut stream = Stream::of(&server, &format!("{path}?last_event_id={id}"), &[]).await;
    assert_eq!(stream.next().await.2["text"], "two");
}

#[tokio::test]
async fn a_note_is_no_place_to_go_on_from() {
    let server = says("pod-1", &["one"]).await;
    server.said.say(&pod("pod-1"), 2_000_000, LogKind::Note, "started again");
    let mut stream = Stream::of(&server, "/api/pods/pod-1/logs", &[]).await;
    assert!(!stream.next().await.0.is_empty());
    let (id, name, _) = stream.next().await;
    assert_eq!((id.as_str(), name.as_str()), ("", "note"));
}

#[tokio::test]
async fn a_person_who_opens_a_log_gets_text() {
    let server = says("pod-1", &["one", "<b>two</b>"]).await;
    for accept in ["text/plain", "text/html,application/xhtml+xml,*/*;q=0.8"] {
        let answer = server.get_with("/api/pods/pod-1/logs", &[("accept", accept)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/plain; charset=utf-8"));
        assert_eq!(answer.body, "one\n<b>two</b>\n");
    }
}

#[tokio::test]
async fn the_log_of_a_pod_in_another_process_comes_from_there() {
    let there = says("pod-2", &["one", "two"]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = tokio::spawn(axum::serve(listener, there.router.clone()).into_future());
    let here = neighbour("pod-2", &address).await;
    let mut stream = Stream::of(&here, "/api/pods/pod-2/logs", &[]).await;
    let (id, _, data) = stream.next().await;
    assert_eq!(data["text"], "one");
    let mut stream = Stream::of(&here, "/api/pods/pod-2/logs", &[("last-event-id", &id)]).await;
    assert_eq!(stream.next().await.2["text"], "two");
    there.said.say(&pod("pod-2"), 9_000_000, LogKind::Line, "three");
    assert_eq!(stream.next().await.2["text"], "three");
    let text = here.get_with("/api/pods/pod-2/logs", &[("accept", "text/plain")]).await;
    assert_eq!(text.body, "one\ntwo\nthree\n");
    serving.abort();
}

#[tokio::test]
async fn a_log_that_cannot_be_had_is_an_answer() {
    let server = Api::new().await;
    assert_eq!(server.get("/api/pods/pod-9/logs").await.problem(404), "No pod pod-9 has been seen.");
    assert_eq!(server.get("/api/pods/..%2Fetc/logs").await.status, 404);
    // A port on which nothing listens any more.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let server = neighbour("pod-2", &free).await;
    let detail = server.get("/api/pods/pod-2/logs").await.problem(503);
    assert_eq!(detail, format!("The pod pod-2 doesn't answer at {free}, and its log is kept there."));
}

#[tokio::test]
async fn two_processes_that_take_each_other_for_a_pods_home_do_not_ask_for_ever() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = neighbour("pod-2", &address).await;
    let serving = tokio::spawn(axum::serve(listener, server.router.clone()).into_future());
    let detail = server.get("/api/pods/pod-2/logs").await.problem(404);
    assert_eq!(detail, format!("The process at {address} has no pod pod-2 any more."));
    serving.abort();
}

/// A forwarder to a server that counts its connections.
struct Counted {
    address: String,
    opened: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Counted {
    async fn to(server: &Api) -> Self {
        let inner = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (behind, outer) = (inner.local_addr().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = outer.local_addr().unwrap().to_string();
        let opened = Arc::new(AtomicUsize::new(0));
        let (count, (now, open), mut tasks) = (opened.clone(), watch::channel(0), JoinSet::new());
        let serving = axum::serve(inner, server.router.clone()).into_future();
        tasks.spawn(async move { serving.await.unwrap() });
        tasks.spawn(async move {
            let now = Arc::new(now);
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = outer.accept().await.unwrap();
                let (mut there, now) = (TcpStream::connect(behind).await.unwrap(), now.clone());
                count.fetch_add(1, Ordering::SeqCst);
                now.send_modify(|open| *open += 1);
                connections.spawn(async move {
                    // Ends when either side does.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut there).await;
                    now.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, opened, open, _tasks: tasks }
    }
}

/// Returns the text of the next line that a viewer of all logs receives.
async fn next_line(stream: &mut Stream) -> String {
    loop {
        let (_, name, data) = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap();
        if name == "log" {
            return data["text"].as_str().unwrap().to_owned();
        }
    }
}

#[tokio::test]
async fn fifty_viewers_of_another_processs_log_cost_one_connection() {
    const VIEWERS: usize = 50;
    let there = says("pod-2", &["one"]).await;
    let mut way = Counted::to(&there).await;
    let here = neighbour("pod-2", &way.address).await;
    let mut viewers = Vec::new();
    for _ in 0..VIEWERS {
        let mut viewer = Stream::of_events(&here, "/api/events?logs=true", &[]).await;
        assert_eq!(next_line(&mut viewer).await, "one", "also who comes late sees what was said before");
        viewers.push(viewer);
    }
    assert_eq!(way.opened.load(Ordering::SeqCst), 1);
    // The first viewer doesn't read: the others don't wait for it, and it gets only what is kept.
    for number in 0..8_000_i64 {
        there.said.say(&pod("pod-2"), (100 + number) * 1_000_000, LogKind::Line, &format!("line {number}"));
    }
    there.said.say(&pod("pod-2"), 30_000_000_000, LogKind::Line, "last");
    for viewer in &mut viewers[1..] {
        while next_line(viewer).await != "last" {}
    }
    let mut first = viewers.swap_remove(0);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line| line != "last") {
        seen.push(next_line(&mut first).await);
    }
    assert!(seen.len() < 6_000 && seen.iter().any(|line| line.contains("Lines are missing")), "{} lines", seen.len());
    drop((first, viewers));
    tokio::time::timeout(Duration::from_secs(30), way.open.wait_for(|open| *open == 0)).await.unwrap().unwrap();
    // A viewer that comes later is served again.
    let mut again = Stream::of_events(&here, "/api/events?logs=true", &[]).await;
    while next_line(&mut again).await != "last" {}
    assert_eq!(way.opened.load(Ordering::SeqCst), 2);
}
