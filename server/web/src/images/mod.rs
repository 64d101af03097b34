//! Images: `GET /api/images`, its sections, `GET /api/images/{id}`, and further jobs on an image.

pub(crate) mod deleting;
pub(crate) mod jobs;
pub(crate) mod retrying;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use catalog::Write;
use pipeline::intake;
use pipeline::intake::accept::fresh;
use pipeline::job::companions;
use serde::Deserialize;
use shared::cluster::ClusterView;
use shared::equalize::{MethodKind, Recipe};
use shared::gallery::{Accepted, Image, ImageQuery, JobSummary, Page, Sort};
use shared::id::{ImageId, JobId};
use shared::job::{Format, JobState};
use shared::route;

use super::WebState;
use super::problem::{ApiError, Path, Query, Result};
use super::uploads::upload::{idempotency_key, parse_recipe, recipe_of_form, taken};

/// Maximum number of images of a page.
const MAX_PAGE_SIZE: u32 = 200;

/// Query parameters as sent: a field left empty in a form counts as omitted.
#[derive(Debug, Default, Deserialize)]
pub(super) struct RawQuery {
    limit: Option<String>,
    cursor: Option<String>,
    state: Option<String>,
    format: Option<String>,
    depth: Option<String>,
    method: Option<String>,
    q: Option<String>,
    sort: Option<String>,
}

impl RawQuery {
    pub(super) fn checked(self) -> Result<ImageQuery> {
        let given = |field: Option<String>| field.filter(|text| !text.is_empty());
        let limit = given(self.limit).map(|text| match text.parse() {
            Ok(limit) if (1..=MAX_PAGE_SIZE).contains(&limit) => Ok(limit),
            _ => Err(ApiError::bad_request(format!("Expected a limit of 1 to {MAX_PAGE_SIZE}, got {text:?}."))),
        });
        let state = given(self.state).map(|text| text.parse::<JobState>().map_err(expected("state")));
        let format = given(self.format).map(|text| text.parse::<Format>().map_err(expected("format")));
        let depth = given(self.depth).map(|text| {
            text.parse::<u8>().map_err(|_| expected("depth")(format!("expected a number of bits, got {text:?}")))
        });
        let method = given(self.method).map(|text| {
            let known = MethodKind::ALL.into_iter().find(|method| method.name() == text);
            let names = MethodKind::ALL.map(MethodKind::name).join(", ");
            known.ok_or_else(|| expected("method")(format!("expected one of {names}, got {text:?}")))
        });
        let sort = given(self.sort).map(|text| match text.as_str() {
            "newest" => Ok(Sort::Newest),
            "oldest" => Ok(Sort::Oldest),
            "name" => Ok(Sort::Name),
            other => Err(expected("sort")(format!("expected newest, oldest or name, got {other:?}"))),
        });
        let q = given(self.q);
        if q.as_ref().is_some_and(|q| q.chars().count() > 200) {
            return Err(ApiError::bad_request("Expected at most 200 characters to search for."));
        }
        Ok(ImageQuery {
            limit: limit.transpose()?,
            cursor: given(self.cursor),
            state: state.transpose()?,
            format: format.transpose()?,
            depth: depth.transpose()?,
            method: method.transpose()?,
            q,
            sort: sort.transpose()?,
        })
    }
}

fn expected(field: &'static str) -> impl Fn(String) -> ApiError {
    move |sentence| ApiError::bad_request(format!("The parameter `{field}`: {sentence}."))
}

/// Reads a page of images, with the progress of running jobs.
pub(super) async fn page(state: &WebState, query: &ImageQuery) -> Result<Page> {
    if query.limit.is_some_and(|limit| !(1..=MAX_PAGE_SIZE).contains(&limit)) {
        return Err(ApiError::bad_request(format!("Expected a limit of 1 to {MAX_PAGE_SIZE}.")));
    }
    let mut page = state.catalog.images(query).await?;
    let view = state.view.borrow().clone();
    page.items.iter_mut().for_each(|image| add_progress(image, &view));
    Ok(page)
}

/// Reads an image, with the progress of running jobs.
pub(super) async fn one(state: &WebState, id: &ImageId) -> Result<Image> {
    let mut image = state.catalog.image(id).await?.ok_or_else(|| no_image(id))?;
    add_progress(&mut image, &state.view.borrow().clone());
    Ok(image)
}

pub(super) fn no_image(id: &ImageId) -> ApiError {
    ApiError::not_found(format!("There is no image {id}."))
}

/// Adds the progress of a running job, which is in znodes and not in the catalog.
pub(super) fn add_job_progress(job: &mut JobSummary, view: &ClusterView) {
    if job.state == JobState::Running {
        job.progress = view.job(&job.id).and_then(|job| job.progress());
    }
}

fn add_progress(image: &mut Image, view: &ClusterView) {
    image.jobs.iter_mut().for_each(|job| add_job_progress(job, view));
    if image.state == JobState::Running {
        image.progress = view.job(&image.job_id).and_then(|job| job.progress());
    }
}

