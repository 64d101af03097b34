//! Data access on the server: through the provided [`Backend`].

use std::sync::Arc;

use leptos::prelude::use_context;
use shared::equalize::Recipe;
use shared::error::Problem;
use shared::gallery::{Accepted, Image, ImageQuery, Neighbours, Page, Sections};
use shared::id::{ImageId, JobId};
use shared::timeline::Timeline;

use crate::backend::{Backend, ResponseStatus};

fn backend() -> Result<Arc<dyn Backend>, Problem> {
    use_context().ok_or_else(|| Problem::new(503, "Service Unavailable", "This server has no images to show."))
}

/// Sets the HTTP status of the current response.
pub fn set_status(status: u16) {
    if let Some(response) = use_context::<ResponseStatus>() {
        response.set(status);
    }
}

/// Fetches a page of images.
pub async fn images(query: ImageQuery) -> Result<Page, Problem> {
    backend()?.images(&query).await
}

/// Fetches an image with its jobs.
pub async fn image(id: ImageId) -> Result<Image, Problem> {
    backend()?.image(&id).await
}

/// Error of functions that only a browser calls; event handlers never run on the server.
fn only_in_a_browser<T>() -> Result<T, Problem> {
    Err(Problem::new(501, "Not Implemented", "Only a browser makes changes."))
}

/// Applies another recipe to an existing image.
pub async fn add_job(_id: &ImageId, _recipe: Recipe) -> Result<Accepted, Problem> {
    only_in_a_browser()
}

/// Requeues the latest, failed job of an image.
pub async fn retry(_id: &ImageId) -> Result<(), Problem> {
    only_in_a_browser()
}

/// Fetches the neighbours of an image.
pub async fn neighbours(_id: &ImageId) -> Result<Neighbours, Problem> {
    only_in_a_browser()
}

/// Fetches the timeline of an ended job.
pub async fn timeline(_job: &JobId) -> Result<Timeline, Problem> {
    only_in_a_browser()
}

/// Sends a POST without a body.
pub async fn act(_address: &str) -> Result<(), Problem> {
    only_in_a_browser()
}

/// Fetches the shapes of all images. The server renders only first pages.
pub async fn sections(_query: ImageQuery) -> Result<Sections, Problem> {
    only_in_a_browser()
}

/// Deletes images so that they can be restored.
pub async fn delete_several(_images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    only_in_a_browser()
}

/// Restores deleted images.
pub async fn restore(_images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    only_in_a_browser()
}
