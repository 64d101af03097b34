//! Fault injection, with `--allow-faults`: `POST /api/pods/{pod}/kill`, `/freeze`, `/disconnect` and `/start`.
//!
//! Any process can be asked: a request for another process's pod is forwarded to that process. A process keeps serving
//! its pages and API whatever faults are injected into its pods.

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base::fault::FaultError;
use serde::Deserialize;
use shared::cluster::Fault;
use shared::error::Problem;
use shared::id::PodName;
use shared::route;

use super::relay::{ANSWER_TIMEOUT, address_of};
use crate::WebState;
use crate::problem::{ApiError, Path, Query, Result};
use crate::uploads::upload::prefers_html;

/// Injects faults into the pods of this process.
#[async_trait]
pub trait Faults: Send + Sync + 'static {
    /// Injects a fault. Whatever the fault, the pod hands nothing over and its session ends only by its timeout.
    async fn play(&self, pod: &PodName, fault: Fault) -> Result<(), FaultError>;

    /// Undoes the fault: a killed pod starts again with a new session, a frozen one resumes where it stopped.
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

/// Query parameters.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Set by another process: the request must not be forwarded again.
    #[serde(default)]
    forwarded: bool,
}

/// `POST /api/pods/{pod}/{act}`.
pub(crate) async fn act(
    State(state): State<WebState>,
    Path((pod, act)): Path<(PodName, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response> {
    let fault = Fault::ALL.into_iter().find(|fault| fault.verb() == act);
    if fault.is_none() && act != "start" {
        return Err(ApiError::not_found(format!("Expected kill, freeze, disconnect or start, got {act:?}.")));
    }
    let faults = faults(&state)?;
    let done = match fault {
        Some(fault) => faults.play(&pod, fault).await,
        None => faults.start(&pod).await,
    };
    match done {
        Err(FaultError::Unknown(_)) if !asked.forwarded => forward(&state, &pod, &act).await?,
        done => done?,
    }
    Ok(answer(&headers))
}

/// Forwards the request to the process that the pod runs in.
async fn forward(state: &WebState, pod: &PodName, act: &str) -> Result<()> {
    let address = address_of(state, pod)?;
    let request = state.logs.client.post(format!("http://{address}{}?forwarded=true", route::pod_act(pod, act)));
    let away = |why: reqwest::Error| {
        tracing::debug!(%pod, address, %why, "asking a pod's process failed");
        ApiError::unavailable(format!("The process of pod {pod} at {address} doesn't answer."))
    };
    let answer = request.timeout(ANSWER_TIMEOUT).send().await.map_err(away)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let problem: Problem = answer.json().await.map_err(away)?;
    Err(ApiError::new(status, problem.to_string()))
}

fn faults(state: &WebState) -> Result<&Arc<dyn Faults>> {
    state.faults.as_ref().ok_or_else(|| {
        let detail = "Faults are disabled: start the server with --allow-faults.";
        ApiError::new(StatusCode::FORBIDDEN, detail)
    })
}

fn answer(headers: &HeaderMap) -> Response {
    if prefers_html(headers) {
        Redirect::to(route::CLUSTER).into_response()
    } else {
        StatusCode::NO_CONTENT.into_response()
    }
}
