//! Server-side rendering of the pages in `app`, with the same data that the API returns.

mod site;

use std::sync::{Arc, LazyLock};

use app::backend::{Backend, ResponseStatus};
use app::live::Known;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use leptos::prelude::*;
use leptos_axum::{
    AxumRouteListing, LeptosRoutes, ResponseOptions, generate_route_list, render_app_async_with_context,
};
use shared::error::Problem;
use shared::gallery::{Image, ImageQuery, Page};
use shared::id::ImageId;

use super::cluster::as_of_now;
use super::problem::ApiError;
use super::{WebState, guard, images};

/// Reads the pages' data directly, without a round trip through HTTP.
#[derive(Clone)]
struct Direct(WebState);

#[async_trait]
impl Backend for Direct {
    async fn images(&self, query: &ImageQuery) -> Result<Page, Problem> {
        images::page(&self.0, query).await.map_err(|error| error.problem().clone())
    }

    async fn image(&self, image: &ImageId) -> Result<Image, Problem> {
        images::one(&self.0, image).await.map_err(|error| error.problem().clone())
    }
}

/// The pages' routes, listed once for all pods of this process. While Leptos lists them, every resource that any thread
/// reads never resolves, including those of a page that another pod renders at that moment.
static ROUTES: LazyLock<Vec<AxumRouteListing>> = LazyLock::new(|| generate_route_list(app::App));

/// Builds the router of the pages.
pub(super) fn router(state: WebState) -> Router<WebState> {
    let options = options();
    let pages = Router::new().leptos_routes_with_context(&options, ROUTES.clone(), context(state), shell());
    pages.with_state(options)
}

/// Answers paths without a route: a file of the site, a problem for programs, or the pages' own "not found".
pub(super) async fn fallback(State(state): State<WebState>, request: Request) -> Response {
    let path = request.uri().path();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads && let Some(file) = site::file(path, request.headers()) {
        return file;
    }
    if path.starts_with("/api/") || path == "/api" || !reads || !wants_page(&request) {
        return ApiError::not_found(format!("There is nothing at {path}.")).into_response();
    }
    let render = render_app_async_with_context(context(state), shell());
    let mut response: Response<Body> = render(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

fn options() -> LeptosOptions {
    LeptosOptions::builder().output_name("evenlight").site_root("target/site").site_pkg_dir("pkg").build()
}

fn shell() -> impl Fn() -> AnyView + Clone + Send + Sync + 'static {
    || app::shell(site::address).into_any()
}

/// Returns a function that provides the context in which a page is rendered.
fn context(state: WebState) -> impl Fn() + Clone + Send + Sync + 'static {
    let backend: Arc<dyn Backend> = Arc::new(Direct(state.clone()));
    move || {
        provide_context(backend.clone());
        provide_context(Known { view: as_of_now(&state.view.borrow()), events: state.events.recent_events() });
        let Some(response) = use_context::<ResponseOptions>() else { return };
        let nonce = leptos::nonce::use_nonce().map(|nonce| nonce.to_string());
        set(&response, header::CONTENT_SECURITY_POLICY, &guard::content_security_policy(nonce.as_deref()));
        // Pages show the current state.
        set(&response, header::CACHE_CONTROL, "no-store");
        provide_context(ResponseStatus::new(move |code| {
            if let Ok(status) = StatusCode::from_u16(code) {
                response.set_status(status);
            }
        }));
    }
}

fn set(response: &ResponseOptions, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.insert_header(name, value);
    }
}
