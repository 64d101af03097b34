//! The HTTP API on a store and a catalog in a temporary folder, and requests to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use server::catalog::{self, Catalog, ResultFile, Write};
use server::codec::Limits;
use server::logs::LogBook;
use server::pipeline::compute::pixels::Pixels;
use server::pipeline::intake::accept::{Accept, fresh};
use server::pipeline::intake::gauge::{Capacity, Figures, Gauge};
use server::store::{Store, keys};
use server::web::{Clients, EventHub, Faults, PodLogs, Renders, WebState, router};
use sha2::{Digest, Sha256};
use shared::clock::Stamp;
use shared::cluster::ClusterView;
use shared::id::{ImageId, JobId, RunId};
use shared::job::Phase;
use tokio::sync::watch;
use tower::ServiceExt;

/// Size limit of an upload, in bytes.
pub const MOST: u64 = 2 << 20;

/// Limits of the server.
pub const CAPACITY: Capacity = Capacity { max_backlog: 1_000, min_free: 1 << 20, max_uploads: 20, max_unfinished: 8 };

pub struct Api {
    pub router: Router,
    pub catalog: Arc<dyn Catalog>,
    pub store: Store,
    pub events: EventHub,
    /// Log lines of this process's pods.
    pub said: LogBook,
    pub view: watch::Sender<Arc<ClusterView>>,
    pub rings: Arc<AtomicUsize>,
    /// Sends measured figures.
    pub figures: watch::Sender<Figures>,
    pub state: WebState,
    /// Folder of the catalog, and of the store in `objects`.
    pub folder: Arc<tempfile::TempDir>,
}

/// A response that was read completely.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// Returns the sentence of a problem with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string());
        problem["detail"].as_str().unwrap().to_owned()
    }
}

pub fn view() -> ClusterView {
    ClusterView::empty(Stamp { clock: 1, pod: "pod-1".parse().unwrap() })
}

impl Api {
    pub async fn new() -> Self {
        Self::with_faults(None).await
    }

