//! Originals or results of several images as one file: a zip that is written while it is sent, nothing of it deflated,
//! as images are compressed already.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

use axum::body::{Body, Bytes};
use axum::extract::{Form, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use shared::id::ImageId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::WebState;
use super::deleting::chosen_of_form;
use super::download::{self, Download};
use super::problem::{ApiError, Query, Result};
use crate::store::Store;

/// Bytes that are sent at a time, and how many such pieces wait for a client.
const PIECE: usize = 64 << 10;
const WAITING: usize = 4;

/// `GET /api/images/zip?what=&image=&image=…`.
pub(super) async fn of_query(
    State(state): State<WebState>,
    Query(fields): Query<Vec<(String, String)>>,
) -> Result<Response> {
    serve(&state, &fields).await
}

/// `POST /api/images/zip`: the same for a form; an address holds only so many images.
pub(super) async fn of_form(
    State(state): State<WebState>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response> {
    serve(&state, &fields).await
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Original,
    Result,
}

async fn serve(state: &WebState, fields: &[(String, String)]) -> Result<Response> {
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
        return Err(ApiError::not_found("None of these images has what was asked for."));
    }
    name_apart(&mut entries);
    let name = if what == What::Result { "evenlight-results.zip" } else { "evenlight-originals.zip" };
    let (sender, receiver) = mpsc::channel(WAITING);
    let (store, handle) = (state.store.clone(), Handle::current());
    tokio::task::spawn_blocking(move || {
        if let Err(error) = write(&store, entries, &handle, Pipe { sender: sender.clone(), held: Vec::new() }) {
            tracing::warn!(%error, "a zip was broken off");
            // The connection breaks, so that nobody takes what came for whole; who is gone already needs no telling.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let mut response = Body::from_stream(ReceiverStream::new(receiver)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    download::insert(&mut response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{name}\""));
    Ok(response)
}

/// What is to be sent of an image; nothing if it isn't there (any more), or has no result.
async fn entry(state: &WebState, image: &ImageId, what: What) -> Result<Option<Download>> {
    let Some(files) = state.catalog.files(image, None).await? else { return Ok(None) };
    Ok(match what {
        What::Original => Some(download::of_original(files)),
        What::Result => download::of_result(files, download::Lasting::Latest).ok(),
    })
}

/// Gives each its own name: `moon.png`, `moon (2).png`.
fn name_apart(entries: &mut [Download]) {
    let mut taken = HashSet::new();
    // Where counting goes on for a name: from 2 again for each of a thousand equal names would be half a million tries.
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

fn write(store: &Store, entries: Vec<Download>, handle: &Handle, pipe: Pipe) -> io::Result<()> {
    let mut zip: ZipWriter<StreamWriter<Pipe>> = ZipWriter::new_stream(pipe);
    for entry in entries {
        let large = entry.bytes >= u64::from(u32::MAX);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        zip.start_file(&entry.name, options)?;
        let bytes = handle.block_on(store.stream(&entry.key, None)).map_err(io::Error::other)?;
        let mut bytes = download::checked(bytes, entry.key, entry.sha256).map_err(io::Error::other).boxed();
        while let Some(piece) = handle.block_on(bytes.next()) {
            zip.write_all(&piece?)?;
        }
    }
    zip.finish()?.into_inner().flush()
}

/// Sends what is written into it; waits while the client is behind.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.held));
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client is gone");
        self.sender.blocking_send(Ok(piece)).map_err(gone)
    }
}
