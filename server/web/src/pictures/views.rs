//! Pictures that any browser can show: views of at most 2,048 pixels, and thumbnails.
//!
//! They are rendered on pixel threads on demand, and cached ([`renders`](super::renders)).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base::causes::chain;
use catalog::Files;
use shared::id::{ImageId, JobId};
use shared::job::ImageInfo;
use store::Store;

use super::pyramid;
use super::renders::Picture;
use crate::WebState;
use crate::downloads::download::{Lasting, Selection, files, insert, no_result};
use crate::downloads::range::{Want, want};
use crate::problem::{ApiError, Path, Query, Result};

/// The longer side of a view, in pixels.
const VIEW_SIDE: u32 = 2_048;
/// The longer side of a thumbnail, in pixels.
const THUMBNAIL_SIDE: u32 = 512;
/// Version of the renderer: part of the entity tag, to be raised when the same file would be rendered differently.
const RENDERER_VERSION: u32 = 2;
/// Images of more pixels are drawn from their pyramid if it exists, which is fast at any size.
const LARGE_PIXELS: u64 = 16_000_000;
/// Memory that rendering row by row may take, in bytes.
const ROWS_MEMORY: u64 = 64 << 20;

/// `GET /api/images/{id}/view`.
pub(crate) async fn of_original(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    headers: HeaderMap,
) -> Result<Response> {
    let source = Source::original(&id, files(&state, &id, None).await?);
    show(&state, source, VIEW_SIDE, Lasting::Fixed, &headers).await
}

/// `GET /api/images/{id}/result/view`.
pub(crate) async fn of_result(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    Query(selection): Query<Selection>,
    headers: HeaderMap,
) -> Result<Response> {
    let files = files(&state, &id, selection.job.as_ref()).await?;
    let source = Source::result(&id, &files).ok_or_else(no_result)?;
    show(&state, source, VIEW_SIDE, Lasting::of(&selection), &headers).await
}

/// `GET /api/images/{id}/thumbnail`: of the result if there is one, else of the original.
pub(crate) async fn thumbnail(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    Query(selection): Query<Selection>,
    headers: HeaderMap,
) -> Result<Response> {
    let files = files(&state, &id, selection.job.as_ref()).await?;
    let result = Source::result(&id, &files);
    // An unfinished job has no result yet, so its thumbnail will change.
    let lasting = if result.is_some() { Lasting::of(&selection) } else { Lasting::Latest };
    let source = result.unwrap_or_else(|| Source::original(&id, files));
    show(&state, source.of(id), THUMBNAIL_SIDE, lasting, &headers).await
}

/// A file in the store to render a picture of.
struct Source {
    key: String,
    sha256: String,
    /// Memory that rendering may take, in bytes, from the original's header; its result never takes more.
    memory: u64,
    /// The image whose ThumbHash is stored after rendering.
    hashed: Option<ImageId>,
    /// For large images: the image and job whose pyramid shows the same picture.
    large: Option<(ImageId, Option<JobId>)>,
}

impl Source {
    fn original(id: &ImageId, files: Files) -> Self {
        let large = is_large(&files.info).then(|| (id.clone(), None));
        Self { memory: memory(&files.info), key: files.original, sha256: files.original_sha256, hashed: None, large }
    }

    fn result(id: &ImageId, files: &Files) -> Option<Self> {
        let result = files.result.clone()?;
        let large = is_large(&files.info).then(|| (id.clone(), Some(result.job)));
        let info = codec::result_info(files.target, &files.info, files.info.layout);
        Some(Self { key: result.key, sha256: result.sha256, memory: memory(&info), hashed: None, large })
    }

    fn of(self, image: ImageId) -> Self {
        Self { hashed: Some(image), ..self }
    }
}

fn is_large(info: &ImageInfo) -> bool {
    info.pixels() > LARGE_PIXELS
}

fn memory(info: &ImageInfo) -> u64 {
    if info.whole_decode { info.raw_bytes().max(ROWS_MEMORY) } else { info.raw_bytes().min(ROWS_MEMORY) }
}

