//! Retry of failed jobs, many at once.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Redirect;
use serde::Serialize;
use shared::gallery::{Chosen, ImageQuery};
use shared::route;

use super::RawQuery;
use super::deleting::some;
use crate::WebState;
use crate::problem::{ApiError, Query, Result};

/// How many jobs were queued again.
#[derive(Debug, Serialize)]
pub(crate) struct Retried {
    retried: u64,
}

/// `POST /api/jobs/retry`: queues the latest job of each image again if it failed: of the images that the body names, or
/// else of all that the query finds.
pub(crate) async fn retry_failed(
    State(state): State<WebState>,
    Query(query): Query<RawQuery>,
    body: Bytes,
) -> Result<Json<Retried>> {
    state.accept.gauge.room()?;
    let retried = if body.is_empty() {
        all(&state, &query.checked()?).await?
    } else {
        let chosen: Chosen =
            serde_json::from_slice(&body).map_err(|error| ApiError::bad_request(format!("The body: {error}.")))?;
        let retried = state.catalog.retry_images(&some(chosen.images)?).await?;
        announce(&state, retried)
    };
    Ok(Json(Retried { retried }))
}

/// `POST /jobs/retry`: queues the latest job of every image again if it failed, for a form.
pub(crate) async fn retry_form(State(state): State<WebState>) -> Result<Redirect> {
    state.accept.gauge.room()?;
    all(&state, &ImageQuery::default()).await?;
    Ok(Redirect::to(route::CLUSTER))
}

async fn all(state: &WebState, query: &ImageQuery) -> Result<u64> {
    Ok(announce(state, state.catalog.retry_failed(query).await?))
}

fn announce(state: &WebState, retried: u64) -> u64 {
    if retried > 0 {
        tracing::info!(jobs = retried, "failed jobs queued again");
        (state.accept.doorbell)();
    }
    retried
}
