//! On the server: what the provided [`Backend`] says.

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

/// The images beside one.
pub async fn neighbours(_id: &ImageId) -> Result<Neighbours, Problem> {
    only_in_a_browser()
}

/// How the tasks of a job that has ended went.
pub async fn timeline(_job: &JobId) -> Result<Timeline, Problem> {
    only_in_a_browser()
}

/// Does what an address stands for.
pub async fn act(_address: &str) -> Result<(), Problem> {
    only_in_a_browser()
}

/// The server renders first pages alone.
pub async fn sections(_query: ImageQuery) -> Result<Sections, Problem> {
    only_in_a_browser()
}

/// Deletes images, in a way that can be undone.
pub async fn delete_several(_images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    only_in_a_browser()
}

/// Brings deleted images back.
pub async fn restore(_images: Vec<ImageId>) -> Result<Vec<ImageId>, Problem> {
    only_in_a_browser()
}
