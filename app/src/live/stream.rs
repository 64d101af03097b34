//! Browser side of the event stream: receives batches of messages from `stream-worker.js`, which holds one stream for all tabs.

use std::time::Duration;

use js_sys::{Array, Function};
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::state::{Connection, Live};
use crate::runtime::json::{Json, Read};

#[wasm_bindgen::prelude::wasm_bindgen]
extern "C" {
    /// Joins the stream. Returns a function to call with whether logs are wanted.
    #[wasm_bindgen(js_name = evenlightStream, catch)]
    fn join(take: &Function) -> Result<Function, JsValue>;
}

/// Joins the stream and starts the clock, for the lifetime of the page.
pub fn open(live: Live) {
    let tick = move || live.now.set(Some(js_sys::Date::now() as i64));
    tick();
    live.zone.set(Some(-js_sys::Date::new_0().get_timezone_offset() as i32));
    set_interval(tick, Duration::from_secs(1));

    let take = Closure::<dyn Fn(Array)>::new(move |batch: Array| batch.iter().for_each(|message| hear(live, &message)));
    match join(take.into_js_value().unchecked_ref()) {
        Ok(want) => {
            let want = send_wrapper::SendWrapper::new(want);
            Effect::new(move || drop(want.call1(&JsValue::NULL, &(live.listeners.get() > 0).into())));
        }
        Err(error) => leptos::logging::error!("event stream can't be opened: {error:?}"),
    }
}

/// Handles a message: its name and its text.
fn hear(live: Live, message: &JsValue) {
    let message: &Array = message.unchecked_ref();
    let (Some(name), Some(text)) = (message.get(0).as_string(), message.get(1).as_string()) else { return };
    match name.as_str() {
        "snapshot" => read(&text, |view| live.snapshot(view)),
        "cluster" => read(&text, |view| live.viewed(view)),
        "event" => read(&text, |event| live.happened(event)),
        "progress" => read(&text, |moved| live.moved(moved)),
        "log" => read(&text, |said| live.said(said)),
        "gap" => live.lost(),
        "state" => live.connection.set(match text.as_str() {
            "live" => Connection::Live,
            "reconnecting" => Connection::Reconnecting,
            _ => Connection::Connecting,
        }),
        // Unknown message of a newer server.
        _ => {}
    }
}

/// Reads a message; skips it if it can't be read (from a newer server).
fn read<T: Read>(text: &str, then: impl FnOnce(T)) {
    match Json::parse(text).and_then(|json| T::read(&json)) {
        Some(content) => then(content),
        None => leptos::logging::warn!("unreadable message on the event stream: {text}"),
    }
}
