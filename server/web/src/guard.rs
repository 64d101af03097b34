//! Security middleware: response headers, error bodies, and a check for cross-site requests.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use shared::error::{PROBLEM_JSON, Problem};

use super::problem::ApiError;
use super::uploads::upload::prefers_html;

/// Content-Security-Policy of a page; `nonce` is that of its inline scripts.
pub(super) fn content_security_policy(nonce: Option<&str>) -> String {
    let nonce = nonce.map(|nonce| format!(" 'nonce-{nonce}'")).unwrap_or_default();
    format!(
        "default-src 'self'; script-src 'self'{nonce} 'wasm-unsafe-eval'; img-src 'self' blob: data:; \
         style-src 'self'; style-src-attr 'unsafe-inline'; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'"
    )
}

/// Adds the security headers that a response doesn't have yet.
pub(super) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        // For responses that aren't pages: nothing in them may run, even when opened on their own.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Turns the framework's plain-text rejections (such as a wrong method or a body that is too long) into problem
/// details, and problem details into a page if a browser submitted a form without JavaScript.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let form = method == Method::POST && prefers_html(request.headers());
    let response = next.run(request).await;
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match kind {
        Some(PROBLEM_JSON) if form => match serde_json::from_slice::<Problem>(&text(response).await) {
            Ok(problem) => ApiError::new(status, problem.to_string()).into_page(),
            Err(error) => ApiError::internal(error).into_page(),
        },
        Some(kind) if !kind.starts_with("text/plain") => response,
        _ => {
            // The router adds the header `Allow` after this middleware.
            let detail = if status == StatusCode::METHOD_NOT_ALLOWED {
                format!("{method} is not allowed here; see the header Allow.")
            } else {
                String::from_utf8_lossy(&text(response).await).trim().to_owned()
            };
            ApiError::new(status, detail).into_response()
        }
    }
}

/// Reads the short text of an error's body; empty if it is too long or can't be read.
async fn text(response: Response) -> Bytes {
    const LONGEST: usize = 16 << 10;
    axum::body::to_bytes(response.into_body(), LONGEST).await.unwrap_or_default()
}

/// Rejects state-changing requests that another site's page makes on a visitor's behalf (CSRF). Programs that send
/// neither `Sec-Fetch-Site` nor `Origin` are let through.
pub(super) async fn same_site(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || is_own(request.headers(), request.uri().authority().map(|authority| authority.as_str())) {
        return next.run(request).await;
    }
    ApiError::new(StatusCode::FORBIDDEN, "Rejected: the request came from a page of another site. Nothing was changed.")
        .into_response()
}

fn is_own(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return true };
    let host = authority.or(text("host"));
    let origin = origin.split_once("://").map(|(_, host)| host);
    matches!((origin, host), (Some(origin), Some(host)) if origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&'static str, &'static str)]) -> bool {
        let named = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        is_own(&pairs.iter().map(named).collect(), None)
    }

    #[test]
    fn programs_and_own_pages_may_write() {
        assert!(own(&[("host", "a:3000")]));
        assert!(own(&[("host", "a:3000"), ("origin", "http://A:3000")]));
        assert!(own(&[("host", "a"), ("origin", "https://a"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn other_sites_may_not() {
        for origin in ["http://a:3001", "http://evil", "null", "http://a"] {
            assert!(!own(&[("host", "a:3000"), ("origin", origin)]), "{origin}");
        }
        assert!(!own(&[("host", "a"), ("origin", "https://a"), ("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("host", "a"), ("sec-fetch-site", "same-site")]));
    }
}
