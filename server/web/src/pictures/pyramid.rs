//! Deep zoom: an image's pyramid of tiles, read by ranges from a single file.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::causes::SharedError;
use catalog::{PyramidFile, PyramidState};
use codec::{LevelRows, PYRAMID_ENTRY, PYRAMID_TAIL, pyramid_parts, pyramid_tile};
use shared::id::{ImageId, JobId};
use shared::pyramid::{DeepZoom, Pyramid, place};
use store::{Store, keys};

use crate::WebState;
use crate::downloads::download::{Lasting, Selection, insert};
use crate::downloads::range::if_none_match;
use crate::images::no_image;
use crate::problem::{ApiError, Path, Query, Result};

/// Maximum number of pyramids whose index is cached.
const MAX_CACHED_PLACES: usize = 256;

/// A pyramid's description, and where its table of tiles is in the file.
#[derive(Debug)]
pub(crate) struct Place {
    pyramid: Pyramid,
    table: Range<u64>,
}

/// Cached indexes by the pyramid's claim. Clones share the cache.
pub(crate) type Places = Arc<Mutex<HashMap<String, Arc<Place>>>>;

/// `GET /api/images/{id}/pyramid`: the pyramid of the original or of a job's result. Requests one to be rendered if
/// there is none yet.
pub(crate) async fn show(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    Query(selection): Query<Selection>,
) -> Result<Response> {
    let (zoom, lasting) = match find(&state, &id, &selection).await? {
        // Another job of the image may succeed.
        PyramidState::Refused(reason) => (DeepZoom { pyramid: None, reason: Some(reason) }, Lasting::Latest),
        PyramidState::There(file) => {
            let pyramid = place_of(&state, &id, &file).await?.pyramid.clone();
            (DeepZoom { pyramid: Some(pyramid), reason: None }, Lasting::Fixed)
        }
        PyramidState::Wanted => {
            state.renders.wishes.add((id, selection.job));
            (DeepZoom::default(), Lasting::Latest)
        }
    };
    let mut response = Json(zoom).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, lasting.cache_control());
    Ok(response)
}

/// `GET /api/images/{id}/pyramid/{level}/{column}/{row}`.
pub(crate) async fn tile(
    State(state): State<WebState>,
    Path((id, level, column, row)): Path<(ImageId, u32, u32, u32)>,
    Query(selection): Query<Selection>,
    headers: HeaderMap,
) -> Result<Response> {
    let PyramidState::There(file) = find(&state, &id, &selection).await? else {
        return Err(ApiError::not_found("There is no pyramid of this image yet."));
    };
    let etag = format!("\"{}-{level}-{column}-{row}\"", file.claim);
    let mut response = if if_none_match(&headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let place = place_of(&state, &id, &file).await?;
        let bytes = read(&state, &id, &file, &place, (level, column, row)).await?;
        let mut response = bytes.into_response();
        let media_type = HeaderValue::from_str(&place.pyramid.media_type).map_err(ApiError::internal)?;
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
        response
    };
    response.headers_mut().insert(header::CACHE_CONTROL, Lasting::Fixed.cache_control());
    insert(&mut response, header::ETAG, &etag);
    Ok(response)
}

/// Draws a picture of at most `side` pixels on its longer side from the tiles. Blocks; to be run on a pixel thread.
pub(crate) fn draw(
    store: &Store,
    key: &str,
    found: &Place,
    side: u32,
    handle: &tokio::runtime::Handle,
) -> codec::Result<codec::View> {
    let (store, key, handle) = (store.clone(), key.to_owned(), handle.clone());
    let Pyramid { width, height, .. } = found.pyramid;
    let start = found.table.start;
    let fetch = move |which| {
        let read = |range| store.range_blocking(&key, range, &handle).map_err(std::io::Error::other);
        let at = start + place(width, height, which).unwrap_or_default() * PYRAMID_ENTRY;
        let range = pyramid_tile(&read(at..at + PYRAMID_ENTRY)?).filter(|range| range.end <= start);
        read(range.ok_or_else(|| std::io::Error::other(format!("the pyramid {key} is damaged")))?).map(Into::into)
    };
    let mut rows = LevelRows::open(&found.pyramid, side, Box::new(fetch))?;
    let info = rows.info().clone();
    // Tiles are sRGB already, so there is no profile to apply.
    codec::view(&mut rows, &info, None, side)
}

/// Returns the key and index of the pyramid of an original or a result, if it has been rendered.
pub(crate) async fn there(state: &WebState, id: &ImageId, job: Option<&JobId>) -> Result<Option<(String, Arc<Place>)>> {
    match state.catalog.pyramid(id, job).await? {
        Some(PyramidState::There(file)) => {
            Ok(Some((keys::pyramid(id, &file.claim), place_of(state, id, &file).await?)))
        }
        _ => Ok(None),
    }
}

async fn find(state: &WebState, id: &ImageId, selection: &Selection) -> Result<PyramidState> {
    state.catalog.pyramid(id, selection.job.as_ref()).await?.ok_or_else(|| no_image(id))
}

/// Reads the file's index, or takes it from the cache.
async fn place_of(state: &WebState, id: &ImageId, file: &PyramidFile) -> Result<Arc<Place>> {
    let known = || state.renders.places.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = known().get(&file.claim) {
        return Ok(place.clone());
    }
    let key = keys::pyramid(id, &file.claim);
    let tail = state.store.range(&key, file.bytes.saturating_sub(PYRAMID_TAIL)..file.bytes).await?;
    let damaged = || ApiError::internal(SharedError::new(format!("the pyramid {key} is damaged")));
    let (index, table) = pyramid_parts(file.bytes, &tail).ok_or_else(damaged)?;
    let index = state.store.range(&key, index).await?;
    let pyramid = serde_json::from_slice(&index).map_err(|_| damaged())?;
    let place = Arc::new(Place { pyramid, table });
    let mut places = known();
    if places.len() >= MAX_CACHED_PLACES {
        places.clear();
    }
    places.insert(file.claim.clone(), place.clone());
    Ok(place)
}

async fn read(
    state: &WebState,
    id: &ImageId,
    file: &PyramidFile,
    found: &Place,
    which: (u32, u32, u32),
) -> Result<axum::body::Bytes> {
    let Pyramid { width, height, .. } = found.pyramid;
    let at = place(width, height, which).map(|place| found.table.start + place * PYRAMID_ENTRY);
    let at = at.ok_or_else(|| ApiError::not_found("There is no such tile."))?;
    let key = keys::pyramid(id, &file.claim);
    let entry = state.store.range(&key, at..at + PYRAMID_ENTRY).await?;
    let range = pyramid_tile(&entry).filter(|range| range.end <= found.table.start);
    let range = range.ok_or_else(|| ApiError::internal(SharedError::new(format!("the pyramid {key} is damaged"))))?;
    Ok(state.store.range(&key, range).await?)
}
