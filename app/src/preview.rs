//! Preview of a file before upload, computed by a Web Worker.

use leptos::prelude::*;

use crate::upload::File;

#[cfg(feature = "hydrate")]
mod answer;
mod state;
#[cfg(feature = "hydrate")]
mod worker;

pub use state::{Canvases, Preview, State};

impl Preview {
    /// Opens a file.
    pub fn open(self, file: &File, canvases: Canvases) {
        self.state.set(State::Opening);
        self.exact.set(false);
        self.refused.set(None);
        self.before.set(None);
        self.after.set(None);
        #[cfg(feature = "hydrate")]
        self.client.update_value(|client| match open(client, self, file, canvases) {
            Ok(()) => {}
            Err(_) => self.state.set(State::Closed("This browser can't show previews.".to_owned())),
        });
        #[cfg(not(feature = "hydrate"))]
        let _ = (file, canvases);
    }

    /// Shows the result of a recipe: first approximately, then exactly.
    pub fn look(self, recipe: &shared::equalize::Recipe) {
        self.exact.set(false);
        #[cfg(feature = "hydrate")]
        self.client.update_value(|client| {
            if let Some(client) = client {
                client.look(crate::runtime::json::write::recipe(recipe.clone()));
            }
        });
        #[cfg(not(feature = "hydrate"))]
        let _ = recipe;
    }
}

/// Sends a file to the worker, and starts the worker if necessary.
#[cfg(feature = "hydrate")]
fn open(
    client: &mut Option<worker::Client>,
    preview: Preview,
    file: &File,
    canvases: Canvases,
) -> Result<(), wasm_bindgen::JsValue> {
    let started = match client.take() {
        Some(client) => client,
        None => worker::Client::start(
            move |message| answer::hear(preview, canvases, message),
            move || {
                let _ = preview.state.try_set(State::Closed("The preview can't be loaded.".to_owned()));
            },
        )?,
    };
    client.insert(started).open(file)
}
