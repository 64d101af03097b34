//! On the server: what the provided [`Backend`] says.

use std::sync::Arc;

use leptos::prelude::use_context;
use shared::cluster::ClusterView;
use shared::equalize::Recipe;
use shared::error::Problem;
use shared::event::Event;
use shared::gallery::{Accepted, Image, ImageQuery, Page};
use shared::id::{ImageId, PodName};

use crate::backend::{Backend, ResponseStatus};

fn backend() -> Result<Arc<dyn Backend>, Problem> {
    use_context().ok_or_else(|| Problem::new(503, "Service Unavailable", "This server has no images to show."))
}

/// Answers the present request with this status.
pub fn set_status(status: u16) {
    if let Some(response) = use_context::<ResponseStatus>() {
        response.set(status);
    }
}

/// A page of images.
pub async fn images(query: ImageQuery) -> Result<Page, Problem> {
    backend()?.images(&query).await
}

/// An image with its jobs.
pub async fn image(id: ImageId) -> Result<Image, Problem> {
    backend()?.image(&id).await
}

/// The array, as the serving pod sees it.
pub async fn cluster() -> Result<ClusterView, Problem> {
    Ok(backend()?.cluster().await)
}

/// Events that are kept for replay.
pub async fn recent_events() -> Vec<Event> {
    match backend() {
        Ok(backend) => backend.recent_events().await,
        Err(_) => Vec::new(),
    }
}

/// Changes are made by browsers; on the server no handler runs.
fn only_in_a_browser<T>() -> Result<T, Problem> {
    Err(Problem::new(501, "Not Implemented", "Only a browser makes changes."))
}

/// Runs another recipe on an image that is there.
pub async fn add_job(_id: &ImageId, _recipe: Recipe) -> Result<Accepted, Problem> {
    only_in_a_browser()
}

/// Queues the latest, failed job of an image again.
pub async fn retry(_id: &ImageId) -> Result<(), Problem> {
    only_in_a_browser()
}

/// Deletes an image with its results.
pub async fn delete(_id: &ImageId) -> Result<(), Problem> {
    only_in_a_browser()
}

/// Ends a pod as a crash would.
pub async fn kill(_pod: &PodName) -> Result<(), Problem> {
    only_in_a_browser()
}

/// Starts a killed pod again.
pub async fn start(_pod: &PodName) -> Result<(), Problem> {
    only_in_a_browser()
}
