//! `multipart/form-data` parsing in bounded memory.
//!
//! The parser below axum's extractor reads from the body as long as bytes are available, and looks for the end of a
//! part's header without a limit. Hence the body passed to it pauses after each chunk, and fails once the parser has
//! taken [`HELD`] bytes without producing anything. The parser searches its whole buffer whenever a chunk arrives, so
//! each chunk counts as at least [`SMALLEST_CHUNK`]: otherwise a header sent byte by byte would cost its length
//! squared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use futures::{Stream, StreamExt};

use crate::problem::{ApiError, Result};

/// Maximum number of bytes that the parser may buffer.
const HELD: usize = 1 << 20;

/// Minimum number of bytes that a chunk counts as.
const SMALLEST_CHUNK: usize = 1 << 10;

/// A form, read field by field.
pub(super) struct Form {
    multipart: Multipart,
    held: Arc<AtomicUsize>,
}

/// A field being read.
pub(super) struct Field<'a> {
    field: axum::extract::multipart::Field<'a>,
    held: Arc<AtomicUsize>,
}

impl Form {
    /// Starts reading a request's form. The route must have no body limit of its own (`DefaultBodyLimit::disable`).
    ///
    /// # Errors
    /// 415 if the request carries something else, 400 if it has no boundary.
    pub(super) async fn new(request: Request) -> Result<Self> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if !kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
            let detail = format!("Expected a body of type multipart/form-data with the field `image`, got {kind:?}.");
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let held = Arc::new(AtomicUsize::new(0));
        let (parts, body) = request.into_parts();
        let body = Body::from_stream(paced(body.into_data_stream(), held.clone()));
        let multipart = Multipart::from_request(Request::from_parts(parts, body), &()).await;
        let multipart = multipart.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
        Ok(Self { multipart, held })
    }

    /// Reads the next field; `None` after the last.
    ///
    /// # Errors
    /// 400 if the form is malformed or ends early.
    pub(super) async fn next(&mut self) -> Result<Option<Field<'_>>> {
        let held = self.held.clone();
        let field = self.multipart.next_field().await.map_err(|error| malformed(&error))?;
        held.store(0, Ordering::Relaxed);
        Ok(field.map(|field| Field { field, held }))
    }

    /// Reads and discards the rest of the body, so that a client that sends everything before it reads sees the
    /// response. Stops after 5 s or 64 MiB.
    pub(super) async fn drain(&mut self) {
        const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
        const BYTES: usize = 64 << 20;
        let rest = async {
            let mut seen = 0;
            while let Ok(Some(mut field)) = self.next().await {
                while let Ok(Some(chunk)) = field.chunk().await {
                    seen += chunk.len();
                    if seen > BYTES {
                        return;
                    }
                }
            }
        };
        // On timeout the connection is closed with the response, which the client then may not see.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
    }
}

impl Field<'_> {
    /// The field's name; empty if it has none.
    pub(super) fn name(&self) -> &str {
        self.field.name().unwrap_or_default()
    }

    /// The name of the file in the field, if any.
    pub(super) fn file_name(&self) -> Option<&str> {
        self.field.file_name()
    }

    /// Reads more of the content; `None` at its end.
    ///
    /// # Errors
    /// As [`Form::next`].
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.field.chunk().await.map_err(|error| malformed(&error))?;
        self.held.store(0, Ordering::Relaxed);
        Ok(chunk)
    }

    /// Reads the whole content as text of at most `limit` bytes.
    ///
    /// # Errors
    /// 413 if it is longer, 400 if it isn't UTF-8, and as [`Form::next`].
    pub(super) async fn text(mut self, limit: usize) -> Result<String> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                let detail = format!("The field `{}` is longer than {limit} bytes.", self.name());
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes)
            .map_err(|_| ApiError::bad_request(format!("The field `{}` isn't UTF-8 text.", self.name())))
    }
}

fn malformed(error: &axum::extract::multipart::MultipartError) -> ApiError {
    ApiError::bad_request(format!("The form ends early or is malformed: {}.", error.body_text()))
}

/// Wraps the body so that it pauses after each chunk and enforces [`HELD`].
fn paced(mut body: BodyDataStream, held: Arc<AtomicUsize>) -> impl Stream<Item = Result<Bytes, axum::BoxError>> {
    let mut pause = false;
    futures::stream::poll_fn(move |cx| {
        if std::mem::take(&mut pause) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        body.poll_next_unpin(cx).map(|next| {
            pause = true;
            next.map(|chunk| {
                let chunk = chunk?;
                if held.fetch_add(chunk.len().max(SMALLEST_CHUNK), Ordering::Relaxed) > HELD {
                    return Err("a part's header is too long".into());
                }
                Ok(chunk)
            })
        })
    })
}
