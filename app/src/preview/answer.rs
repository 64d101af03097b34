//! Answers of the preview's Web Worker: pictures, histograms and errors.

use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ImageBitmap, ImageBitmapRenderingContext};

use super::state::{Canvases, Preview, State};
use crate::runtime::json::Json;

fn text(message: &JsValue, name: &str) -> Option<String> {
    Reflect::get(message, &name.into()).ok()?.as_string()
}

/// Handles a message of the worker: shows the picture and its histogram, or why there is none.
pub fn hear(preview: Preview, canvases: Canvases, message: &JsValue) {
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