    pub async fn with_faults(faults: Option<Arc<dyn Faults>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("catalog.db").display());
        let catalog = catalog::open(&url).await.unwrap();
        Self::over(folder, catalog, faults).await
    }

    pub async fn over(folder: tempfile::TempDir, catalog: Arc<dyn Catalog>, faults: Option<Arc<dyn Faults>>) -> Self {
        let store = Store::open(folder.path().join("objects").to_str().unwrap()).unwrap();
        let pixels = Pixels::new(2, 256 << 20);
        let rings = Arc::new(AtomicUsize::new(0));
        let counted = rings.clone();
        let (figures, receive_figures) = watch::channel(Figures::default());
        let accept = Accept {
            store: store.clone(),
            catalog: catalog.clone(),
            pixels: pixels.clone(),
            limits: Limits::default(),
            max_upload_bytes: MOST,
            gauge: Gauge::new(CAPACITY, receive_figures),
            doorbell: Arc::new(move || {
                counted.fetch_add(1, Ordering::SeqCst);
            }),
        };
        let said = LogBook::default();
        let (sender, receiver) = watch::channel(Arc::new(view()));
        let events = EventHub::new(receiver.clone());
        let state = WebState {
            cut_off: server::web::CutOff::default(),
            catalog: catalog.clone(),
            store: store.clone(),
            accept,
            pixels,
            view: receiver,
            events: events.clone(),
            faults,
            renders: Renders::new(8 << 20),
            logs: PodLogs::new(said.clone(), None),
            clients: Clients::default(),
        };
        let folder = Arc::new(folder);
        Self {
            router: router(state.clone()),
            state,
            catalog,
            store,
            events,
            said,
            view: sender,
            rings,
            figures,
            folder,
        }
    }

    /// Returns a server for another pod on the same catalog and store.
    pub fn another_pod(&self) -> Self {
        let state = WebState { renders: Renders::new(1 << 20), ..self.state.clone() };
        Self {
            router: router(state.clone()),
            state,
            catalog: self.catalog.clone(),
            store: self.store.clone(),
            events: self.events.clone(),
            said: self.said.clone(),
            view: self.view.clone(),
            rings: self.rings.clone(),
            figures: self.figures.clone(),
            folder: self.folder.clone(),
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Returns a response whose body hasn't been read yet.
    pub async fn answer(&self, path: &str) -> axum::response::Response {
        self.router.clone().oneshot(request("GET", path, &[], Body::empty())).await.unwrap()
    }

    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.send(request(method, path, headers, body)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], Body::empty()).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.call("GET", path, headers, Body::empty()).await
    }

    /// Sends `POST /api/images` with the given parts.
    pub async fn post(&self, parts: &[Field<'_>], headers: &[(&str, &str)]) -> Answer {
        self.post_to("/api/images", parts, headers).await
    }

    pub async fn post_to(&self, path: &str, parts: &[Field<'_>], headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("content-type", FORM)];
        all.extend_from_slice(headers);
        self.call("POST", path, &all, form(parts)).await
    }

    /// Uploads an image and returns its ids.
    pub async fn upload(&self, name: &str, bytes: &[u8]) -> (ImageId, JobId) {
        let answer = self.post(&[Field::image(name, bytes)], &[]).await;
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        ids(&answer)
    }

    /// Replaces the bytes of an object in the store's folder, as only somebody else would.
    pub fn damage(&self, key: &str, bytes: &[u8]) {
        std::fs::write(self.folder.path().join("objects").join(key), bytes).unwrap();
    }

    /// Publishes `bytes` as the job's result, as a master and its workers would.
    pub async fn finish(&self, image: &ImageId, job: &JobId, bytes: &[u8]) {
        let epoch = self.catalog.take_epoch("test").await.unwrap();
        let run: RunId = fresh();
        assert_eq!(self.catalog.activate(&epoch, job, &run).await.unwrap(), Write::Applied);
        let key = keys::output(image, &run, Phase::Stitch, 0, 1, "claim");
        self.store.put(&key, bytes.to_vec()).await.unwrap();
        let result = ResultFile { job: job.clone(), key, bytes: bytes.len() as u64, sha256: sha256(bytes) };
        assert_eq!(self.catalog.publish(&epoch, &run, &result, None).await.unwrap(), Write::Applied);
    }

    /// Fails a job, as a master would.
    pub async fn fail(&self, job: &JobId, reason: &str) {
        let epoch = self.catalog.take_epoch("test").await.unwrap();
        let run: RunId = fresh();
        assert_eq!(self.catalog.activate(&epoch, job, &run).await.unwrap(), Write::Applied);
        assert_eq!(self.catalog.fail(&epoch, job, &run, reason, None).await.unwrap(), Write::Applied);
    }
}

pub const FORM: &str = "multipart/form-data; boundary=XX";

/// A part of a form.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    pub name: &'a str,
    pub file: Option<&'a str>,
    pub bytes: &'a [u8],
}

impl<'a> Field<'a> {
    pub fn image(file: &'a str, bytes: &'a [u8]) -> Self {
        Self { name: "image", file: Some(file), bytes }
    }

    pub fn recipe(json: &'a str) -> Self {
        Self { name: "recipe", file: None, bytes: json.as_bytes() }
    }
}

pub fn form(parts: &[Field<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        let file = part.file.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        body.extend(format!("--XX\r\nContent-Disposition: form-data; name=\"{}\"{file}\r\n\r\n", part.name).bytes());
        body.extend(part.bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "evenlight.test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub fn ids(answer: &Answer) -> (ImageId, JobId) {
    let json = answer.json();
    let id = |name: &str| json[name].as_str().unwrap().to_owned();
    (id("image_id").parse().unwrap(), id("job_id").parse().unwrap())
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
