//! Health endpoints: `/healthz` (liveness) and `/readyz` (readiness: this process can take uploads and inspect them).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::{AppendHeaders, IntoResponse, Response};
use base::incarnation;

use super::WebState;
use super::problem::{ApiError, Result};

/// Measures how long this process has been cut off from the coordinator, by its monotonic clock. Waiting candidates
/// evict a leader based on it, and the view's own time comes from the wall clock, which may be stepped. Measured from
/// the first request on; candidates ask often enough for that.
#[derive(Debug, Clone, Default)]
pub struct CutOff(Arc<Mutex<Option<(i64, Instant)>>>);

impl CutOff {
    /// Returns for how long the process has been cut off. `since` is when the view noticed it, in ms since 1970, and only
    /// serves to tell outages apart.
    fn elapsed(&self, since: Option<i64>) -> Option<Duration> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = since.map(|since| known.filter(|known| known.0 == since).unwrap_or_else(|| (since, Instant::now())));
        known.map(|(_, began)| began.elapsed())
    }
}

/// `GET /healthz`. Its headers carry the process's incarnation, how long it has been cut off and which pods it runs,
/// for waiting candidates.
pub(super) async fn alive(State(state): State<WebState>) -> Response {
    let since = state.view.borrow().cut_off;
    let cut_off =
        state.cut_off.elapsed(since).map(|long| AppendHeaders([(incarnation::CUT_OFF, long.as_millis().to_string())]));
    let lives: Vec<String> = incarnation::lives().borrow().iter().map(|(life, pod)| format!("{pod}={life}")).collect();
    let lives = AppendHeaders([(incarnation::LIVES, lives.join(","))]);
    ([(incarnation::PROCESS, incarnation::id())], lives, cut_off, ok()).into_response()
}

/// `GET /readyz`: ready if the catalog answers and the pixel threads aren't all stuck. Neither the pod's role nor a
/// missing master matters: any pod takes uploads as long as it can record them.
pub(super) async fn ready(State(state): State<WebState>) -> Result<Response> {
    const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
    if state.pixels.all_stuck() {
        return Err(ApiError::unavailable("All pixel threads are stuck: restart this process."));
    }
    if state.accept.pixels.all_stuck() {
        return Err(ApiError::unavailable("All upload inspection threads are stuck: restart this process."));
    }
    match tokio::time::timeout(CHECK_TIMEOUT, state.catalog.ping()).await {
        Ok(answer) => answer.map(|()| ok()).map_err(ApiError::from),
        Err(_) => Err(ApiError::unavailable("The catalog of images takes too long to answer.")),
    }
}

fn ok() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_stepped_wall_clock_makes_no_process_cut_off_for_longer() {
        let cut_off = CutOff::default();
        let an_hour_ago = base::wall::now() - 3_600_000;
        assert!(cut_off.elapsed(Some(an_hour_ago)).unwrap() < Duration::from_secs(60));
        let first = cut_off.elapsed(Some(an_hour_ago)).unwrap();
        assert!(cut_off.elapsed(Some(an_hour_ago)).unwrap() >= first);
        assert_eq!(cut_off.elapsed(None), None);
    }
}
