//! HTTP requests for tus, with `XMLHttpRequest`, because `fetch` doesn't report upload progress.

use std::time::Duration;

use js_sys::{Function, Promise};
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

/// A pending request.
pub struct Asked {
    /// The request, for aborting it.
    pub request: XmlHttpRequest,
    ended: Promise,
    _progressed: Closure<dyn Fn(ProgressEvent)>,
}

/// Response to a request.
#[derive(Default)]
pub struct Answer {
    /// HTTP status; 0 if the connection broke or nothing could be sent.
    pub status: u16,
    /// Body.
    pub text: String,
    request: Option<XmlHttpRequest>,
}

/// Sends a tus request; `progressed` is called with the number of bytes sent.
pub fn ask(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Option<&Blob>,
    progressed: impl Fn(u64) + 'static,
) -> Result<Asked, JsValue> {
    let request = XmlHttpRequest::new()?;
    request.open(method, url)?;
    for (name, value) in [("Tus-Resumable", "1.0.0"), ("Accept", "application/json")].iter().chain(headers) {
        request.set_request_header(name, value)?;
    }
    let progressed =
        Closure::<dyn Fn(ProgressEvent)>::new(move |progress: ProgressEvent| progressed(progress.loaded() as u64));
    if body.is_some() {
        request.upload()?.set_onprogress(Some(progressed.as_ref().unchecked_ref()));
    }
    let ended = Promise::new(&mut |resolve: Function, _reject: Function| request.set_onloadend(Some(&resolve)));
    request.send_with_opt_blob(body)?;
    Ok(Asked { request, ended, _progressed: progressed })
}

impl Asked {
    /// Waits for the response.
    pub async fn answer(self) -> Answer {
        let _ = JsFuture::from(self.ended).await;
        let status = self.request.status().unwrap_or_default();
        let text = self.request.response_text().ok().flatten().unwrap_or_default();
        Answer { status, text, request: Some(self.request) }
    }
}

impl Answer {
    /// Returns a response header.
    pub fn header(&self, name: &str) -> Option<String> {
        self.request.as_ref()?.get_response_header(name).ok().flatten()
    }

    /// Returns the `Retry-After` delay.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("Retry-After")?.parse().ok().map(Duration::from_secs)
    }

    /// Returns the server's description of an error.
    pub fn problem(&self) -> String {
        crate::api::problem(self.status, &self.text).to_string()
    }
}

/// Sleeps.
pub async fn pause(wait: Duration) {
    let waited = Promise::new(&mut |resolve: Function, _reject: Function| {
        let resolve = move || drop(resolve.call0(&JsValue::NULL));
        set_timeout(resolve, wait);
    });
    let _ = JsFuture::from(waited).await;
}
