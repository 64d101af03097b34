//! Interface between the server and the pages it renders.
//!
//! The server provides three contexts before a page is rendered, in the `additional_context` of `leptos_routes_with_context`:
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

/// Data source of pages on the server. Its results are those of the JSON API.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Returns the result of `GET /api/images`.
    async fn images(&self, query: &ImageQuery) -> Result<Page, Problem>;

    /// Returns the result of `GET /api/images/{id}`; 404 if there is no such image.
    async fn image(&self, image: &ImageId) -> Result<Image, Problem>;
}

/// Setter for the HTTP status of the page being rendered, such as 404 for a missing image.
#[derive(Clone)]
pub struct ResponseStatus(Arc<dyn Fn(u16) + Send + Sync>);

impl ResponseStatus {
    /// Creates a setter from a function.
    pub fn new(set: impl Fn(u16) + Send + Sync + 'static) -> Self {
        Self(Arc::new(set))
    }

    /// Sets the status.
    pub fn set(&self, status: u16) {
        (self.0)(status);
    }
}
