//! Zip downloads: originals or results of several images in one file, written while it is sent.
//!
//! Entries are stored, not deflated, as images are compressed already.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Form, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base::causes::chain;
use futures::{Stream, TryStreamExt};
use shared::id::ImageId;
use store::{ReadAhead, Store};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::download::{self, Download};
use crate::WebState;
use crate::connections::connection::Caller;
use crate::images::deleting::chosen_of_form;
use crate::problem::{ApiError, Query, Result};

/// Maximum size of a chunk sent, in bytes.
const PIECE: usize = 64 << 10;

/// `GET /api/images/zip?what=&image=&image=…`.
pub(crate) async fn of_query(
    State(state): State<WebState>,
    Query(fields): Query<Vec<(String, String)>>,
    caller: Caller,
) -> Result<Response> {
    serve(&state, &caller, &fields).await
}

/// `POST /api/images/zip`: as [`of_query`], for a form, since a URL can't hold many images.
pub(crate) async fn of_form(
    State(state): State<WebState>,
    caller: Caller,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    serve(&state, &caller, &fields).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Original,
    Result,
}

async fn serve(state: &WebState, caller: &Caller, fields: &[(String, String)]) -> Result<Response> {
    let what = match fields.iter().find(|(name, _)| name == "what").map(|(_, what)| what.as_str()) {
        None | Some("result") => What::Result,
        Some("original") => What::Original,
        Some(other) => {
            let detail = format!("The parameter `what`: expected original or result, got {other:?}.");
            return Err(ApiError::bad_request(detail));
        }
    };
    let mut entries = Vec::new();
    for image in chosen_of_form(fields)? {
        entries.extend(entry(state, &image, what).await?);
    }
    if entries.is_empty() {
        return Err(ApiError::not_found("None of these images has such a file."));
    }
    name_apart(&mut entries);
    let name = if what == What::Result { "evenlight-results.zip" } else { "evenlight-originals.zip" };
    let turn = state.clients.downloads.take(caller).await?;
    let bytes = written(state.store.clone(), state.clients.downloads.ahead.clone(), entries);
    let mut response = Body::from_stream(download::holding(turn, bytes)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    download::insert(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    Ok(response)
}

/// Selects the file of an image; `None` if the image doesn't exist (any more) or has no result.
async fn entry(state: &WebState, image: &ImageId, what: What) -> Result<Option<Download>> {
    let Some(files) = state.catalog.files(image, None).await? else { return Ok(None) };
    Ok(match what {
        What::Original => Some(download::of_original(files)),
        What::Result => download::of_result(files, download::Lasting::Latest).ok(),
    })
}

/// Makes the entries' names unique: `moon.png`, `moon (2).png`.
fn name_apart(entries: &mut [Download]) {
    let mut taken = HashSet::new();
    // The last number tried for a name. Starting from 2 each time would take half a million tries for a thousand equal
    // names.
    let mut numbers: HashMap<String, u32> = HashMap::new();
    for entry in entries {
        let (stem, extension) = entry.name.rsplit_once('.').unwrap_or((&entry.name, ""));
        let number = numbers.entry(entry.name.to_lowercase()).or_insert(1);
        let mut name = entry.name.clone();
        while !taken.insert(name.to_lowercase()) {
            *number += 1;
            name = format!("{stem} ({number}).{extension}");
        }
        entry.name = name;
    }
}

/// Streams the zip at the client's pace. Nothing but this stream waits for the client.
fn written(
    store: Store,
    ahead: ReadAhead,
    entries: Vec<Download>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    async_stream::try_stream! {
        let sink = Sink::default();
        let mut zip: ZipWriter<StreamWriter<Sink>> = ZipWriter::new_stream(sink.clone());
        for entry in entries {
            let large = entry.bytes >= u64::from(u32::MAX);
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
            zip.start_file(&entry.name, options)?;
            let bytes = store.stream_to_client(&entry.key, 0..entry.bytes, &ahead).await.map_err(broken_off)?;
            let mut bytes = entry.checked(&store, bytes).await;
            while let Some(piece) = bytes.try_next().await.map_err(broken_off)? {
                for piece in piece.chunks(PIECE) {
                    zip.write_all(piece)?;
                    yield sink.take();
                }
            }
        }
        zip.finish()?.into_inner().flush()?;
        yield sink.take();
    }
}

/// Fails the response, so that the connection breaks and the client can't take the partial file for a complete one.
fn broken_off(error: store::Error) -> io::Error {
    tracing::warn!(error = %chain(&error), "zip aborted");
    io::Error::other(error)
}

/// A buffer that collects what is written until it is taken. Clones share it.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
