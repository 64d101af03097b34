//! `GET /api/cluster`: the array as this pod sees it.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base::wall::now;
use shared::cluster::{ClusterView, Health};

use super::WebState;

/// `GET /api/cluster`.
pub(super) async fn show(State(state): State<WebState>) -> Response {
    let view = as_of_now(&state.view.borrow());
    ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

/// Returns the view with its time set to now. The view changes only when something happens, so while the pod is
/// connected it is as current as when it was built; while disconnected, it keeps the time of the last update.
pub(super) fn as_of_now(view: &ClusterView) -> ClusterView {
    let mut view = view.clone();
    if view.health != Health::Disconnected {
        view.at = now();
    }
    view
}
