//! One file to the server: `XMLHttpRequest`, because `fetch` doesn't tell how much was sent.

use std::time::Duration;

use js_sys::{Function, Promise, Uint8Array};
use leptos::prelude::*;
use shared::gallery::Accepted;
use shared::route;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{FormData, ProgressEvent, XmlHttpRequest};

use super::{Stage, Upload};

/// Waits before each new attempt after a broken connection.
const WAITS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];

/// Sends the file, and again if the connection breaks, or as long as the server asks for patience.
pub async fn send(upload: &Upload) -> Stage {
    let mut waits = WAITS.iter();
    loop {
        let Answer { status, text, retry_after } = match attempt(upload).await {
            Ok(answer) => answer,
            Err(_) => return Stage::Refused("This browser can't send the file.".to_owned()),
        };
        match (status, waits.next()) {
            (200..300, _) => {
                return match serde_json::from_str::<Accepted>(&text) {
                    Ok(accepted) => Stage::Accepted(accepted),
                    Err(error) => Stage::Refused(format!("The server's answer can't be read: {error}.")),
                };
            }
            (503, _) if retry_after.is_some() => {
                upload.stage.set(Stage::Postponed(crate::api::problem(status, &text).to_string()));
                pause(retry_after.unwrap_or_default()).await;
                upload.stage.set(Stage::Sending(0.0));
                waits = WAITS.iter();
            }
            (0 | 502..=504, Some(wait)) => {
                upload.stage.set(Stage::Broken);
                pause(*wait).await;
                upload.stage.set(Stage::Sending(0.0));
            }
            (0, None) => return Stage::Refused("The server can't be reached.".to_owned()),
            (status, _) => return Stage::Refused(crate::api::problem(status, &text).to_string()),
        }
    }
}

/// What came of an attempt.
struct Answer {
    /// 0 if the connection broke.
    status: u16,
    text: String,
    /// When the server wants to be asked again.
    retry_after: Option<Duration>,
}

/// One attempt.
async fn attempt(upload: &Upload) -> Result<Answer, JsValue> {
    let form = FormData::new()?;
    // The recipe goes first: the server wants it before the bytes.
    form.append_with_str("recipe", &serde_json::to_string(&upload.recipe).unwrap_or_default())?;
    form.append_with_blob_and_filename("image", &upload.file, &upload.name)?;

    let request = XmlHttpRequest::new()?;
    request.open("POST", route::API_IMAGES)?;
    request.set_request_header("Accept", "application/json")?;
    request.set_request_header("Idempotency-Key", &upload.key)?;

    let stage = upload.stage.clone();
    let progressed = Closure::<dyn Fn(ProgressEvent)>::new(move |progress: ProgressEvent| {
        if progress.total() > 0.0 {
            stage.set(Stage::Sending(progress.loaded() / progress.total()));
        }
    });
    request.upload()?.set_onprogress(Some(progressed.as_ref().unchecked_ref()));

    let ended = Promise::new(&mut |resolve: Function, _reject: Function| request.set_onloadend(Some(&resolve)));
    request.send_with_opt_form_data(Some(&form))?;
    JsFuture::from(ended).await?;
    let retry_after = request.get_response_header("Retry-After")?.and_then(|seconds| seconds.parse().ok());
    Ok(Answer {
        status: request.status()?,
        text: request.response_text()?.unwrap_or_default(),
        retry_after: retry_after.map(Duration::from_secs),
    })
}

async fn pause(wait: Duration) {
    let waited = Promise::new(&mut |resolve: Function, _reject: Function| {
        set_timeout(
            move || {
                let _ = resolve.call0(&JsValue::NULL);
            },
            wait,
        );
    });
    let _ = JsFuture::from(waited).await;
}

/// 32 random hexadecimal digits. `crypto.randomUUID` isn't there on plain HTTP; this is.
pub fn random_key() -> String {
    let bytes = Uint8Array::new_with_length(16);
    if let Ok(crypto) = window().crypto() {
        let _ = crypto.get_random_values_with_array_buffer_view(&bytes);
    }
    bytes.to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
}
