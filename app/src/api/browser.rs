//! API client in the browser: the JSON API over `fetch`.

use std::future::Future;

use send_wrapper::SendWrapper;
use shared::equalize::Recipe;
use shared::error::Problem;
use shared::gallery::{Accepted, Chosen, Image, ImageQuery, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId};
use shared::route;
use shared::timeline::Timeline;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response};

use crate::runtime::json::{Json, Read};

/// Does nothing: only the server sets a status.
pub fn set_status(_status: u16) {}

/// Fetches a page of images.
pub fn images(query: ImageQuery) -> impl Future<Output = Result<Page, Problem>> + Send {
    get(format!("{}?{}", route::API_IMAGES, super::query_string(&query)))
}

/// Fetches the shapes of all images in a listing.
pub fn sections(query: ImageQuery) -> impl Future<Output = Result<Sections, Problem>> + Send {
    get(format!("{}?{}", route::API_SECTIONS, super::query_string(&query)))
}

/// Deletes images so that they can be restored. Returns those that were deleted.
pub async fn delete_several(images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    chosen(route::API_DELETE, images).await
}

/// Restores deleted images. Returns those that were restored.
pub async fn restore(images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    chosen(route::API_RESTORE, images).await
}

async fn chosen(url: &str, images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    let images: Vec<String> = images.iter().map(|image| format!("\"{image}\"")).collect();
    let body = format!("{{\"images\":[{}]}}", images.join(","));
    let answer: Chosen = parse(&send("POST", url, Some(&body)).await?)?;
    Ok(answer.images)
}

/// Fetches an image with its jobs.
pub fn image(id: ImageId) -> impl Future<Output = Result<Image, Problem>> + Send {
    get(route::image(&id))
}

/// Applies another recipe to an existing image.
pub async fn add_job(id: &ImageId, recipe: Recipe) -> Result<Accepted, Problem> {
    let body = format!("{{\"recipe\":{}}}", crate::runtime::json::write::recipe(recipe));
    parse(&send("POST", &route::jobs(id), Some(&body)).await?)
}

/// Requeues the latest, failed job of an image.
pub async fn retry(id: &ImageId) -> Result<(), Problem> {
    send("POST", &route::retry(id), None).await.map(drop)
}

/// Sends a POST without a body.
pub async fn act(address: &str) -> Result<(), Problem> {
    send("POST", address, None).await.map(drop)
}

/// Fetches the neighbours of an image.
pub async fn neighbours(id: &ImageId) -> Result<Neighbours, Problem> {
    get(route::neighbours(id)).await
}

/// Fetches the timeline of an ended job.
pub async fn timeline(job: &JobId) -> Result<Timeline, Problem> {
    get(route::timeline(job)).await
}

/// Fetches a typed response. `SendWrapper` never panics here: `fetch` stays on its thread, and a page has only one.
pub fn get<T: Read + 'static>(url: String) -> impl Future<Output = Result<T, Problem>> + Send {
    SendWrapper::new(async move { parse(&send("GET", &url, None).await?) })
}

/// Fetches a response as untyped JSON.
pub async fn json(url: &str) -> Result<Json, Problem> {
    Json::parse(&send("GET", url, None).await?).ok_or_else(|| unreadable("not JSON"))
}

async fn send(method: &str, url: &str, json: Option<&str>) -> Result<String, Problem> {
    let (ok, status, text) = exchange(method, url, json).await.map_err(|error| unreachable(&error))?;
    if ok { Ok(text) } else { Err(problem(status, &text)) }
}

async fn exchange(method: &str, url: &str, json: Option<&str>) -> Result<(bool, u16, String), JsValue> {
    let headers = Headers::new()?;
    headers.set("Accept", "application/json")?;
    let init = RequestInit::new();
    init.set_method(method);
    if let Some(json) = json {
        headers.set("Content-Type", "application/json")?;
        init.set_body(&JsValue::from_str(json));
    }
    init.set_headers(&headers);
    let response = JsFuture::from(leptos::prelude::window().fetch_with_str_and_init(url, &init)).await?;
    let response: Response = response.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
    Ok((response.ok(), response.status(), text))
}

fn parse<T: Read>(text: &str) -> Result<T, Problem> {
    Json::parse(text).and_then(|json| json.to()).ok_or_else(|| unreadable("unexpected format"))
}

/// Reads the problem from an unsuccessful response.
pub(crate) fn problem(status: u16, text: &str) -> Problem {
    let told = Json::parse(text).and_then(|json| json.to());
    told.unwrap_or_else(|| Problem::new(status, "Error", format!("The server answered with status {status}.")))
}

fn unreachable(_error: &JsValue) -> Problem {
    Problem::new(0, "Unreachable", "The server can't be reached. Check the connection.")
}

fn unreadable(error: &str) -> Problem {
    Problem::new(0, "Unreadable", format!("The server's answer can't be read: {error}."))
}
