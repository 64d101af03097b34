//! What the server gives the pages while it renders them.
//!
//! The server provides three contexts before a page is rendered, in the `additional_context` of
//! `leptos_routes_with_context`:
//! ```ignore
//! provide_context::<Arc<dyn Backend>>(backend.clone());
//! let response = expect_context::<leptos_axum::ResponseOptions>();
//! provide_context(ResponseStatus::new(move |code| response.set_status(code)));
//! provide_context(app::live::Known { view, events });
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use shared::error::Problem;
use shared::gallery::{Image, ImageQuery, Page};
use shared::id::ImageId;

/// Where pages read from on the server: the same answers that the JSON API gives a browser.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What `GET /api/images` answers.
    async fn images(&self, query: &ImageQuery) -> Result<Page, Problem>;

    /// What `GET /api/images/{id}` answers; 404 if there is no such image.
    async fn image(&self, image: &ImageId) -> Result<Image, Problem>;
}

/// Sets the HTTP status of the page being rendered (404 for an image that isn't there, say).
#[derive(Clone)]
pub struct ResponseStatus(Arc<dyn Fn(u16) + Send + Sync>);

impl ResponseStatus {
    /// From what sets the status of the present response.
    pub fn new(set: impl Fn(u16) + Send + Sync + 'static) -> Self {
        Self(Arc::new(set))
    }

    /// Answers with this status.
    pub fn set(&self, status: u16) {
        (self.0)(status);
    }
}
