//! Downloads of originals and results: whole or by ranges, with a file name, and cacheable by entity tag.
//!
//! # Hazards
//! - *An object damaged in the store must not look complete.* An object of the wrong length is refused, and one with
//!   the wrong hash breaks off before its last piece. A range alone can't be verified.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::causes::{SharedError, chain};
use catalog::{Files, ResultFile};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use pipeline::hex::hex;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared::id::{ImageId, JobId};
use shared::job::Format;
use store::{ByteStream, Store};

use super::range::{Want, want};
use crate::WebState;
use crate::connections::clients;
use crate::connections::connection::Caller;
use crate::images::no_image;
use crate::problem::{ApiError, Path, Query, Result};

/// `?job=`: which of an image's results; the latest finished one if omitted.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Selection {
    pub(crate) job: Option<JobId>,
}

/// How long the content of an address stays valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lasting {
    /// Never changes.
    Fixed,
    /// May change when the next job ends.
    Latest,
}

impl Lasting {
    /// The result of a named job never changes; the latest result does.
    pub(crate) fn of(selection: &Selection) -> Self {
        if selection.job.is_some() { Lasting::Fixed } else { Lasting::Latest }
    }

    pub(crate) fn cache_control(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Lasting::Fixed => "private, max-age=31536000, immutable",
            Lasting::Latest => "private, no-cache",
        })
    }
}

/// An object of the store with its response headers.
pub(crate) struct Download {
    pub(crate) key: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) format: Format,
    pub(crate) name: String,
    pub(crate) lasting: Lasting,
}

/// `GET /api/images/{id}/original`.
pub(crate) async fn original(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response> {
    of_original(files(&state, &id, None).await?).serve(&state, &caller, &headers).await
}

/// Describes the download of an original.
pub(crate) fn of_original(files: Files) -> Download {
    Download {
        name: with_extension(&files.name, "", files.info.format),
        key: files.original,
        bytes: files.original_bytes,
        sha256: files.original_sha256,
        format: files.info.format,
        lasting: Lasting::Fixed,
    }
}

/// `GET /api/images/{id}/result`.
pub(crate) async fn result(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    Query(selection): Query<Selection>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response> {
    let files = files(&state, &id, selection.job.as_ref()).await?;
    let lasting = Lasting::of(&selection);
    of_result(files, lasting)?.serve(&state, &caller, &headers).await
}

/// Describes the download of a result.
///
/// # Errors
/// 404 if there is no result.
pub(crate) fn of_result(files: Files, lasting: Lasting) -> Result<Download> {
    let format = files.target.format_of(files.info.format);
    let name = result_name(&files.name, files.info.format, format);
    let ResultFile { key, bytes, sha256, .. } = files.result.ok_or_else(no_result)?;
    Ok(Download { key, bytes, sha256, format, name, lasting })
}

/// Reads where an image's files are.
///
/// # Errors
/// 404 if there is no such image.
pub(crate) async fn files(state: &WebState, id: &ImageId, job: Option<&JobId>) -> Result<Files> {
    state.catalog.files(id, job).await?.ok_or_else(|| no_image(id))
}

/// 404: the result doesn't exist, or not yet.
pub(crate) fn no_result() -> ApiError {
    ApiError::not_found("There is no such result: its job isn't done, failed, or belongs to another image.")
}

impl Download {
    /// Answers 200, 206, 304 or 416; fails with 429 or 503 if too many downloads are running.
    pub(crate) async fn serve(self, state: &WebState, caller: &Caller, headers: &HeaderMap) -> Result<Response> {
        let etag = format!("\"{}\"", self.sha256);
        let mut response = match want(headers, &etag, self.bytes) {
            Want::NotModified => StatusCode::NOT_MODIFIED.into_response(),
            Want::Unsatisfiable => {
                let detail = format!("The file has {} bytes; the range lies outside.", self.bytes);
                let mut response = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
                insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{}", self.bytes));
                return Ok(response);
            }
            Want::All => {
                let turn = state.clients.downloads.take(caller).await?;
                let bytes = self.open(state, 0..self.bytes).await?;
                let bytes = self.checked(&state.store, bytes).await;
                self.body(StatusCode::OK, self.bytes, holding(turn, bytes))
            }
            Want::Part(range) => {
                let told = format!("bytes {}-{}/{}", range.start, range.end - 1, self.bytes);
                let length = range.end - range.start;
                let turn = state.clients.downloads.take(caller).await?;
                let bytes = self.open(state, range).await?;
                let mut response = self.body(StatusCode::PARTIAL_CONTENT, length, holding(turn, bytes));
                insert(&mut response, header::CONTENT_RANGE, &told);
                response
            }
        };
        response.headers_mut().insert(header::CACHE_CONTROL, self.lasting.cache_control());
        response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        insert(&mut response, header::ETAG, &etag);
        Ok(response)
    }

    /// Opens a range of the object, if the object has the expected length.
    async fn open(&self, state: &WebState, range: Range<u64>) -> Result<ByteStream> {
        let length = state.store.size(&self.key).await?;
        if length != self.bytes {
            tracing::error!(key = self.key, length, expected = self.bytes, "file damaged in the store");
            let detail = "The stored file is damaged: it has the wrong length.";
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, detail));
        }
        Ok(state.store.stream_to_client(&self.key, range, &state.clients.downloads.ahead).await?)
    }

    fn body(
        &self,
        status: StatusCode,
        length: u64,
        bytes: impl Stream<Item = store::Result<Bytes>> + Send + 'static,
    ) -> Response {
        let mut response = (status, Body::from_stream(bytes)).into_response();
        let media_type = HeaderValue::from_static(self.format.media_type());
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        insert(&mut response, header::CONTENT_DISPOSITION, &disposition(&self.name));
        response
    }

    /// Verifies the bytes of the whole object on their way, unless this process wrote them just now and nobody has changed them.
    pub(crate) async fn checked(&self, store: &Store, bytes: ByteStream) -> ByteStream {
        match store.is_as_written(&self.key).await {
            Ok(true) => bytes,
            // The bytes' own reader reports the store's errors.
            Ok(false) | Err(_) => checked(bytes, self.key.clone(), self.sha256.clone()),
        }
    }
}

