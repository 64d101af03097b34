//! `POST /api/pods/{pod}/kill` and `/start`: faults at will, where `--allow-faults` is given.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use shared::id::PodName;
use shared::route;

use super::WebState;
use super::problem::{ApiError, Path, Result};
use super::upload::prefers_html;

/// Why a pod wasn't killed or started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// It isn't one of this process's pods.
    #[error("There is no pod {0} in this process.")]
    Unknown(PodName),
    /// It is dead already.
    #[error("The pod {0} is dead already.")]
    Dead(PodName),
    /// It is alive already.
    #[error("The pod {0} is alive already.")]
    Alive(PodName),
}

/// Kills and starts the pods of this process.
#[async_trait]
pub trait Faults: Send + Sync + 'static {
    /// Ends a pod as a crash would: its ephemeral nodes stay until its lease runs out.
    async fn kill(&self, pod: &PodName) -> Result<(), FaultError>;

    /// Starts a killed pod again, with a new session.
    async fn start(&self, pod: &PodName) -> Result<(), FaultError>;
}

impl From<FaultError> for ApiError {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::Unknown(_) => ApiError::not_found(error.to_string()),
            FaultError::Dead(_) | FaultError::Alive(_) => ApiError::conflict(error.to_string()),
        }
    }
}

/// `POST /api/pods/{pod}/kill`.
pub(super) async fn kill(
    State(state): State<WebState>,
    Path(pod): Path<PodName>,
    headers: HeaderMap,
) -> Result<Response> {
    faults(&state)?.kill(&pod).await?;
    Ok(done(&headers))
}

/// `POST /api/pods/{pod}/start`.
pub(super) async fn start(
    State(state): State<WebState>,
    Path(pod): Path<PodName>,
    headers: HeaderMap,
) -> Result<Response> {
    faults(&state)?.start(&pod).await?;
    Ok(done(&headers))
}

fn faults(state: &WebState) -> Result<&Arc<dyn Faults>> {
    state.faults.as_ref().ok_or_else(|| {
        let detail = "Pods can be killed and started only where the server was started with --allow-faults.";
        ApiError::new(StatusCode::FORBIDDEN, detail)
    })
}

fn done(headers: &HeaderMap) -> Response {
    if prefers_html(headers) {
        Redirect::to(route::CLUSTER).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    }
}
