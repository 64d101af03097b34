//! `GET /api/cluster`: the array as this pod sees it.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use shared::cluster::ClusterView;

use super::WebState;

/// `GET /api/cluster`.
pub(super) async fn show(State(state): State<WebState>) -> Response {
    let view = state.view.borrow().clone();
    ([(header::CACHE_CONTROL, "no-store")], Json(ClusterView::clone(&view))).into_response()
}
