//! The router: which handler answers which path, and the middleware around all of them.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use base::causes::SharedError;
use base::panics;
use shared::route;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;

use super::connections::clients;
use super::downloads::{download, zip};
use super::images::{deleting, jobs, retrying};
use super::live::events;
use super::pictures::{pyramid, views};
use super::pods::{faults, logs};
use super::problem::ApiError;
use super::uploads::{tus, upload};
use super::{WebState, cluster, compat, guard, health, images, pages};

/// Maximum size of a body that is buffered as a whole, in bytes. A form with a thousand ids and their field names takes
/// about a third of it.
const FORM_BYTES: usize = 256 << 10;

/// Builds the router of all routes, with its middleware.
pub fn router(state: WebState) -> Router {
    let pace = axum::middleware::from_fn_with_state(state.clients.clone(), clients::pace);
    Router::new()
        .merge(api())
        .merge(forms())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(pages::router(state.clone()))
        .fallback(pages::fallback)
        .with_state(state)
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(pace)
        .layer(axum::middleware::from_fn(guard::same_site))
        .layer(axum::middleware::from_fn(guard::explain))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            let message = panics::message(&*panic).unwrap_or_default();
            ApiError::internal(SharedError::new(format!("a handler panicked: {message}"))).into_response()
        }))
        .layer(axum::middleware::from_fn(guard::harden))
        .layer(TraceLayer::new_for_http())
}

fn api() -> Router<WebState> {
    let upload = post(upload::create).layer(DefaultBodyLimit::disable());
    Router::new()
        .route(route::API_IMAGES, upload.get(images::list))
        .route(route::API_UPLOADS, post(tus::create).options(tus::options))
        .route(
            "/api/uploads/{id}",
            get(tus::accepted).head(tus::head).patch(tus::append).delete(tus::end).options(tus::options),
        )
        .route(route::API_SECTIONS, get(images::sections))
        .route(route::API_ZIP, get(zip::of_query).post(zip::of_form))
        .route(route::API_DELETE, post(deleting::delete_chosen))
        .route(route::API_RESTORE, post(deleting::restore_chosen))
        .route("/api/images/{id}", get(images::show).delete(deleting::delete))
        .route("/api/images/{id}/jobs", post(images::add_job))
        .route("/api/images/{id}/retry", post(images::retry))
        .route("/api/images/{id}/original", get(download::original))
        .route("/api/images/{id}/result", get(download::result))
        .route("/api/images/{id}/view", get(views::of_original))
        .route("/api/images/{id}/result/view", get(views::of_result))
        .route("/api/images/{id}/thumbnail", get(views::thumbnail))
        .route("/api/images/{id}/pyramid", get(pyramid::show))
        .route("/api/images/{id}/pyramid/{level}/{column}/{row}", get(pyramid::tile))
        .route("/api/images/{id}/neighbours", get(images::neighbours))
        .route(route::API_RETRY, post(retrying::retry_failed))
        .route("/api/jobs/{id}", get(jobs::show))
        .route("/api/jobs/{id}/timeline", get(jobs::timeline))
        .route(route::API_CLUSTER, get(cluster::show))
        .route(route::API_EVENTS, get(events::stream))
        .route("/api/pods/{pod}/logs", get(logs::show))
        .route("/api/pods/{pod}/{act}", post(faults::act))
        .route("/api/{*rest}", any(pages::fallback))
}

/// Routes for pages without JavaScript and for older clients.
fn forms() -> Router<WebState> {
    Router::new()
        .route(route::DELETE_FORM, post(deleting::delete_several_form))
        .route("/images/{id}/delete", post(deleting::delete_form))
        .route("/images/{id}/jobs", post(images::add_job_form))
        .route("/images/{id}/retry", post(images::retry_form))
        .route(route::RETRY_FORM, post(retrying::retry_form))
        .route("/upload", post(compat::upload).layer(DefaultBodyLimit::disable()))
        .route("/download/{name}", get(compat::download))
}
