//! Client of the preview's Web Worker (`shared/src/preview/worker.js`).

use js_sys::{Object, Reflect};
use send_wrapper::SendWrapper;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::upload::File;

/// Address of the worker's script.
const SCRIPT: &str = "/pkg/preview-worker.js";

/// The worker and the latest request to it. Dropping it terminates the worker.
pub struct Client {
    worker: SendWrapper<Worker>,
    _heard: SendWrapper<Closure<dyn Fn(MessageEvent)>>,
    /// Number of the latest request.
    pub wish: u32,
    recipe: String,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

impl Client {
    /// Starts the worker. `hear` receives its messages; `broken` is called if it can't be loaded.
    pub fn start(hear: impl Fn(&JsValue) + 'static, broken: impl Fn() + 'static) -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(SCRIPT, &options)?;
        let heard = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| hear(&event.data()));
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        let broken = Closure::<dyn Fn()>::new(broken);
        worker.set_onerror(Some(broken.into_js_value().unchecked_ref()));
        Ok(Self { worker: SendWrapper::new(worker), _heard: SendWrapper::new(heard), wish: 0, recipe: String::new() })
    }

    /// Sends a file. Responses about the previous one are ignored from now on.
    pub fn open(&mut self, file: &File) -> Result<(), JsValue> {
        self.wish += 1;
        self.recipe.clear();
        post(&self.worker, &[("open", JsValue::from((**file).clone()))])
    }

    /// Requests a result for the copy.
    pub fn look(&mut self, recipe: String) {
        self.wish += 1;
        self.recipe = recipe;
        self.ask(false);
    }

    /// Requests a result, for all pixels if `whole`.
    pub fn ask(&self, whole: bool) {
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
