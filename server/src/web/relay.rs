//! Relays of other processes' logs: one connection to a pod's process, shared by all viewers here.
//!
//! A relay copies what comes into a book of its own, and each viewer is a place in that book: a slow one delays nobody and costs
//! no memory; it misses lines once the book has moved past its place, and is told so. The relay lives as long as a viewer
//! holds it; with the last one its task ends, and with it the connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt;
use shared::id::PodName;
use shared::log::{LogEntry, LogId};
use shared::route;

use super::WebState;
use super::problem::{ApiError, Result};
use crate::logs::{Bounds, LogBook, Reader};

/// Bytes of a line of another process's answer; a longer one can't be an entry.
const LONGEST_FIELD: usize = 64 << 10;

/// How long to wait before a log that ended is asked for again.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

/// A connection that is silent for so long is dead: a live one carries a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// How long another process may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// The relays that somebody watches, by pod. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Relays(Arc<Mutex<HashMap<PodName, Weak<Relay>>>>);

/// One pod's log, as it comes from another process.
pub(super) struct Relay {
    pod: PodName,
    book: LogBook,
    _task: AbortOnDrop,
}

impl Relays {
    /// The relay of a pod's log, which others may be watching already.
    pub(super) fn join(&self, state: &WebState, pod: &PodName) -> Arc<Relay> {
        let mut relays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(relay) = relays.get(pod).and_then(Weak::upgrade) {
            return relay;
        }
        relays.retain(|_, relay| relay.strong_count() > 0);
        let book = LogBook::new(Bounds::default());
        book.open(pod);
        // The task holds no relay, or none would ever end.
        let task = AbortOnDrop(tokio::spawn(run(state.clone(), pod.clone(), book.clone())));
        let relay = Arc::new(Relay { pod: pod.clone(), book, _task: task });
        relays.insert(pod.clone(), Arc::downgrade(&relay));
        relay
    }

    /// Ends all viewers' reading.
    pub(super) fn close(&self) {
        let relays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        relays.values().filter_map(Weak::upgrade).for_each(|relay| relay.book.close());
    }
}

impl Relay {
    /// Reads on after an entry, or from as many entries before the end.
    pub(super) fn read(&self, after: Option<LogId>, most: usize) -> Option<Reader> {
        self.book.read(&self.pod, after, most)
    }
}

/// A task that ends with whoever started it.
pub(super) struct AbortOnDrop(pub(super) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Copies the pod's log into the book until this process has that log itself: then the viewers are sent there.
async fn run(state: WebState, pod: PodName, book: LogBook) {
    let mut last = None;
    while state.logs.of(&pod).is_none() {
        if let Err(error) = copy(&state, &pod, &mut last, &book).await {
            tracing::debug!(%pod, error = %error.problem(), "another process's log can't be read; trying again");
        }
        tokio::time::sleep(RECONNECT_AFTER).await;
    }
    book.close();
}

/// One connection, to its end.
async fn copy(state: &WebState, pod: &PodName, last: &mut Option<LogId>, book: &LogBook) -> Result<()> {
    let answer = ask(state, pod, *last, false).await?;
    let mut bytes = answer.bytes_stream();
    let (mut begun, mut event) = (Vec::new(), Heard::default());
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, bytes.next()).await {
        for byte in chunk {
            match byte {
                b'\n' => {
                    if let Some((id, entry)) = event.take(&String::from_utf8_lossy(&begun)) {
                        // A note has the id of the line before it.
                        let id = id.or(*last).unwrap_or_default();
                        *last = Some(id);
                        book.add(pod, id, entry.kind, &entry.text);
                    }
                    begun.clear();
                }
                byte if begun.len() < LONGEST_FIELD => begun.push(byte),
                _ => {}
            }
        }
    }
    Ok(())
}

/// What was heard of a server-sent event so far.
#[derive(Default)]
struct Heard {
    id: Option<LogId>,
    data: Option<LogEntry>,
}

impl Heard {
    /// Takes a line in; at the empty one that ends it, the event with its id if it had one.
    fn take(&mut self, field: &str) -> Option<(Option<LogId>, LogEntry)> {
        if let Some(id) = field.strip_prefix("id:") {
            self.id = id.trim().parse().ok();
        } else if let Some(data) = field.strip_prefix("data:") {
            self.data = serde_json::from_str(data.trim()).ok();
        } else if field.trim().is_empty() {
            let heard = std::mem::take(self);
            return heard.data.map(|entry| (heard.id, entry));
        }
        None
    }
}

/// Where the process advertises itself that the pod lives in.
pub(super) fn address_of(state: &WebState, pod: &PodName) -> Result<String> {
    let view = state.view.borrow();
    let address = view.pods.iter().find(|other| other.pod == *pod).map(|other| other.address.clone());
    let address = address.filter(|address| !address.is_empty());
    address.ok_or_else(|| ApiError::not_found(format!("No pod {pod} has been seen.")))
}

/// Asks the process that the pod lives in.
pub(super) async fn ask(
    state: &WebState,
    pod: &PodName,
    after: Option<LogId>,
    plain: bool,
) -> Result<reqwest::Response> {
    let address = address_of(state, pod)?;
    let mut request = state.logs.client.get(format!("http://{address}{}?forwarded=true", route::logs(pod)));
    if let Some(after) = after {
        request = request.header("last-event-id", after.to_string());
    }
    request = request.header("accept", if plain { "text/plain" } else { "text/event-stream" });
    let away = |why: String| {
        tracing::debug!(%pod, address, why, "a pod's log can't be had");
        ApiError::unavailable(format!("The pod {pod} doesn't answer at {address}, and its log is kept there."))
    };
    let answer = match tokio::time::timeout(PATIENCE, request.send()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(away(error.to_string())),
        Err(_) => return Err(away("no answer in time".to_owned())),
    };
    if answer.status() == StatusCode::NOT_FOUND {
        return Err(ApiError::not_found(format!("The process at {address} has no pod {pod} any more.")));
    }
    if !answer.status().is_success() {
        return Err(away(format!("status {}", answer.status())));
    }
    Ok(answer)
}