/// `GET /api/images`.
pub(super) async fn list(State(state): State<WebState>, Query(query): Query<RawQuery>) -> Result<Response> {
    Ok(live(page(&state, &query.checked()?).await?))
}

/// `GET /api/images/sections`.
pub(super) async fn sections(State(state): State<WebState>, Query(query): Query<RawQuery>) -> Result<Response> {
    Ok(live(state.catalog.sections(&query.checked()?).await?))
}

/// `GET /api/images/{id}`.
pub(super) async fn show(State(state): State<WebState>, Path(id): Path<ImageId>) -> Result<Response> {
    Ok(live(one(&state, &id).await?))
}

/// `GET /api/images/{id}/neighbours`: the images before and after it in the gallery, newest first.
pub(super) async fn neighbours(State(state): State<WebState>, Path(id): Path<ImageId>) -> Result<Response> {
    Ok(live(state.catalog.neighbours(&id).await?))
}

/// `POST /api/images/{id}/retry`: queues the image's latest job again if it failed.
pub(super) async fn retry(State(state): State<WebState>, Path(id): Path<ImageId>) -> Result<Response> {
    Ok(taken(try_again(&state, &id).await?))
}

/// `POST /images/{id}/retry`: as [`retry`], for a form.
pub(super) async fn retry_form(State(state): State<WebState>, Path(id): Path<ImageId>) -> Result<Redirect> {
    try_again(&state, &id).await?;
    Ok(Redirect::to(&route::image_page(&id)))
}

async fn try_again(state: &WebState, id: &ImageId) -> Result<Accepted> {
    let image = state.catalog.image(id).await?.ok_or_else(|| no_image(id))?;
    state.accept.gauge.room()?;
    match state.catalog.retry(&image.job_id).await? {
        Write::Applied => {
            state.accept.gauge.note_accepted();
            tracing::info!(image = %id, job = %image.job_id, "failed job queued again");
            (state.accept.doorbell)();
            Ok(Accepted { image_id: image.id, job_id: image.job_id, state: JobState::Queued })
        }
        Write::NoChange | Write::NotMine => {
            let detail = format!("Only a failed job can be tried again; this one is {}.", image.state);
            Err(ApiError::conflict(detail))
        }
    }
}

/// `POST /api/images/{id}/jobs`: queues a job with another recipe, sent as `{"recipe":{…}}` or on its own.
pub(super) async fn add_job(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response> {
    let key = idempotency_key(&headers)?;
    let text = std::str::from_utf8(&body).map_err(|_| ApiError::bad_request("The body isn't UTF-8 text."))?;
    let recipe = parse_recipe(&unwrapped(text))?;
    let job = queue_job(&state, &id, &recipe, key.as_deref()).await?;
    let summary = state.catalog.job(&job).await?.ok_or_else(|| no_image(&id))?;
    if summary.image_id != id {
        return Err(key_reused("image"));
    }
    if summary.recipe != recipe {
        return Err(key_reused("recipe"));
    }
    (state.accept.doorbell)();
    Ok(taken(Accepted { image_id: id, job_id: job, state: summary.state }))
}

/// `POST /images/{id}/jobs`: queues a job with another recipe, from a form's fields.
pub(super) async fn add_job_form(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    queue_job(&state, &id, &recipe_of_form(&fields)?, None).await?;
    (state.accept.doorbell)();
    Ok(Redirect::to(&route::image_page(&id)))
}

/// Queues a job, or returns the job that the idempotency key was answered with before. The latter works even when the
/// backlog is full.
async fn queue_job(state: &WebState, id: &ImageId, recipe: &Recipe, key: Option<&str>) -> Result<JobId> {
    if let Err(full) = state.accept.gauge.room() {
        let Some(key) = key else { return Err(full.into()) };
        return Ok(state.catalog.job_answered(id, key).await?.ok_or(full)?);
    }
    // A reused key gets its first answer, even if images that the recipe names have been deleted since.
    if let Some(key) = key
        && let Some(answered) = state.catalog.job_answered(id, key).await?
    {
        return Ok(answered);
    }
    let files = state.catalog.files(id, None).await?.ok_or_else(|| no_image(id))?;
    let found = companions::find(&*state.catalog, recipe, &files.info, &state.accept.limits).await;
    found.map_err(intake::Error::from)?;
    let fresh = fresh();
    let added = state.catalog.add_job(id, &fresh, recipe, key).await?.ok_or_else(|| no_image(id))?;
    if added == fresh {
        state.accept.gauge.note_accepted();
    }
    Ok(added)
}

fn key_reused(with: &'static str) -> ApiError {
    intake::Error::KeyReused(with).into()
}

/// Returns the recipe's JSON, unwrapped from `{"recipe": …}` if necessary.
fn unwrapped(text: &str) -> String {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        recipe: serde_json::Value,
    }
    match serde_json::from_str::<Wrapped>(text) {
        Ok(wrapped) => wrapped.recipe.to_string(),
        Err(_) => text.to_owned(),
    }
}

/// A JSON response that must not be cached: its content may change at any time.
pub(super) fn live<T: serde::Serialize>(content: T) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], Json(content)).into_response()
}
