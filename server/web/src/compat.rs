//! Compatibility with clients of the older Python system: `POST /upload` and `GET /download/<name>`.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared::gallery::{ImageQuery, Sort};
use shared::id::{ImageId, JobId};
use shared::job::JobState;

use super::WebState;
use super::connections::connection::Caller;
use super::downloads::download::{Lasting, files, of_result, result_name};
use super::problem::{ApiError, Path, Result};
use super::uploads::upload::{Images, receive};

#[derive(Serialize)]
struct Uploaded {
    job_id: JobId,
}

/// `POST /upload`: takes the form of `POST /api/images`, and answers with the job's id only.
pub(super) async fn upload(State(state): State<WebState>, request: Request) -> Result<Response> {
    let accepted = receive(&state, request, Images::One).await?;
    let first = accepted.into_iter().next();
    let accepted = first.ok_or_else(|| ApiError::bad_request("Expected an image in the field `image`."))?;
    Ok(Json(Uploaded { job_id: accepted.job_id }).into_response())
}

/// `GET /download/<name>`: the result of a job id, or the latest result of a file name (the original's or the
/// result's).
pub(super) async fn download(
    State(state): State<WebState>,
    Path(name): Path<String>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response> {
    let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
    if let Ok(id) = stem.parse::<JobId>()
        && let Some(job) = state.catalog.job(&id).await?
    {
        let files = files(&state, &job.image_id, Some(&id)).await?;
        return of_result(files, Lasting::Fixed)?.serve(&state, &caller, &headers).await;
    }
    let image = latest(&state, &name).await?;
    let image = image.ok_or_else(|| ApiError::not_found(format!("There is no result named {name:?}.")))?;
    of_result(files(&state, &image, None).await?, Lasting::Latest)?.serve(&state, &caller, &headers).await
}

/// Finds the newest image with a result whose original or result has this file name.
async fn latest(state: &WebState, name: &str) -> Result<Option<ImageId>> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let q = stem.strip_suffix("-equalized").unwrap_or(stem).to_owned();
    let query = ImageQuery {
        limit: Some(200),
        state: Some(JobState::Done),
        q: Some(q),
        sort: Some(Sort::Newest),
        ..ImageQuery::default()
    };
    let page = state.catalog.images(&query).await?;
    let named = |image: &&shared::gallery::Image| {
        let format = image.recipe.target.format_of(image.format);
        image.name == name || result_name(&image.name, image.format, format) == name
    };
    Ok(page.items.iter().find(named).map(|image| image.id.clone()))
}