async fn show(state: &WebState, source: Source, side: u32, lasting: Lasting, headers: &HeaderMap) -> Result<Response> {
    let tiles = match &source.large {
        Some((image, job)) => pyramid::there(state, image, job.as_ref()).await?,
        None => None,
    };
    let name = format!("{}-{side}-{RENDERER_VERSION}{}", source.sha256, if tiles.is_some() { "-tiles" } else { "" });
    let etag = format!("\"{name}\"");
    // Before rendering: the entity tag doesn't depend on the picture's bytes.
    let mut response = if want(headers, &etag, u64::MAX) == Want::NotModified {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let render = render(state, source, tiles, side);
        let picture = state.renders.get(name, render).await?;
        body(&picture, want(headers, &etag, picture.bytes.len() as u64))
    };
    if response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        response.headers_mut().insert(header::CACHE_CONTROL, lasting.cache_control());
        insert(&mut response, header::ETAG, &etag);
    }
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

fn body(picture: &Picture, want: Want) -> Response {
    let length = picture.bytes.len();
    let mut response = match want {
        Want::Unsatisfiable => {
            let detail = format!("The picture has {length} bytes; the range lies outside.");
            let mut response = ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, detail).into_response();
            insert(&mut response, header::CONTENT_RANGE, &format!("bytes */{length}"));
            return response;
        }
        Want::Part(range) => {
            let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            // The range lies within the picture, which is in memory, so it fits a `usize`.
            let bytes = picture.bytes.slice(range.start as usize..range.end as usize);
            let mut response = (StatusCode::PARTIAL_CONTENT, Body::from(bytes)).into_response();
            insert(&mut response, header::CONTENT_RANGE, &told);
            response
        }
        Want::All | Want::NotModified => Body::from(picture.bytes.clone()).into_response(),
    };
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(picture.media_type));
    response
}

fn render(
    state: &WebState,
    source: Source,
    tiles: Option<(String, Arc<pyramid::Place>)>,
    side: u32,
) -> impl Future<Output = Result<Picture>> + Send + use<> {
    let (pixels, store, limits) = (state.pixels.clone(), state.store.clone(), state.accept.limits);
    let catalog = state.catalog.clone();
    async move {
        let handle = tokio::runtime::Handle::current();
        let hashed = source.hashed.clone();
        let memory = if tiles.is_some() { ROWS_MEMORY } else { source.memory };
        let (picture, hash) = pixels
            .run(memory, move || {
                let picture = match tiles {
                    Some((key, place)) => {
                        pyramid::draw(&store, &key, &place, side, &handle).map(Picture::from).map_err(not_shown)
                    }
                    None => draw(&store, &source.key, &limits, side, handle),
                }?;
                let hash = source.hashed.and_then(|_| thumbhash(&picture.bytes));
                Ok::<_, ApiError>((picture, hash))
            })
            .await??;
        if let (Some(image), Some(hash)) = (hashed, hash)
            && let Err(error) = catalog.keep_thumbhash(&image, &hash).await
        {
            tracing::warn!(%image, error = %chain(&error), "saving a ThumbHash failed");
        }
        Ok(picture)
    }
}

/// Computes the ThumbHash of a thumbnail, in base64.
fn thumbhash(thumbnail: &[u8]) -> Option<String> {
    /// Maximum side that the algorithm accepts.
    const SIDE: u32 = 100;
    let decoded = image::load_from_memory(thumbnail).inspect_err(|error| {
        tracing::warn!(error = %chain(&error), "reading a new thumbnail failed");
    });
    let small = decoded.ok()?.thumbnail(SIDE, SIDE).into_rgba8();
    let hash = ::thumbhash::rgba_to_thumb_hash(small.width() as usize, small.height() as usize, small.as_raw());
    Some(base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash))
}

/// Renders a picture from a file. Blocks; to be run on a pixel thread.
fn draw(
    store: &Store,
    key: &str,
    limits: &codec::Limits,
    side: u32,
    handle: tokio::runtime::Handle,
) -> Result<Picture> {
    let mut source = store.reader(key, handle)?;
    // The result's own header, not the original's: a recipe may have made it gray.
    let info = codec::inspect(&mut source, limits).map_err(not_shown)?;
    let profile = codec::profile(&mut source, &info).map_err(not_shown)?;
    let mut rows = codec::open(Box::new(source), &info).map_err(not_shown)?;
    let view = codec::view(&mut *rows, &info, profile.as_deref(), side).map_err(not_shown)?;
    Ok(view.into())
}

fn not_shown(error: codec::Error) -> ApiError {
    match error {
        codec::Error::Refused(sentence) => ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, sentence),
        codec::Error::Source(error) => {
            tracing::warn!(error = %chain(&error), "reading a picture's source failed");
            ApiError::unavailable("The store of images doesn't answer at the moment; try again soon.")
        }
    }
}
