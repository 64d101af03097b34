//! State of a file's transfer: its upload on the server, and the current attempt.

use js_sys::Uint8Array;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use web_sys::XmlHttpRequest;

use super::file::File;
use super::tus::ask;

/// State of a file's transfer.
pub struct Transfer {
    pub(super) file: File,
    /// `Idempotency-Key`: a retried creation finds the same upload.
    pub(super) key: String,
    /// URL of the upload, once created.
    pub(super) location: Option<String>,
    /// Number of the current attempt; earlier ones have been stopped.
    pub(super) run: u32,
    pub(super) request: Option<SendWrapper<XmlHttpRequest>>,
}

impl Transfer {
    pub fn new(file: File) -> Self {
        Self { file, key: random_key(), location: None, run: 0, request: None }
    }

    /// Begins an attempt.
    pub fn begin(&mut self) -> u32 {
        self.run += 1;
        self.run
    }

    /// Stops the current attempt.
    pub fn stop(&mut self) {
        self.run += 1;
        if let Some(request) = self.request.take() {
            let _ = request.abort();
        }
    }

    /// Tells the server to discard the upload. If the request is lost, the server discards it after a while.
    pub fn give_up(self) {
        let Some(location) = self.location else { return };
        leptos::task::spawn_local(async move {
            if let Ok(asked) = ask("DELETE", &location, &[], None, |_| {}) {
                asked.answer().await;
            }
        });
    }
}

/// Returns 32 random hexadecimal digits. `crypto.randomUUID` isn't available on plain HTTP; this is.
fn random_key() -> String {
    let bytes = Uint8Array::new_with_length(16);
    if let Ok(crypto) = window().crypto() {
        let _ = crypto.get_random_values_with_array_buffer_view(&bytes);
    }
    bytes.to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
}
