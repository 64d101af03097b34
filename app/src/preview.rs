//! Preview of a file before upload: client of the preview's Web Worker (`shared/src/preview/worker.js`), as signals.

use leptos::prelude::*;
use shared::distribution::Distribution;

use crate::upload::File;

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
    client: StoredValue<Option<worker::Client>>,
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

impl Preview {
    /// Opens a file.
    pub fn open(self, file: &File, canvases: Canvases) {
        self.state.set(State::Opening);
        self.exact.set(false);
        self.refused.set(None);
        self.before.set(None);
        self.after.set(None);
        #[cfg(feature = "hydrate")]
        self.client.update_value(|client| match worker::open(client, self, file, canvases) {
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
                client.look(crate::api::write::recipe(recipe.clone()));
            }
        });
        #[cfg(not(feature = "hydrate"))]
        let _ = recipe;
    }
}

/// Canvases for the pictures: before and after.
pub type Canvases = [NodeRef<leptos::html::Canvas>; 2];

#[cfg(feature = "hydrate")]
mod worker {
    use js_sys::{Object, Reflect};
    use leptos::prelude::*;
    use send_wrapper::SendWrapper;

    use wasm_bindgen::closure::Closure;
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{ImageBitmap, ImageBitmapRenderingContext, MessageEvent, Worker, WorkerOptions, WorkerType};

    use super::{Canvases, Preview, State};
    use crate::json::Json;
    use crate::upload::File;

    const SCRIPT: &str = "/pkg/preview-worker.js";

    /// The worker and the latest request to it. Dropping it terminates the worker.
    pub struct Client {
        worker: SendWrapper<Worker>,
        _heard: SendWrapper<Closure<dyn Fn(MessageEvent)>>,
        wish: u32,
        recipe: String,
    }

    impl Drop for Client {
        fn drop(&mut self) {
            self.worker.terminate();
        }
    }

    impl Client {
        /// Requests a result for the copy.
        pub fn look(&mut self, recipe: String) {
            self.wish += 1;
            self.recipe = recipe;
            self.ask(false);
        }

        fn ask(&self, whole: bool) {
            let pairs: [(&str, JsValue); 3] =
                [("look", self.recipe.as_str().into()), ("whole", whole.into()), ("wish", self.wish.into())];
            // Fails only if the worker has ended, which it has reported.
            let _ = post(&self.worker, &pairs);
        }
    }

    fn post(worker: &Worker, pairs: &[(&str, JsValue)]) -> Result<(), JsValue> {
        let message = Object::new();
        for (name, value) in pairs {
            Reflect::set(&message, &(*name).into(), value)?;
        }
        worker.post_message(&message)
    }

    /// Sends a file to the worker, and starts the worker if necessary.
    pub fn open(client: &mut Option<Client>, preview: Preview, file: &File, canvases: Canvases) -> Result<(), JsValue> {
        let started = match client.take() {
            Some(client) => client,
            None => start(preview, canvases)?,
        };
        let client = client.insert(started);
        // Responses about the previous file are ignored.
        client.wish += 1;
        client.recipe.clear();
        post(&client.worker, &[("open", JsValue::from((**file).clone()))])
    }

    fn start(preview: Preview, canvases: Canvases) -> Result<Client, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(SCRIPT, &options)?;
        let heard =
            Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| hear(preview, canvases, &event.data()));
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        let broken = Closure::<dyn Fn()>::new(move || {
            let _ = preview.state.try_set(State::Closed("The preview can't be loaded.".to_owned()));
        });
        worker.set_onerror(Some(broken.into_js_value().unchecked_ref()));
        Ok(Client { worker: SendWrapper::new(worker), _heard: SendWrapper::new(heard), wish: 0, recipe: String::new() })
    }

    fn text(message: &JsValue, name: &str) -> Option<String> {
        Reflect::get(message, &name.into()).ok()?.as_string()
    }

    fn hear(preview: Preview, canvases: Canvases, message: &JsValue) {
        let number = Reflect::get(message, &"wish".into()).ok().and_then(|wish| wish.as_f64());
        let newest = preview.client.with_value(|client| client.as_ref().map(|client| client.wish));
        if let Some(sentence) = text(message, "failed") {
            match number {
                Some(0.0) | None => preview.state.set(State::Closed(sentence)),
                _ => preview.refused.set(Some(sentence)),
            }
            return;
        }
        let distribution = text(message, "distribution").and_then(|json| Json::parse(&json)?.to());
        if let Some(size) = text(message, "opened").and_then(|json| displayed(&Json::parse(&json)?)) {
            draw(canvases[0], message);
            preview.before.set(distribution);
            preview.state.set(State::Open { size, note: text(message, "note").unwrap_or_default() });
            return;
        }
        draw(canvases[1], message);
        preview.refused.set(None);
        preview.after.set(distribution);
        if number != newest.map(f64::from) {
            return;
        }
        let exact = Reflect::get(message, &"exact".into()).is_ok_and(|exact| exact.is_truthy());
        preview.exact.set(exact);
        if !exact {
            preview.client.with_value(|client| client.as_ref().inspect(|client| client.ask(true)).map(drop));
        }
    }

    /// Returns width and height as displayed, from an `ImageInfo`.
    fn displayed(info: &Json) -> Option<(u32, u32)> {
        let (width, height) = (info.field("width").to()?, info.field("height").to()?);
        let turned = info.field("orientation").to::<u8>()? >= 5;
        Some(if turned { (height, width) } else { (width, height) })
    }

    /// Transfers the picture to the canvas without copying.
    fn draw(canvas: NodeRef<leptos::html::Canvas>, message: &JsValue) {
        let picture = Reflect::get(message, &"picture".into()).ok().and_then(|it| it.dyn_into::<ImageBitmap>().ok());
        let (Some(canvas), Some(picture)) = (canvas.get_untracked(), picture) else { return };
        canvas.set_width(picture.width());
        canvas.set_height(picture.height());
        let context = canvas.get_context("bitmaprenderer").ok().flatten();
        if let Some(context) = context.and_then(|context| context.dyn_into::<ImageBitmapRenderingContext>().ok()) {
            context.transfer_from_image_bitmap(&picture);
        }
    }
}
