//! `GET /api/events`: a subscription to the event hub as server-sent events, with the pods' logs if asked for.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use shared::log::PodLine;

use super::hub::{Delivery, Subscription};
use crate::WebState;
use crate::pods::logs::all_logs;
use crate::problem::{Query, Result};

/// Returns the messages of a subscription, encoded, after a sign of life.
fn encoded(mut subscription: Subscription) -> impl Stream<Item = Result<SseEvent, Infallible>> {
    async_stream::stream! {
        // At the start, since a stream that is never silent sends no other, and a page must know when silence is unusual.
        yield Ok(alive());
        while let Some(delivery) = subscription.next().await {
            yield Ok(encode(&delivery));
        }
    }
}

/// Encodes a delivery as a server-sent event, named after the message's variant.
fn encode(delivery: &Delivery) -> SseEvent {
    let event = SseEvent::default().event(delivery.published.message().name()).data(delivery.published.json());
    match &delivery.id {
        Some(id) => event.id(id),
        None => event,
    }
}

/// Encodes a log line as the event `log`.
fn encode_line(line: &PodLine) -> SseEvent {
    let json = serde_json::to_string(line).expect("a record of texts and numbers can always be written as JSON");
    SseEvent::default().event("log").data(json)
}

/// Query parameters.
#[derive(Deserialize)]
pub(crate) struct Resume {
    /// For clients that can't set the `Last-Event-ID` header.
    last_event_id: Option<String>,
    /// How many past events to send at the beginning and after a gap.
    #[serde(default)]
    recent: usize,
    /// Whether to include the pods' logs.
    #[serde(default)]
    logs: bool,
}

/// Interval of the keep-alive event on an otherwise silent stream.
const ALIVE_EVERY: Duration = Duration::from_secs(1);

/// Returns a sign of life. An event rather than a comment, because pages can't see comments: a page must notice soon that this
/// process fell silent and that what it shows is stale.
fn alive() -> SseEvent {
    SseEvent::default().event("alive").data(ALIVE_EVERY.as_millis().to_string())
}

/// `GET /api/events`.
pub(crate) async fn stream(
    State(state): State<WebState>,
    Query(resume): Query<Resume>,
    headers: HeaderMap,
) -> Result<Response> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = header.or(resume.last_event_id.as_deref()).filter(|id| !id.is_empty());
    let stream = encoded(state.events.subscribe(last, resume.recent));
    let keep_alive = KeepAlive::new().interval(ALIVE_EVERY).event(alive());
    let mut response = if resume.logs {
        let logs = all_logs(&state).map(|line| Ok(encode_line(&line)));
        // Log streams of live pods never end, so this one ends with the events.
        let ended = tokio_util::sync::CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let stream = stream.chain(futures::stream::once(async move { drop(guard) }).filter_map(|()| async { None }));
        let both = futures::stream::select(stream, logs).take_until(ended.cancelled_owned());
        Sse::new(both).keep_alive(keep_alive).into_response()
    } else {
        Sse::new(stream).keep_alive(keep_alive).into_response()
    };
    // Keeps proxies from buffering the response, which would delay events.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
