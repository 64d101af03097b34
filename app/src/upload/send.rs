//! Upload of one file by [tus 1.0](https://tus.io/protocols/resumable-upload): resumes after broken connections, with any pod,
//! and sends each byte once.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use shared::gallery::Accepted;
use shared::route;

use super::tus::{Answer, ask, pause};
use super::{Stage, Upload, Uploads};
use crate::runtime::json::Json;

/// Bytes per request: the size of a part on the server.
const PIECE_BYTES: u64 = 32 << 20;
/// First and longest backoff after a broken connection.
const BACKOFF_RANGE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// How often an upload is recreated after the server has lost it, before the error is reported.
const MAX_RECREATIONS: u32 = 2;
/// Maximum consecutive requests of which no byte arrives although the server is reachable.
const MAX_STALLS: u32 = 5;

/// An attempt at sending a file.
#[derive(Clone, Copy)]
pub struct Turn {
    pub uploads: Uploads,
    pub id: u32,
    pub run: u32,
}

impl Turn {
    /// Reads the upload, or changes it without notifying the view, as long as this attempt is current.
    fn with<T>(self, look: impl FnOnce(&mut Upload) -> T) -> Option<T> {
        self.uploads.with(self.id, |upload| (upload.transfer.run == self.run).then(|| look(upload))).flatten()
    }

    /// Changes the upload and notifies the view, as long as this attempt is current.
    pub fn change(self, change: impl FnOnce(&mut Upload)) -> Option<()> {
        self.with(change)?;
        self.uploads.items.notify();
        Some(())
    }
}

/// What follows a request.
enum Next {
    /// The next request.
    Onward,
    /// The end, with the final stage.
    End(Stage),
    /// The next request after a pause: the stage to show meanwhile, and the duration if the server requested one.
    Wait(Option<Stage>, Option<Duration>),
}

/// Sends the file until it is accepted or rejected. Returns `None` if the attempt was stopped.
pub async fn send(turn: Turn) -> Option<Stage> {
    let mut wait = BACKOFF_RANGE[0];
    let mut sending = Sending { turn, offset: None, begun: None, fruitless: 0, forgotten: 0 };
    loop {
        match sending.advance().await? {
            Next::Onward => wait = BACKOFF_RANGE[0],
            Next::End(stage) => return Some(stage),
            Next::Wait(why, told) => {
                if let Some(why) = why {
                    turn.change(|upload| upload.stage = why)?;
                }
                pause(told.unwrap_or(wait)).await;
                wait = (wait * 2).min(BACKOFF_RANGE[1]);
                turn.change(|upload| upload.stage = Stage::Sending)?;
            }
        }
    }
}

struct Sending {
    turn: Turn,
    /// Number of bytes the server has, if known.
    offset: Option<u64>,
    /// Offset of the last bytes sent.
    begun: Option<u64>,
    fruitless: u32,
    forgotten: u32,
}

impl Sending {
    /// Sends the next request, as determined by the current state.
    async fn advance(&mut self) -> Option<Next> {
        let (location, bytes) = self.turn.with(|upload| (upload.transfer.location.clone(), upload.bytes))?;
        let answer = match (&location, self.offset) {
            (None, _) => self.create().await?,
            (Some(location), None) => self.ask("HEAD", location, &[]).await?,
            (Some(location), Some(offset)) if offset < bytes => self.append(location, offset).await?,
            (Some(location), Some(_)) => self.ask("GET", location, &[]).await?,
        };
        let knew = self.offset.take();
        self.turn.with(|upload| upload.transfer.request = None)?;
        Some(match answer.status {
            201 => {
                self.offset = Some(0);
                self.turn.with(|upload| upload.transfer.location = answer.header("Location"))?;
                Next::Onward
            }
            202 => accepted(&answer),
            200 | 204 => self.there(answer.header("Upload-Offset").and_then(|offset| offset.parse().ok()))?,
            // The offset isn't the next byte's: an earlier request was still being stored.
            409 if knew.is_some_and(|offset| offset < bytes) => Next::Wait(None, None),
            // Too slow; the bytes received are kept.
            408 if location.is_some() => Next::Wait(None, None),
            404 | 410 if location.is_some() && self.forgotten < MAX_RECREATIONS => {
                self.forgotten += 1;
                self.turn.with(|upload| upload.transfer.location = None)?;
                Next::Wait(None, None)
            }
            429 | 503 | 507 if answer.retry_after().is_some() => {
                Next::Wait(Some(Stage::Postponed(answer.problem())), answer.retry_after())
            }
            0 | 502..=504 => Next::Wait(Some(Stage::Broken), None),
            _ => {
                self.turn.with(|upload| upload.transfer.location = None)?;
                Next::End(Stage::Refused(answer.problem()))
            }
        })
    }

    /// Handles the offset reported by the server.
    fn there(&mut self, offset: Option<u64>) -> Option<Next> {
        self.fruitless = if self.begun == offset { self.fruitless + 1 } else { 0 };
        self.offset = offset;
        self.turn.change(|upload| upload.sent = offset.unwrap_or_default())?;
        // If the file was moved or changed, a browser only reports that sending failed.
        let sentence = "This file can't be read. It may have been moved or changed.";
        let stuck = self.begun.is_some() && self.fruitless >= MAX_STALLS;
        Some(if stuck { Next::End(Stage::Refused(sentence.to_owned())) } else { Next::Onward })
    }

    async fn create(&self) -> Option<Answer> {
        let (length, metadata, key) = self.turn.with(|upload| {
            let recipe = crate::runtime::json::write::recipe(upload.recipe.clone());
            let metadata =
                ["filename ", &STANDARD.encode(&upload.name), ",recipe ", &STANDARD.encode(&recipe)].concat();
            (upload.bytes.to_string(), metadata, upload.transfer.key.clone())
        })?;
        let headers = [("Upload-Length", &*length), ("Upload-Metadata", &metadata), ("Idempotency-Key", &key)];
        self.ask("POST", route::API_UPLOADS, &headers).await
    }

    async fn append(&mut self, location: &str, offset: u64) -> Option<Answer> {
        self.begun = Some(offset);
        let (file, bytes) = self.turn.with(|upload| (upload.transfer.file.clone(), upload.bytes))?;
        let end = bytes.min(offset + PIECE_BYTES);
        let piece = file.slice_with_f64_and_f64(offset as f64, end as f64).ok()?;
        let turn = self.turn;
        let progressed = move |sent: u64| {
            let _ = turn.change(|upload| upload.sent = (offset + sent).min(end));
        };
        let at = offset.to_string();
        let headers = [("Content-Type", "application/offset+octet-stream"), ("Upload-Offset", &*at)];
        self.start("PATCH", location, &headers, Some(&piece), progressed).await
    }

    async fn ask(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Option<Answer> {
        self.start(method, url, headers, None, |_| {}).await
    }

    /// Sends a request that is aborted with the attempt.
    async fn start(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&web_sys::Blob>,
        progressed: impl Fn(u64) + 'static,
    ) -> Option<Answer> {
        let Ok(asked) = ask(method, url, headers, body, progressed) else { return Some(Answer::default()) };
        let request = SendWrapper::new(asked.request.clone());
        self.turn.with(|upload| upload.transfer.request = Some(request))?;
        let answer = asked.answer().await;
        self.turn.with(|_| ())?;
        Some(answer)
    }
}

fn accepted(answer: &Answer) -> Next {
    let read = Json::parse(&answer.text).and_then(|json| json.to::<Accepted>());
    let unreadable = || Stage::Refused("The server's answer can't be read.".to_owned());
    Next::End(read.map_or_else(unreadable, Stage::Accepted))
}
