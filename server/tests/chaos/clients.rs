//! Clients: ten uploads a second to any pod, some large, some slow, most with an `Idempotency-Key` and repeated until they
//! are answered. They write down what they were told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use shared::gallery::Accepted;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::dice::Dice;
use crate::pool::{draw, pool};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client with a key goes on after the faults have ended.
const PERSISTENCE: Duration = Duration::from_secs(60);

/// An image that somebody wanted equalized, and what they were told.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The file's name, which no other upload has.
    pub name: String,
    /// Which sample.
    pub sample: usize,
    /// Whether it was sent with a key, and so until it was accepted.
    pub keyed: bool,
    /// What was accepted.
    pub accepted: Vec<Accepted>,
    /// Answers that weren't 202, and connections that broke.
    pub refused: Vec<String>,
    /// Answers that such an upload never deserves.
    pub wrong: Vec<String>,
}

/// Where clients send to, and how.
#[derive(Clone)]
pub struct Clients {
    http: reqwest::Client,
    pods: Arc<Vec<String>>,
    /// Which pod somebody is in the middle of sending to.
    sending: watch::Sender<Option<usize>>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    detail: Option<String>,
}

impl Clients {
    /// Clients of the pods at these addresses.
    pub fn new(pods: Vec<String>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self { http, pods: Arc::new(pods), sending: watch::Sender::new(None) }
    }

    /// Which pod somebody is in the middle of sending to.
    pub fn sending(&self) -> watch::Receiver<Option<usize>> {
        self.sending.subscribe()
    }

    /// Uploads ten a second until `stop`, and goes on with what has a key until it is accepted.
    pub async fn run(self, mut dice: Dice, stop: CancellationToken) -> Vec<Upload> {
        let mut uploads = JoinSet::new();
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        for number in 0.. {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => break,
            }
            let (clients, dice, stop) = (self.clone(), dice.split(), stop.clone());
            uploads.spawn(async move { clients.upload(number, dice, stop).await });
        }
        uploads.join_all().await
    }

    async fn upload(&self, number: usize, mut dice: Dice, stop: CancellationToken) -> Upload {
        let (sample, keyed) = (draw(&mut dice), dice.below(3) > 0);
        let name = format!("image-{number}.{}", pool()[sample].ending);
        let mut upload = Upload { name, sample, keyed, accepted: Vec::new(), refused: Vec::new(), wrong: Vec::new() };
        let slow = dice.below(10) == 0;
        // Some are sent again although they were accepted.
        let wanted = if keyed && dice.below(8) == 0 { 2 } else { 1 };
        let mut calm: Option<Instant> = None;
        while upload.accepted.len() < wanted {
            let pod = dice.below(self.pods.len());
            self.send(&mut upload, pod, slow).await;
            if stop.is_cancelled() {
                calm.get_or_insert_with(Instant::now);
            }
            if !keyed || calm.is_some_and(|calm| calm.elapsed() > PERSISTENCE) {
                break;
            }
            if upload.accepted.len() < wanted {
                tokio::time::sleep(dice.millis(100, 600)).await;
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
                // The image is good: it may come at the wrong time, but nothing is wrong with it.
                if matches!(status, 400 | 413 | 415 | 422) {
                    upload.wrong.push(said.clone());
                }
                upload.refused.push(said);
            }
        }
    }

    /// An image's bytes; where it is slow, the second half comes later, and it is said who waits for it.
    fn body(&self, bytes: Bytes, slow: Option<usize>) -> impl futures::Stream<Item = std::io::Result<Bytes>> + use<> {
        let sending = self.sending.clone();
        async_stream::stream! {
            let half = bytes.len() / 2;
            yield Ok(bytes.slice(..half));
            if slow.is_some() {
                sending.send_replace(slow);
                tokio::time::sleep(Duration::from_millis(700)).await;
                sending.send_if_modified(|now| now.take_if(|now| Some(*now) == slow).is_some());
            }
            yield Ok(bytes.slice(half..));
        }
    }
}
