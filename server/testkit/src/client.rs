//! HTTP client of the array for tests: uploads, waits for states, reads results. Every wait is bounded and, when it fails,
//! reports what it waited for.

use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use shared::cluster::ClusterView;
use shared::equalize::Recipe;
use shared::error::Problem;
use shared::gallery::{Accepted, Image};
use shared::id::{ImageId, JobId, PodName};
use shared::job::JobState;
use shared::timeline::Timeline;

use crate::wait::{PATIENCE, eventually};

/// Response to [`Client::look`].
#[derive(Debug)]
pub struct Look {
    /// HTTP status.
    pub status: u16,
    /// Response body.
    pub body: String,
    /// Value of the `Retry-After` header.
    pub retry_after: Option<String>,
    /// Duration of the request.
    pub took: Duration,
}

/// A downloaded file with its headers.
#[derive(Debug)]
pub struct Download {
    /// Its `Content-Type`.
    pub media_type: String,
    /// Its `Content-Disposition`.
    pub disposition: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A client of one process.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// Creates a client of the process at this address.
    pub fn new(address: impl std::fmt::Display) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { base: format!("http://{address}"), http: reqwest::Client::new() }
    }

    /// Uploads an image. Returns the server's problem as an error.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>, recipe: &Recipe) -> Result<Accepted, Problem> {
        self.upload_with(name, bytes, &serde_json::to_string(recipe).unwrap(), &[]).await
    }

    /// Uploads an image together with the images that its recipe names, keyed by their field names.
    pub async fn upload_with(
        &self,
        name: &str,
        bytes: Vec<u8>,
        recipe: &str,
        others: &[(&'static str, Vec<u8>)],
    ) -> Result<Accepted, Problem> {
        let part = |bytes, name: &str| reqwest::multipart::Part::bytes(bytes).file_name(name.to_owned());
        let mut form = reqwest::multipart::Form::new().text("recipe", recipe.to_owned());
        for (role, other) in others {
            form = form.part(*role, part(other.clone(), role));
        }
        let form = form.part("image", part(bytes, name));
        let answer = self.http.post(format!("{}/api/images", self.base)).multipart(form).send().await.unwrap();
        let accepted = answer.status() == 202;
        let body = answer.bytes().await.unwrap();
        if accepted { Ok(serde_json::from_slice(&body).unwrap()) } else { Err(serde_json::from_slice(&body).unwrap()) }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Option<T> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.ok()?;
        if !answer.status().is_success() {
            return None;
        }
        answer.json().await.ok()
    }

    /// Returns the body of a successful response that arrives within a few seconds.
    pub async fn get_ok(&self, path: &str) -> Option<Vec<u8>> {
        let answer =
            self.http.get(format!("{}{path}", self.base)).timeout(Duration::from_secs(10)).send().await.ok()?;
        let answer = answer.error_for_status().ok()?;
        Some(answer.bytes().await.ok()?.to_vec())
    }

    /// Requests a path and returns the response as a browser gets it: status, body, `Retry-After` and duration.
    pub async fn look(&self, path: &str) -> Look {
        let begun = Instant::now();
        let answer =
            self.http.get(format!("{}{path}", self.base)).header("accept", "text/html,*/*").send().await.unwrap();
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = answer.text().await.unwrap();
        Look { status, body, retry_after, took: begun.elapsed() }
    }

    /// Returns the current state of an image.
    pub async fn image(&self, image: &ImageId) -> Option<Image> {
        self.get(&shared::route::image(image)).await
    }

    /// Returns the current cluster view.
    pub async fn cluster(&self) -> Option<ClusterView> {
        self.get(shared::route::API_CLUSTER).await
    }

    /// Waits until `found` returns `Some` for the cluster view.
    pub async fn until<T>(&self, what: &str, found: impl Fn(&ClusterView) -> Option<T>) -> T {
        eventually(what, PATIENCE, async || {
            let view = self.cluster().await;
            view.as_ref().and_then(&found).ok_or(view)
        })
        .await
    }

    /// Waits until the image's latest job has ended.
    pub async fn ended(&self, image: &ImageId) -> Image {
        eventually(&format!("the end of image {image}"), PATIENCE, async || match self.image(image).await {
            Some(image) if image.state.has_ended() => Ok(image),
            seen => Err(seen),
        })
        .await
    }

    /// Waits until the image is done and returns its result file.
    pub async fn result(&self, image: &ImageId) -> Vec<u8> {
        let ended = self.ended(image).await;
        assert_eq!(ended.state, JobState::Done, "{}: {:?}", ended.name, ended.reason);
        self.file(&shared::route::result(image)).await
    }

    /// Returns a file's bytes.
    pub async fn file(&self, path: &str) -> Vec<u8> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap().to_vec()
    }

    /// Returns a file as a browser saves it.
    pub async fn download(&self, path: &str) -> Download {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let [media_type, disposition] = ["content-type", "content-disposition"]
            .map(|name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default());
        Download { media_type, disposition, bytes: answer.bytes().await.unwrap().to_vec() }
    }

    /// Adds a job with another recipe to an existing image.
    pub async fn add_job(&self, image: &ImageId, recipe: &Recipe) -> Accepted {
        self.try_add_job(image, recipe).await.unwrap()
    }

    /// As [`Client::add_job`]. Returns the server's problem as an error.
    pub async fn try_add_job(&self, image: &ImageId, recipe: &Recipe) -> Result<Accepted, Problem> {
        let path = format!("{}{}/jobs", self.base, shared::route::image(image));
        let answer = self.http.post(path).json(&serde_json::json!({ "recipe": recipe })).send().await.unwrap();
        let accepted = answer.status() == 202;
        let body = answer.bytes().await.unwrap();
        if accepted { Ok(serde_json::from_slice(&body).unwrap()) } else { Err(serde_json::from_slice(&body).unwrap()) }
    }

    /// Returns the timeline of a job that has ended.
    pub async fn timeline(&self, job: &JobId) -> Timeline {
        self.get(&shared::route::timeline(job)).await.unwrap()
    }

    /// Sends a POST without a body and returns the status.
    pub async fn post(&self, path: &str) -> u16 {
        self.http.post(format!("{}{path}", self.base)).send().await.unwrap().status().as_u16()
    }

    /// Deletes an image permanently.
    pub async fn delete(&self, image: &ImageId) -> u16 {
        let path = format!("{}?forever=true", shared::route::image(image));
        self.http.delete(format!("{}{path}", self.base)).send().await.unwrap().status().as_u16()
    }

    /// Waits for a master other than `not` and returns its name and epoch.
    pub async fn master(&self, not: Option<&PodName>) -> (PodName, u64) {
        self.until("a master", |view| {
            let leader = view.leader.as_ref()?;
            Some((leader.pod.clone(), leader.epoch?)).filter(|(pod, _)| Some(pod) != not)
        })
        .await
    }
}