/// Passes the bytes on, and holds the download's turn until the stream is dropped.
pub(crate) fn holding<T, E>(
    turn: clients::DownloadTurn,
    bytes: impl Stream<Item = Result<T, E>> + Send + 'static,
) -> impl Stream<Item = Result<T, E>> + Send + 'static {
    bytes.inspect(move |_| {
        let _turn = &turn;
    })
}

/// Verifies the hash of a whole object: yields the last piece only if it matches.
fn checked(bytes: ByteStream, key: String, sha256: String) -> ByteStream {
    let begun = (bytes, Sha256::new(), Bytes::new());
    let pieces = stream::try_unfold(Some(begun), move |going| {
        let (key, sha256) = (key.clone(), sha256.clone());
        async move {
            let Some((mut bytes, mut hash, held)) = going else { return Ok(None) };
            match bytes.try_next().await? {
                Some(piece) => {
                    hash.update(&piece);
                    Ok(Some((held, Some((bytes, hash, piece)))))
                }
                None if hex(&hash.finalize()) == sha256 => Ok(Some((held, None))),
                None => {
                    tracing::error!(key, "file damaged in the store; download aborted");
                    let cause = SharedError::new("its bytes don't match their hash");
                    Err(store::Error::Unavailable { doing: format!("reading {key}"), cause })
                }
            }
        }
    });
    pieces.boxed()
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound(key) => {
                tracing::warn!(key, "object missing from the store");
                ApiError::not_found("The file is gone; the image may have just been deleted.")
            }
            store::Error::Unavailable { .. } => {
                tracing::warn!(error = %chain(&error), "store didn't answer");
                ApiError::unavailable("The store of images doesn't answer at the moment; try again soon.")
            }
            error => ApiError::internal(error),
        }
    }
}

/// Inserts a header whose value is known to be ASCII; omits it if it isn't.
pub(crate) fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// `Content-Disposition` by RFC 6266: an ASCII name for all clients, and the real one in UTF-8 (RFC 8187).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' };
    let ascii: String = name.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Returns the file name of a result: the original's with `-equalized`, and the extension of the result's format.
pub(crate) fn result_name(name: &str, original: Format, result: Format) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if original != result && fits(extension, original) => {
            with_extension(stem, "-equalized", result)
        }
        _ => with_extension(name, "-equalized", result),
    }
}

/// Appends `added` to the stem, and ensures an extension that fits the format.
pub(crate) fn with_extension(name: &str, added: &str, format: Format) -> String {
    match name.rsplit_once('.') {
        Some((stem, extension)) if fits(extension, format) => format!("{stem}{added}.{extension}"),
        _ => format!("{name}{added}.{}", format.extension()),
    }
}

fn fits(extension: &str, format: Format) -> bool {
    let known = match format {
        Format::Png => ["png"].as_slice(),
        Format::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
        Format::Tiff => &["tif", "tiff", "btf"],
        Format::Webp => &["webp"],
    };
    known.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_keeps_its_name_in_every_script() {
        assert_eq!(
            disposition("Köln \"1\".png"),
            "attachment; filename=\"K_ln _1_.png\"; filename*=UTF-8''K%C3%B6ln%20%221%22.png"
        );
    }

    #[test]
    fn a_results_name_tells_what_it_is() {
        assert_eq!(with_extension("moon.png", "-equalized", Format::Png), "moon-equalized.png");
        assert_eq!(with_extension("IMG.JPG", "-equalized", Format::Jpeg), "IMG-equalized.JPG");
        assert_eq!(with_extension("image", "-equalized", Format::Tiff), "image-equalized.tif");
        assert_eq!(with_extension("scan.v2", "", Format::Png), "scan.v2.png");
        assert_eq!(result_name("moon.PNG", Format::Png, Format::Png), "moon-equalized.PNG");
        assert_eq!(result_name("moon.png", Format::Png, Format::Jpeg), "moon-equalized.jpg");
        assert_eq!(result_name("scan.v2", Format::Tiff, Format::Webp), "scan.v2-equalized.webp");
        assert_eq!(result_name("no.jpg", Format::Tiff, Format::Jpeg), "no-equalized.jpg");
    }
}
