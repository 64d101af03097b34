//! Server-sent events, and progress in responses.

use std::sync::Arc;

use axum::body::Body;
use futures::StreamExt;
use shared::clock::Stamp;
use shared::cluster::{JobView, PhaseView};
use shared::event::{Event, Message, What};
use shared::job::{Lane, Phase};
use testkit::images::sample;
use tower::ServiceExt;

use super::harness::{Api, request, view};

/// A stream as a browser reads it.
pub struct Stream {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(server: &Api, headers: &[(&str, &str)]) -> Self {
        Self::of_events(server, "/api/events", headers).await
    }

    /// Opens the stream of events at a path, and reads the sign of life at its start.
    pub async fn of_events(server: &Api, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = Self::of(server, path, headers).await;
        let (_, name, period) = stream.next().await;
        assert_eq!((name.as_str(), period), ("alive", 1_000.into()));
        stream
    }

    /// Opens the stream at a path.
    pub async fn of(server: &Api, path: &str, headers: &[(&str, &str)]) -> Self {
        let request = request("GET", path, headers, Body::empty());
        let response = server.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Returns the next message: id, event and data.
    pub async fn next(&mut self) -> (String, String, serde_json::Value) {
        while !self.text.contains("\n\n") {
            let chunk = self.body.next().await.unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        let (message, rest) = self.text.split_once("\n\n").unwrap();
        let field = |name: &str| {
            let line = message.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim_start_matches(':').trim().to_owned()
        };
        let message = (field("id"), field("event"), serde_json::from_str(&field("data")).unwrap());
        self.text = rest.to_owned();
        message
    }
}

fn event(clock: u64) -> Message {
    let stamp = Stamp { clock, pod: "pod-1".parse().unwrap() };
    Message::Event(Event { stamp, at: 0, what: What::GalleryChanged })
}

#[tokio::test]
async fn a_browser_that_comes_back_misses_nothing() {
    let server = Api::new().await;
    let mut stream = Stream::open(&server, &[]).await;
    let (_, name, snapshot) = stream.next().await;
    assert_eq!((name.as_str(), &snapshot["coordinator"]), ("snapshot", &"embedded".into()));
    server.events.publish(event(1));
    let (last, name, data) = stream.next().await;
    assert_eq!(
        (name.as_str(), &data["what"], &data["stamp"]["clock"]),
        ("event", &"gallery-changed".into(), &1.into())
    );
    drop(stream);
    server.events.publish(event(2));
    let mut stream = Stream::open(&server, &[("last-event-id", &last)]).await;
    assert_eq!(stream.next().await.1, "snapshot");
    assert_eq!(stream.next().await.2["stamp"]["clock"], 2);
    server.events.publish(event(3));
    assert_eq!(stream.next().await.2["stamp"]["clock"], 3);
}

#[tokio::test]
async fn an_id_that_cannot_be_replayed_is_a_gap() {
    let server = Api::new().await;
    let mut stream = Stream::open(&server, &[("last-event-id", "another-17")]).await;
    let (_, name, gap) = stream.next().await;
    assert_eq!((name.as_str(), &gap["after"]), ("gap", &"another-17".into()));
    assert_eq!(stream.next().await.1, "snapshot");
}

#[tokio::test]
async fn a_running_job_says_how_far_it_is() {
    let server = Api::new().await;
    let (image, job) = server.upload("moon.png", &sample("moon.png")).await;
    let epoch = server.catalog.take_epoch("test").await.unwrap();
    let run = server::pipeline::intake::accept::fresh();
    server.catalog.activate(&epoch, &job, &run).await.unwrap();
    let phase = |phase, done| PhaseView { phase, done, total: 5, tasks: Vec::new() };
    let mut seen = view();
    seen.jobs.push(JobView {
        job: job.clone(),
        image: image.clone(),
        lane: Lane::Small,
        epoch: epoch.n,
        started: 0,
        phases: vec![phase(Phase::Histograms, 5), phase(Phase::Equalize, 2)],
    });
    server.view.send_replace(Arc::new(seen));
    let expected = serde_json::json!({"phase": "equalize", "done": 2, "total": 5});
    let shown = server.get(&format!("/api/images/{image}")).await.json();
    assert_eq!((&shown["state"], &shown["progress"]), (&"running".into(), &expected));
    assert_eq!(shown["jobs"][0]["progress"], expected);
    assert_eq!(server.get("/api/images").await.json()["items"][0]["progress"], expected);
    assert_eq!(server.get(&format!("/api/jobs/{job}")).await.json()["progress"], expected);
}
