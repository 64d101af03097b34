//! State of the preview, as signals.

use leptos::prelude::*;
use shared::distribution::Distribution;

#[cfg(feature = "hydrate")]
use super::worker::Client;

/// State of a file's preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The file is being decoded.
    Opening,
    /// The original is shown. The result shown may lag behind the latest request.
    Open {
        /// Width and height, as displayed.
        size: (u32, u32),
        /// How the pictures differ from what the array will produce, in sentences.
        note: String,
    },
    /// The file can't be previewed; with the reason as a sentence.
    Closed(String),
}

/// Preview of the current file.
#[derive(Clone, Copy)]
pub struct Preview {
    /// State of the preview.
    pub state: RwSignal<State>,
    /// Whether the result shown was computed from all pixels, with the latest recipe.
    pub exact: RwSignal<bool>,
    /// Why the result can't be shown.
    pub refused: RwSignal<Option<String>>,
    /// Histogram of the original.
    pub before: RwSignal<Option<Distribution>>,
    /// Histogram of the result.
    pub after: RwSignal<Option<Distribution>>,
    #[cfg(feature = "hydrate")]
    pub(super) client: StoredValue<Option<Client>>,
}

impl Default for Preview {
    /// Creates a preview without a file; the worker is loaded with the first one.
    fn default() -> Self {
        Self {
            state: RwSignal::new(State::Opening),
            exact: RwSignal::new(false),
            refused: RwSignal::new(None),
            before: RwSignal::new(None),
            after: RwSignal::new(None),
            #[cfg(feature = "hydrate")]
            client: StoredValue::new(None),
        }
    }
}

/// Canvases for the pictures: before and after.
pub type Canvases = [NodeRef<leptos::html::Canvas>; 2];
