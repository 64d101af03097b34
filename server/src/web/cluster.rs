//! `GET /api/cluster`: the array as this pod sees it.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use shared::cluster::{ClusterView, Health};

use super::WebState;
use crate::wall::now;

/// `GET /api/cluster`.
pub(super) async fn show(State(state): State<WebState>) -> Response {
    let view = as_of_now(&state.view.borrow());
    ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response()
}

/// The view for someone who looks now. It changes only when something happens, so while the pod is connected it is as
/// true now as when it was made; without a connection, it is as old as it says.
pub(super) fn as_of_now(view: &ClusterView) -> ClusterView {
    let mut view = view.clone();
    if view.health != Health::Disconnected {
        view.at = now();
    }
    view
}
