//! `POST /api/pods/{pod}/kill`, `/freeze`, `/disconnect` and `/start`: faults at will, where `--allow-faults` is given.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use shared::cluster::Fault;
use shared::id::PodName;
use shared::route;

use super::WebState;
use super::problem::{ApiError, Path, Result};
use super::upload::prefers_html;

/// Why a fault wasn't played or undone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// It isn't one of this process's pods.
    #[error("There is no pod {0} in this process.")]
    Unknown(PodName),
    /// It is dead already.
    #[error("The pod {0} is dead already.")]
    Dead(PodName),
    /// There is nothing to undo.
    #[error("The pod {0} is alive already.")]
    Alive(PodName),
    /// Another fault is played on it.
    #[error("A fault is played on the pod {0} already; it must be undone first.")]
    Faulty(PodName),
    /// Only the embedded coordinator lets a pod's session fall silent.
    #[error("The pod {0} coordinates through ZooKeeper: freeze its process (kill -STOP) or cut its network instead.")]
    NotHere(PodName),
}

/// Plays faults on the pods of this process.
#[async_trait]
pub trait Faults: Send + Sync + 'static {
    /// Plays a fault. Whichever it is, the pod's ephemeral nodes stay until its lease runs out.
    async fn play(&self, pod: &PodName, fault: Fault) -> Result<(), FaultError>;

    /// Undoes the fault: a killed pod starts again with a new session, a frozen one goes on where it stopped.
    async fn start(&self, pod: &PodName) -> Result<(), FaultError>;
}

impl From<FaultError> for ApiError {
    fn from(error: FaultError) -> Self {
        match error {
            FaultError::Unknown(_) => ApiError::not_found(error.to_string()),
            _ => ApiError::conflict(error.to_string()),
        }
    }
}

/// `POST /api/pods/{pod}/{act}`.
pub(super) async fn act(
    State(state): State<WebState>,
    Path((pod, act)): Path<(PodName, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let fault = Fault::ALL.into_iter().find(|fault| fault.verb() == act);
    if fault.is_none() && act != "start" {
        return Err(ApiError::not_found(format!("Expected kill, freeze, disconnect or start, got {act:?}.")));
    }
    match fault {
        Some(fault) => faults(&state)?.play(&pod, fault).await?,
        None => faults(&state)?.start(&pod).await?,
    }
    Ok(done(&headers))
}

fn faults(state: &WebState) -> Result<&Arc<dyn Faults>> {
    state.faults.as_ref().ok_or_else(|| {
        let detail = "Faults can be played on pods only where the server was started with --allow-faults.";
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
