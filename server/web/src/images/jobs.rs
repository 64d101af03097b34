//! Jobs: `GET /api/jobs/{id}` and its timeline.

use axum::extract::State;
use axum::response::Response;
use shared::id::JobId;

use super::{add_job_progress, live};
use crate::WebState;
use crate::problem::{ApiError, Path, Result};

/// `GET /api/jobs/{id}`: a job and its progress.
pub(crate) async fn show(State(state): State<WebState>, Path(id): Path<JobId>) -> Result<Response> {
    let job = state.catalog.job(&id).await?;
    let mut job = job.ok_or_else(|| ApiError::not_found(format!("There is no job {id}.")))?;
    add_job_progress(&mut job, &state.view.borrow().clone());
    Ok(live(job))
}

/// `GET /api/jobs/{id}/timeline`: how the job's tasks went, once it has ended.
pub(crate) async fn timeline(State(state): State<WebState>, Path(id): Path<JobId>) -> Result<Response> {
    match state.catalog.timeline(&id).await? {
        Some(timeline) => Ok(live(timeline)),
        None => Err(ApiError::not_found(format!("There is no timeline of job {id}: it hasn't ended, or isn't known."))),
    }
}
