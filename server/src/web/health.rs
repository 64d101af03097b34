//! `/healthz`: the process answers. `/readyz`: it can take uploads and look at them.

use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Response};

use super::WebState;
use super::problem::{ApiError, Result};
use crate::incarnation;

/// `GET /healthz`, which tells as well who answers and for how long it has been cut off: waiting candidates ask.
pub(super) async fn alive(State(state): State<WebState>) -> Response {
    let cut_off = state.view.borrow().cut_off.map(|since| (crate::wall::now() - since).max(0));
    let cut_off = cut_off.map(|ms| AppendHeaders([(incarnation::CUT_OFF, ms.to_string())]));
    let lives: Vec<String> = incarnation::lives().borrow().iter().map(|(life, pod)| format!("{pod}={life}")).collect();
    let lives = AppendHeaders([(incarnation::LIVES, lives.join(","))]);
    ([(incarnation::PROCESS, incarnation::id())], lives, cut_off, ok()).into_response()
}

/// `GET /readyz`: whether the catalog answers, whatever the pod's role and whether there is a master: any pod
/// takes uploads as long as it can record them. Not ready is also a pod none of whose pixel threads comes back.
pub(super) async fn ready(State(state): State<WebState>) -> Result<Response> {
    const PATIENCE: Duration = Duration::from_secs(2);
    if state.pixels.all_stuck() {
        return Err(ApiError::unavailable("No pixel thread is left that works: restart this process."));
    }
    match tokio::time::timeout(PATIENCE, state.catalog.ping()).await {
        Ok(answer) => answer.map(|()| ok()).map_err(ApiError::from),
        Err(_) => Err(ApiError::unavailable("The catalog of images takes too long to answer.")),
    }
}

fn ok() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}
