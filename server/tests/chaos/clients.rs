//! Upload clients: ten uploads per second to any pod, some large, some slow, most with an `Idempotency-Key` and repeated until
//! accepted. They record every answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use shared::gallery::Accepted;
use testkit::{Dice, elapse};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::pool::{draw, pool};

/// Request timeout.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client with a key keeps retrying after the faults have ended.
const PERSISTENCE: Duration = Duration::from_secs(60);

/// An upload and the answers to it.
#[derive(Debug, Clone)]
pub struct Upload {
    /// File name, unique per upload.
    pub name: String,
    /// Index of the sample.
    pub sample: usize,
    /// Whether it was sent with an idempotency key, and so repeated until it was accepted.
    pub keyed: bool,
    /// Acceptances.
    pub accepted: Vec<Accepted>,
    /// Answers other than 202, and broken connections.
    pub refused: Vec<String>,
    /// Answers that a valid upload must never get.
    pub wrong: Vec<String>,
}

/// The upload clients.
#[derive(Clone)]
pub struct Clients {
    http: reqwest::Client,
    pods: Arc<Vec<String>>,
    /// Index of a pod to which a slow upload is in progress.
    sending: watch::Sender<Option<usize>>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    detail: Option<String>,
}

impl Clients {
    /// Creates clients of the pods at these addresses.
    pub fn new(pods: Vec<String>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { http, pods: Arc::new(pods), sending: watch::Sender::new(None) }
    }

    /// Returns a receiver of the pod to which a slow upload is in progress.
    pub fn sending(&self) -> watch::Receiver<Option<usize>> {
        self.sending.subscribe()
    }

    /// Starts ten uploads per second until `stop`, and continues to retry those with a key until they are accepted.
    pub async fn run(self, mut dice: Dice, stop: CancellationToken) -> Vec<Upload> {
        let mut uploads = JoinSet::new();
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        for number in 0.. {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => break,
            }
            let (clients, dice, stop) = (self.clone(), dice.fork(), stop.clone());
            uploads.spawn(async move { clients.upload(number, dice, stop).await });
        }
        uploads.join_all().await
    }

    async fn upload(&self, number: usize, mut dice: Dice, stop: CancellationToken) -> Upload {
        let (sample, keyed) = (draw(&mut dice), dice.index(3) > 0);
        let name = format!("image-{number}.{}", pool()[sample].ending);
        let mut upload = Upload { name, sample, keyed, accepted: Vec::new(), refused: Vec::new(), wrong: Vec::new() };
        let slow = dice.index(10) == 0;
        // Some are sent again although they were accepted.
        let wanted = if keyed && dice.index(8) == 0 { 2 } else { 1 };
        let mut calm: Option<Instant> = None;
        while upload.accepted.len() < wanted {
            let pod = dice.index(self.pods.len());
            self.send(&mut upload, pod, slow).await;
            if stop.is_cancelled() {
                calm.get_or_insert_with(Instant::now);
            }
            if !keyed || calm.is_some_and(|calm| calm.elapsed() > PERSISTENCE) {
                break;
            }
            if upload.accepted.len() < wanted {
                elapse(dice.millis(100, 600)).await;
            }
        }
        upload
    }

    async fn send(&self, upload: &mut Upload, pod: usize, slow: bool) {
        let bytes = Bytes::from(pool()[upload.sample].bytes.clone());
        let length = bytes.len() as u64;
        let body = reqwest::Body::wrap_stream(self.body(bytes, slow.then_some(pod)));
        let image = Part::stream_with_length(body, length).file_name(upload.name.clone());
        let mut request = self.http.post(format!("http://{}/api/images", self.pods[pod]));
        if upload.keyed {
            request = request.header("Idempotency-Key", &upload.name);
        }
        let answer = match request.multipart(Form::new().part("image", image)).send().await {
            Ok(answer) => answer,
            Err(error) => return upload.refused.push(format!("pod {pod}: {error}")),
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.bytes().await else { return upload.refused.push(format!("pod {pod}: no whole answer")) };
        match (status, serde_json::from_slice::<Accepted>(&body)) {
            (202, Ok(accepted)) => upload.accepted.push(accepted),
            _ => {
                let detail = serde_json::from_slice::<Problem>(&body).ok().and_then(|problem| problem.detail);
                let said = format!("pod {pod}: {status} {}", detail.unwrap_or_default());
                // The image is valid: a request may come at a bad time, but must not be rejected as invalid.
                if matches!(status, 400 | 413 | 415 | 422) {
                    upload.wrong.push(said.clone());
                }
                upload.refused.push(said);
            }
        }
    }

    /// Streams an image's bytes; a slow upload pauses before the second half and publishes its pod meanwhile.
    fn body(&self, bytes: Bytes, slow: Option<usize>) -> impl futures::Stream<Item = std::io::Result<Bytes>> + use<> {
        let sending = self.sending.clone();
        async_stream::stream! {
            let half = bytes.len() / 2;
            yield Ok(bytes.slice(..half));
            if slow.is_some() {
                sending.send_replace(slow);
                elapse(Duration::from_millis(700)).await;
                sending.send_if_modified(|now| now.take_if(|now| Some(*now) == slow).is_some());
            }
            yield Ok(bytes.slice(half..));
        }
    }
}
