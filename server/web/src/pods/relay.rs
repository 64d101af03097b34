//! Relays of other processes' logs: one connection to a pod's process, shared by all local viewers.
//!
//! A relay copies the entries into a book of its own, and each viewer is a position in that book. A slow viewer
//! therefore delays no other and costs no memory; it gets a note about missing lines once the book has moved past its
//! position. A relay lives as long as any viewer holds it: when the last one drops it, its task and connection end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt;
use logs::{Bounds, LogBook, Reader};
use shared::id::PodName;
use shared::log::{LogEntry, LogId};
use shared::route;

use crate::WebState;
use crate::problem::{ApiError, Result};

/// Maximum length of a line in another process's response, in bytes; longer ones can't be entries and are cut.
const MAX_FIELD_BYTES: usize = 64 << 10;

/// Pause before a log that ended is requested again.
const RECONNECT_PAUSE: Duration = Duration::from_secs(2);

/// A connection is dead after this long without a byte: a live one carries a comment every 15 s.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(45);

/// How long another process may take to answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The active relays by pod. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Relays(Arc<Mutex<HashMap<PodName, Weak<Relay>>>>);

/// A pod's log, as received from another process.
pub(super) struct Relay {
    pod: PodName,
    book: LogBook,
    _task: AbortOnDrop,
}

impl Relays {
    /// Returns the pod's relay, shared with its other viewers; starts one if necessary.
    pub(super) fn join(&self, state: &WebState, pod: &PodName) -> Arc<Relay> {
        let mut relays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(relay) = relays.get(pod).and_then(Weak::upgrade) {
            return relay;
        }
        relays.retain(|_, relay| relay.strong_count() > 0);
        let book = LogBook::new(Bounds::default());
        book.open(pod);
        // The task must hold no strong reference to the relay, or the relay would never end.
        let task = AbortOnDrop(tokio::spawn(run(state.clone(), pod.clone(), book.clone())));
        let relay = Arc::new(Relay { pod: pod.clone(), book, _task: task });
        relays.insert(pod.clone(), Arc::downgrade(&relay));
        relay
    }

    /// Ends all viewers' streams.
    pub(super) fn close(&self) {
        let relays = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        relays.values().filter_map(Weak::upgrade).for_each(|relay| relay.book.close());
    }
}

impl Relay {
    /// Reads on after an entry, or else from the last `most` entries.
    pub(super) fn read(&self, after: Option<LogId>, most: usize) -> Option<Reader> {
        self.book.read(&self.pod, after, most)
    }
}

/// A task that is aborted on drop.
pub(super) struct AbortOnDrop(pub(super) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Copies the pod's log into the book until this process has that log itself; then closes the book, which sends the
/// viewers there.
async fn run(state: WebState, pod: PodName, book: LogBook) {
    let mut last = None;
    while state.logs.of(&pod).is_none() {
        if let Err(error) = copy(&state, &pod, &mut last, &book).await {
            tracing::debug!(%pod, error = %error.problem(), "reading another process's log failed; retrying");
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
    book.close();
}

/// Copies over one connection, until it ends.
async fn copy(state: &WebState, pod: &PodName, last: &mut Option<LogId>, book: &LogBook) -> Result<()> {
    let answer = ask(state, pod, *last, false).await?;
    let mut bytes = answer.bytes_stream();
    let (mut begun, mut event) = (Vec::new(), Heard::default());
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE_TIMEOUT, bytes.next()).await {
        for byte in chunk {
            match byte {
                b'\n' => {
                    if let Some((id, entry)) = event.take(&String::from_utf8_lossy(&begun)) {
                        // A note shares the id of the line before it.
                        let id = id.or(*last).unwrap_or_default();
                        *last = Some(id);
                        book.add(pod, id, entry.kind, &entry.text);
                    }
                    begun.clear();
                }
                byte if begun.len() < MAX_FIELD_BYTES => begun.push(byte),
                _ => {}
            }
        }
    }
    Ok(())
}

/// The fields of a server-sent event received so far.
#[derive(Default)]
struct Heard {
    id: Option<LogId>,
    data: Option<LogEntry>,
}

impl Heard {
    /// Adds a line of the stream. At the empty line that ends an event, returns it, with its id if it had one.
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

/// Returns the advertised address of the process that the pod runs in.
pub(super) fn address_of(state: &WebState, pod: &PodName) -> Result<String> {
    let view = state.view.borrow();
    let address = view.pods.iter().find(|other| other.pod == *pod).map(|other| other.address.clone());
    let address = address.filter(|address| !address.is_empty());
    address.ok_or_else(|| ApiError::not_found(format!("No pod {pod} has been seen.")))
}

/// Requests the log from the process that the pod runs in.
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
        tracing::debug!(%pod, address, why, "reading a pod's log failed");
        ApiError::unavailable(format!("The pod {pod} doesn't answer at {address}, and its log is kept there."))
    };
    let answer = match tokio::time::timeout(ANSWER_TIMEOUT, request.send()).await {
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
