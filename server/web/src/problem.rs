//! API errors as problem details (RFC 9457), without internals.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::causes::{SharedError, chain};
use pipeline::compute::pixels;
use shared::error::{PROBLEM_JSON, Problem};

/// Error response of a handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    problem: Problem,
    retry_after: Option<u32>,
}

/// Result of a handler.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// `Retry-After` for a temporary failure of a part of the array, in seconds.
const RETRY_AFTER: u32 = 2;

impl ApiError {
    /// Creates a problem titled with the status's canonical reason; `detail` is a sentence for the user.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self { problem: Problem::new(status.as_u16(), title, detail), retry_after: None }
    }

    /// 400: the request is malformed or has invalid values.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: the resource doesn't exist.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 409: the resource's state doesn't allow this.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// 503 with a `Retry-After` of 2 s.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::unavailable_for(RETRY_AFTER, detail)
    }

    /// 503 with a `Retry-After` of `seconds`.
    pub fn unavailable_for(seconds: u32, detail: impl Into<String>) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// Sets `Retry-After`, in seconds.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// 500; the cause is logged, and not disclosed to the client.
    pub fn internal(cause: impl Into<SharedError>) -> Self {
        let cause: SharedError = cause.into();
        tracing::error!(cause = %chain(&*cause), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong on the server; see its log.")
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem as sent to the client.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl ApiError {
    /// Renders the problem as a page, for a browser that submitted a form without JavaScript.
    pub(super) fn into_page(self) -> Response {
        let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let page = format!(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title} · Evenlight</title><link rel=\"stylesheet\" href=\"/pkg/evenlight.css\"></head>\
             <body><main><h1>{title}</h1><p>{detail}</p><p><a href=\"{gallery}\">Back to the gallery</a></p></main>\
             </body></html>",
            title = escape(&self.problem.title),
            detail = escape(&self.problem.to_string()),
            gallery = shared::route::GALLERY,
        );
        let mut response = self.into_response();
        let policy = super::guard::content_security_policy(None);
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        let length = HeaderValue::from(page.len());
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        *response.body_mut() = page.into();
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self.problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<catalog::Error> for ApiError {
    fn from(error: catalog::Error) -> Self {
        match error {
            catalog::Error::Invalid(invalid) => Self::bad_request(invalid.to_string()),
            catalog::Error::Address(_) => Self::internal(error),
            catalog::Error::Unavailable(cause) => {
                tracing::warn!(cause = %chain(&cause), "catalog didn't answer");
                Self::unavailable("The catalog of images doesn't answer at the moment; try again soon.")
            }
        }
    }
}

impl From<pixels::Error> for ApiError {
    fn from(error: pixels::Error) -> Self {
        match error {
            pixels::Error::AllStuck(_) => {
                Self::unavailable("This pod can't inspect images at the moment; try another one.")
            }
            error => Self::internal(error),
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        // A malformed id names nothing, hence 404.
        let status = if rejection.status().is_client_error() { StatusCode::NOT_FOUND } else { rejection.status() };
        Self::new(status, rejection.body_text())
    }
}

/// `axum::extract::Path` whose rejection is a problem.
#[derive(axum::extract::FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

/// `axum::extract::Query` whose rejection is a problem.
#[derive(axum::extract::FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);
