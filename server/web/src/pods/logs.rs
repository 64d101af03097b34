//! `GET /api/pods/{pod}/logs`: any pod's log, as server-sent events or text, from any pod.
//!
//! With Kubernetes, every pod reads every pod's log through the API. Without it, or for a pod that Kubernetes doesn't
//! know, each process has its own pods' lines, and fetches other pods' lines from the addresses that those advertise.
//! An entry's id is derived from the log itself, so a browser that reconnects, here or to another pod, gets what it
//! missed and nothing twice.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use base::backoff::jitter;
use futures::Stream;
use logs::{LogBook, Read, Reader};
use serde::Deserialize;
use shared::id::PodName;
use shared::log::{LogEntry, LogId, LogKind, PodLine};
use tokio::sync::mpsc;

use super::relay::{ANSWER_TIMEOUT, AbortOnDrop, Relays, ask};
use crate::WebState;
use crate::problem::{ApiError, Path, Query, Result};

/// Past entries sent to a new reader of one pod's log.
const BACKFILL_LINES: usize = 200;
/// Past entries per pod sent to a new reader of all logs.
const BACKFILL_LINES_PER_POD: usize = 100;
/// Pause before a log that ended is requested again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);
/// Sources of pods' logs.
#[derive(Clone)]
pub struct PodLogs {
    /// Logs of all Kubernetes pods, read through the API.
    kubernetes: Option<LogBook>,
    /// Logs of this process's own pods, from its memory.
    own: LogBook,
    /// Logs from other processes, for streams of all pods.
    relays: Relays,
    /// HTTP client for requests to other processes.
    pub(crate) client: reqwest::Client,
}

impl PodLogs {
    /// Combines Kubernetes' logs, which take precedence, with those of this process and of other processes.
    pub fn new(own: LogBook, kubernetes: Option<LogBook>) -> Self {
        base::crypto::install();
        let client = reqwest::Client::builder().connect_timeout(ANSWER_TIMEOUT).build();
        Self { kubernetes, own, relays: Relays::default(), client: client.unwrap_or_default() }
    }

    /// Ends all streams, present and future.
    pub fn close(&self) {
        self.kubernetes.iter().chain([&self.own]).for_each(LogBook::close);
        self.relays.close();
    }

    /// Returns the book that has the pod's log.
    pub(crate) fn of(&self, pod: &PodName) -> Option<&LogBook> {
        self.kubernetes.iter().chain([&self.own]).find(|book| book.has(pod))
    }
}

/// Query parameters.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// For clients that can't set the `Last-Event-ID` header.
    last_event_id: Option<String>,
    /// Set by another process: the request must not be forwarded again.
    #[serde(default)]
    forwarded: bool,
}

/// `GET /api/pods/{pod}/logs`.
pub(crate) async fn show(
    State(state): State<WebState>,
    Path(pod): Path<PodName>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    // An invalid id counts as none: the reader starts anew.
    let after: Option<LogId> = header.or(asked.last_event_id.as_deref()).and_then(|id| id.parse().ok());
    let plain = wants_text(&headers);
    let book = state.logs.of(&pod);
    if plain && let Some(entries) = book.and_then(|book| book.tail(&pod, usize::MAX)) {
        let lines = entries.iter().map(|entry| text_line(&entry.1));
        return Ok(fresh(
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], lines.collect::<String>()).into_response(),
        ));
    }
    if let Some(reader) = book.and_then(|book| book.read(&pod, after, BACKFILL_LINES)) {
        let keep_alive = KeepAlive::new().interval(Duration::from_secs(15)).text("alive");
        return Ok(fresh(Sse::new(events(reader)).keep_alive(keep_alive).into_response()));
    }
    if asked.forwarded {
        return Err(ApiError::not_found(format!("There is no log of a pod {pod} here.")));
    }
    forward(&state, &pod, after, plain).await
}

