//! Resumable uploads by [tus 1.0](https://tus.io/protocols/resumable-upload): core, creation, termination.
//!
//! Beyond the protocol: `Upload-Metadata` may have a `recipe` (JSON), the creation may have an `Idempotency-Key`, and
//! `GET` of a complete upload is answered like a plain upload.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use catalog::Write;
use pipeline::intake;
use pipeline::intake::accept::Offer;
use shared::equalize::Recipe;
use shared::id::UploadId;
use shared::route;

use super::upload::{file_name, idempotency_key, parse_recipe, taken};
use crate::WebState;
use crate::connections::connection::Caller;
use crate::problem::{ApiError, Path, Result};

const VERSION: &str = "1.0.0";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");

/// `OPTIONS /api/uploads`: the protocol versions, extensions and size limit.
pub(crate) async fn options(State(state): State<WebState>) -> Response {
    let most = state.accept.max_upload_bytes.to_string();
    let told = [("tus-version", VERSION), ("tus-extension", "creation,termination"), ("tus-max-size", most.as_str())];
    let mut response = answer(StatusCode::NO_CONTENT);
    for (name, value) in told {
        insert(&mut response, HeaderName::from_static(name), value);
    }
    response
}

/// `POST /api/uploads`: creates an upload; 201 with its location.
pub(crate) async fn create(State(state): State<WebState>, caller: Caller, headers: HeaderMap) -> Result<Response> {
    check_version(&headers)?;
    let Some(length) = number(&headers, &LENGTH)? else {
        return Err(ApiError::bad_request("Expected a header Upload-Length with the number of bytes."));
    };
    let said = Said::of(&headers)?;
    let offer = Offer {
        name: file_name(said.name.as_deref()),
        recipe: said.recipe,
        idempotency_key: idempotency_key(&headers)?,
    };
    let upload = state.accept.of(caller.client()).begin_resumable(offer, length).await?;
    let mut response = answer(StatusCode::CREATED);
    insert(&mut response, header::LOCATION, &format!("{}/{upload}", route::API_UPLOADS));
    Ok(response)
}

/// `HEAD /api/uploads/{id}`: how many bytes have been received.
pub(crate) async fn head(
    State(state): State<WebState>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
) -> Result<Response> {
    check_version(&headers)?;
    let progress = state.accept.catalog.resumable(&id).await?.ok_or_else(gone)?;
    let mut response = answer(StatusCode::OK);
    insert(&mut response, OFFSET, &progress.offset.to_string());
    insert(&mut response, LENGTH, &progress.length.to_string());
    Ok(response)
}

/// `PATCH /api/uploads/{id}`: appends bytes. The request with the last ones is answered once the image is accepted.
pub(crate) async fn append(
    State(state): State<WebState>,
    Path(id): Path<UploadId>,
    request: Request,
) -> Result<Response> {
    let headers = request.headers();
    check_version(headers)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind != "application/offset+octet-stream" {
        let detail = format!("Expected a body of type application/offset+octet-stream, got {kind:?}.");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let Some(offset) = number(headers, &OFFSET)? else {
        return Err(ApiError::bad_request("Expected a header Upload-Offset with the offset of the first byte."));
    };
    let accept = state.accept.of(Caller::of(request.extensions()).client());
    let bytes = request.into_body().into_data_stream();
    // In a task of its own: if the connection breaks, the bytes that arrived are still processed.
    let done = tokio::spawn(async move {
        let there = accept.resume(&id, offset, bytes).await?;
        let whole = accept.catalog.resumable(&id).await?.is_some_and(|progress| progress.offset == progress.length);
        if whole {
            accept.complete(&id).await?;
        }
        Ok::<u64, intake::Error>(there)
    });
    let there = done.await.map_err(ApiError::internal)??;
    let mut response = answer(StatusCode::NO_CONTENT);
    insert(&mut response, OFFSET, &there.to_string());
    Ok(response)
}

/// `GET /api/uploads/{id}`: 202 with the ids once all bytes have been received, 409 before.
pub(crate) async fn accepted(
    State(state): State<WebState>,
    Path(id): Path<UploadId>,
    caller: Caller,
) -> Result<Response> {
    Ok(taken(state.accept.of(caller.client()).complete(&id).await?))
}

/// `DELETE /api/uploads/{id}`: abandons the upload.
pub(crate) async fn end(
    State(state): State<WebState>,
    Path(id): Path<UploadId>,
    headers: HeaderMap,
) -> Result<Response> {
    check_version(&headers)?;
    match state.accept.catalog.end_resumable(&id).await? {
        Write::Applied => Ok(answer(StatusCode::NO_CONTENT)),
        Write::NoChange | Write::NotMine => Err(gone()),
    }
}

/// Content of `Upload-Metadata`.
#[derive(Default)]
struct Said {
    name: Option<String>,
    recipe: Recipe,
}

impl Said {
    fn of(headers: &HeaderMap) -> Result<Self> {
        let mut said = Self::default();
        let Some(text) = headers.get("upload-metadata") else { return Ok(said) };
        let wrong = || ApiError::bad_request("Expected Upload-Metadata as pairs of a key and a value in base64.");
        for pair in text.to_str().map_err(|_| wrong())?.split(',') {
            let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
            let value = STANDARD.decode(value.trim()).map_err(|_| wrong())?;
            let value = String::from_utf8(value).map_err(|_| wrong())?;
            match key {
                "filename" | "name" => said.name = Some(value),
                "recipe" => said.recipe = parse_recipe(&value)?,
                // Other metadata is ignored.
                _ => {}
            }
        }
        Ok(said)
    }
}

fn check_version(headers: &HeaderMap) -> Result<()> {
    match headers.get(RESUMABLE).map(|version| version.to_str().unwrap_or("?")) {
        Some(VERSION) => Ok(()),
        other => {
            let came = other.unwrap_or("none");
            let detail = format!("Expected Tus-Resumable: {VERSION}, got {came}.");
            Err(ApiError::new(StatusCode::PRECONDITION_FAILED, detail))
        }
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let number = value.to_str().ok().and_then(|value| value.parse().ok());
    number.map(Some).ok_or_else(|| ApiError::bad_request(format!("Expected a number of bytes in {name}.")))
}

fn gone() -> ApiError {
    intake::Error::Abandoned.into()
}

fn answer(status: StatusCode) -> Response {
    let headers =
        [(RESUMABLE, HeaderValue::from_static(VERSION)), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, headers).into_response()
}

fn insert(response: &mut Response, name: HeaderName, value: &str) {
    crate::downloads::download::insert(response, name, value);
}
