//! A request: `XMLHttpRequest`, because `fetch` doesn't tell how much was sent.

use std::time::Duration;

use js_sys::{Function, Promise};
use leptos::prelude::*;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, ProgressEvent, XmlHttpRequest};

/// A request under way.
pub struct Asked {
    /// To abort it.
    pub request: XmlHttpRequest,
    ended: Promise,
    _progressed: Closure<dyn Fn(ProgressEvent)>,
}

/// What came of it.
#[derive(Default)]
pub struct Answer {
    /// 0 if the connection broke, or nothing could be sent.
    pub status: u16,
    /// The body.
    pub text: String,
    request: Option<XmlHttpRequest>,
}

/// Sends a request of tus; `progressed` hears how many bytes were sent.
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
    /// Waits for the answer.
    pub async fn answer(self) -> Answer {
        let _ = JsFuture::from(self.ended).await;
        let status = self.request.status().unwrap_or_default();
        let text = self.request.response_text().ok().flatten().unwrap_or_default();
        Answer { status, text, request: Some(self.request) }
    }
}

impl Answer {
    /// A header of the answer.
    pub fn header(&self, name: &str) -> Option<String> {
        self.request.as_ref()?.get_response_header(name).ok().flatten()
    }

    /// When the server wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.header("Retry-After")?.parse().ok().map(Duration::from_secs)
    }

    /// What the server says of a request that it can't do.
    pub fn problem(&self) -> String {
        crate::api::problem(self.status, &self.text).to_string()
    }
}

/// Waits.
pub async fn pause(wait: Duration) {
    let waited = Promise::new(&mut |resolve: Function, _reject: Function| {
        let resolve = move || drop(resolve.call0(&JsValue::NULL));
        set_timeout(resolve, wait);
    });
    let _ = JsFuture::from(waited).await;
}
