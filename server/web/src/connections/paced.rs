//! Minimum rate for request bodies of any kind: forms, JSON, parts of uploads.
//!
//! When the client is too slow, the body ends in an error, its reader stops, and the response is 408.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::pace::{Pace, Slowest, TooSlow};
use crate::problem::ApiError;

/// Bytes that must arrive in every window in which the server waits for them.
const LEAST_SENT: usize = 4 << 10;

/// Runs a request; answers 408 if its client stays below the minimum rate for `window`.
pub(crate) async fn run(window: Duration, request: Request, next: Next) -> Response {
    let found = Arc::new(OnceLock::new());
    let pace = Pace::new(Slowest { least: LEAST_SENT, window });
    let request = request.map(|body| Body::new(Paced { body, pace, found: found.clone() }));
    let response = next.run(request).await;
    match found.get() {
        Some(slow) => too_slow(slow).into_response(),
        None => response,
    }
}

fn too_slow(slow: &TooSlow) -> ApiError {
    let detail = format!(
        "The request is too slow: {} bytes in {} seconds, the minimum is {LEAST_SENT}; send it again.",
        slow.bytes,
        slow.window.as_secs_f64()
    );
    ApiError::new(StatusCode::REQUEST_TIMEOUT, detail)
}

struct Paced {
    body: Body,
    pace: Pace,
    found: Arc<OnceLock<TooSlow>>,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Some(slow) = this.found.get() {
            return Poll::Ready(Some(Err(axum::Error::new(*slow))));
        }
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
                this.pace.moved(bytes);
                Poll::Ready(frame)
            }
            Poll::Pending => this.pace.poll_too_slow(cx).map(|slow| {
                let _ = this.found.set(slow);
                Some(Err(axum::Error::new(slow)))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