/// Streams the logs of all pods as pods come and go, for `GET /api/events?logs=true`. Starts with a few past lines of
/// each.
pub(crate) fn all_logs(state: &WebState) -> impl Stream<Item = PodLine> + use<> {
    let (send, mut lines) = mpsc::channel(256);
    let mut view = state.view.clone();
    let following = state.clone();
    async_stream::stream! {
        let mut known: HashMap<PodName, AbortOnDrop> = HashMap::new();
        loop {
            let pods: Vec<PodName> = view.borrow_and_update().pods.iter().map(|pod| pod.pod.clone()).collect();
            known.retain(|pod, _| pods.contains(pod));
            for pod in pods {
                let follow = || AbortOnDrop(tokio::spawn(follow(following.clone(), pod.clone(), send.clone())));
                known.entry(pod.clone()).or_insert_with(follow);
            }
            tokio::select! {
                // This stream holds a sender itself, so the channel never closes.
                Some(line) = lines.recv() => yield line,
                changed = view.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// Follows one pod's log, wherever it is kept, until the receiver is dropped.
async fn follow(state: WebState, pod: PodName, lines: mpsc::Sender<PodLine>) {
    let mut last = None;
    while !lines.is_closed() {
        // Held while it is read: a relay ends with its last viewer.
        let (_relay, reader) = match state.logs.of(&pod).and_then(|book| book.read(&pod, last, BACKFILL_LINES_PER_POD))
        {
            Some(reader) => (None, Some(reader)),
            None => {
                let relay = state.logs.relays.join(&state, &pod);
                let reader = relay.read(last, BACKFILL_LINES_PER_POD);
                (Some(relay), reader)
            }
        };
        if let Some(mut reader) = reader {
            while let Some(read) = reader.next().await {
                let (id, entry) = match read {
                    Read::Entry(entry) => (entry.0, entry.1.clone()),
                    Read::Missed => (last.unwrap_or_default(), missed()),
                };
                last = Some(id);
                if lines.send(line(&pod, id, entry)).await.is_err() {
                    return;
                }
            }
        }
        // The log ended: its pod is gone, the log is kept elsewhere now, or this process is about to stop.
        tokio::time::sleep(RECONNECT_PAUSE.mul_f64(0.5 + jitter())).await;
    }
}

fn line(pod: &PodName, id: LogId, entry: LogEntry) -> PodLine {
    PodLine { pod: pod.clone(), id, kind: entry.kind, at: entry.at, text: entry.text }
}

/// Whether the client wants plain text: it asked for it, or a browser opened the log as a page.
fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.starts_with("text/plain") || accept.contains("text/html")
}

fn events(mut reader: Reader) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    async_stream::stream! {
        while let Some(read) = reader.next().await {
            yield Ok(match read {
                // Notes are generated by the answering pod, so only a line's id can be resumed from.
                Read::Entry(entry) if entry.1.kind == LogKind::Line => encode(&entry.1).id(entry.0.to_string()),
                Read::Entry(entry) => encode(&entry.1),
                Read::Missed => encode(&missed()),
            });
        }
    }
}

fn missed() -> LogEntry {
    let text = "Lines are missing here: only the latest are kept.".to_owned();
    LogEntry { kind: LogKind::Note, at: base::wall::now(), text }
}

fn encode(entry: &LogEntry) -> SseEvent {
    let json = serde_json::to_string(entry).expect("a record of texts and numbers can always be written as JSON");
    SseEvent::default().event(entry.kind.name()).data(json)
}

fn text_line(entry: &LogEntry) -> String {
    match entry.kind {
        LogKind::Line => format!("{}\n", entry.text),
        LogKind::Note => format!("--- {}\n", entry.text),
    }
}

/// Keeps caches from storing the response, and proxies from buffering it.
fn fresh(mut response: Response) -> Response {
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Forwards the request to the process that the pod runs in, and streams its response.
async fn forward(state: &WebState, pod: &PodName, after: Option<LogId>, plain: bool) -> Result<Response> {
    let answer = ask(state, pod, after, plain).await?;
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let mut response = fresh(Body::from_stream(answer.bytes_stream()).into_response());
    if let Some(kind) = kind {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    Ok(response)
}
