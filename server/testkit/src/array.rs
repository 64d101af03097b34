//! Pods in the test's own process: whole pods on the embedded coordinator, one SQLite catalog and one store, into which faults
//! can be injected. Each pod can be killed, stopped and started again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use catalog::Catalog;
use codec::Limits;
use coord::embedded::{Embedded, EmbeddedConfig};
use coord::{Connector, Coordinator, ensure_skeleton, paths};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use pipeline::compute::pixels::Pixels;
use pipeline::intake;
use pipeline::intake::accept::{Accept, Offer};
use pipeline::intake::gauge::Gauge;
use pipeline::stages::context::TaskContext;
use pod::slots::Slots;
use pod::{Pod, PodConfig};
use shared::clock::Clock;
use shared::equalize::Recipe;
use shared::gallery::{Accepted, JobSummary};
use shared::job::JobState;
use store::{Patience, Store};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::images::oracle;
use crate::store_faults::Faults;
use crate::wait::{PATIENCE, eventually};

/// Pods and what they share.
pub struct TestArray {
    _folder: tempfile::TempDir,
    /// The embedded coordinator.
    pub embedded: Arc<Embedded>,
    /// The catalog.
    pub catalog: Arc<dyn Catalog>,
    /// The store's objects, reached without faults.
    pub objects: Arc<dyn ObjectStore>,
    /// The store's faults.
    pub faults: Faults,
    /// Accepts uploads.
    pub accept: Accept,
    connector: Arc<dyn Connector>,
    task_context: TaskContext,
    slots: Slots,
    configure: Configure,
    lives: Mutex<BTreeMap<String, Life>>,
}

/// A running pod.
struct Life {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Makes the pods' coordinator of the embedded one.
pub type Connect = Box<dyn FnOnce(Arc<dyn Connector>) -> Arc<dyn Connector>>;

/// Changes a pod's configuration.
pub type Configure = Box<dyn Fn(&mut PodConfig) + Send + Sync>;

/// Configuration of a [`TestArray`].
pub struct Setup {
    /// Session timeout of the embedded coordinator.
    pub session_timeout: Duration,
    /// Makes the pods' coordinator from the embedded one.
    pub connector: Connect,
    /// The store's objects.
    pub objects: Arc<dyn ObjectStore>,
    /// The store, if it isn't these objects with [`TestArray::faults`].
    pub store: Option<Store>,
    /// Timeouts and retries of the store, unless `store` is set.
    pub patience: Patience,
    /// Number of pixel threads.
    pub threads: usize,
    /// Number of tasks at a time.
    pub slots: usize,
    /// Changes the configuration of each pod, which divides every image into as many tasks as possible.
    pub configure: Configure,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_millis(500),
            connector: Box::new(|embedded| embedded),
            objects: Arc::new(InMemory::new()),
            store: None,
            patience: Patience::new(Duration::from_secs(1), 3, Duration::from_millis(2)),
            threads: 2,
            slots: 2,
            configure: Box::new(|_| {}),
        }
    }
}

impl TestArray {
    /// Creates an array without pods.
    pub async fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedded = Embedded::new(EmbeddedConfig { session_timeout: setup.session_timeout });
        let first = embedded.connector().connect().await.unwrap();
        ensure_skeleton(&*first).await.unwrap();
        first.close().await;
        let faults = Faults::seeded(1);
        let faulty = || Store::over(faults.over(setup.objects.clone()), setup.patience);
        let store = setup.store.unwrap_or_else(faulty);
        let catalog = catalog::open(folder.path().join("catalog.sqlite").to_str().unwrap()).await.unwrap();
        let pixels = Pixels::new(setup.threads, 256 << 20);
        let accept = Accept {
            store: store.clone(),
            catalog: catalog.clone(),
            pixels: pixels.clone(),
            limits: Limits::default(),
            max_upload_bytes: u64::MAX,
            doorbell: Arc::new(|| {}),
            gauge: Gauge::unmeasured(),
        };
        Self {
            _folder: folder,
            connector: (setup.connector)(embedded.connector()),
            embedded,
            catalog,
            objects: setup.objects,
            faults,
            accept,
            task_context: TaskContext { store, pixels, limits: Limits::default() },
            slots: Slots::new(setup.slots),
            configure: setup.configure,
            lives: Mutex::default(),
        }
    }

    /// Starts pods with these names.
    pub fn start(&self, names: &[&str]) {
        for name in names {
            let mut config =
                PodConfig { whole_below: 0, parts_per_task: Some(1), ..PodConfig::named(name.parse().unwrap()) };
            (self.configure)(&mut config);
            let pod = Arc::new(Pod {
                config,
                connector: self.connector.clone(),
                catalog: self.catalog.clone(),
                task_context: self.task_context.clone(),
                slots: self.slots.clone(),
                clock: Arc::new(Clock::new()),
            });
            let stop = CancellationToken::new();
            let task = tokio::spawn(pod.run(stop.clone()));
            self.lives.lock().unwrap().insert((*name).to_owned(), Life { stop, task });
        }
    }

    /// Ends a pod like a crash.
    pub fn kill(&self, name: &str) {
        self.lives.lock().unwrap().remove(name).unwrap().task.abort();
    }

    /// Stops a pod like SIGTERM, and waits until it has ended.
    pub async fn stop(&self, name: &str) {
        let life = self.lives.lock().unwrap().remove(name).unwrap();
        life.stop.cancel();
        life.task.await.unwrap();
    }

    /// Stops all pods at once, and waits until they have ended.
    pub async fn stop_all(&self) {
        let lives: Vec<Life> = std::mem::take(&mut *self.lives.lock().unwrap()).into_values().collect();
        lives.iter().for_each(|life| life.stop.cancel());
        for life in lives {
            life.task.await.unwrap();
        }
    }

    /// Opens a session with the embedded coordinator, for observation.
    pub async fn session(&self) -> Arc<dyn Coordinator> {
        self.embedded.connector().connect().await.unwrap()
    }

    /// Uploads an image with the default recipe.
    ///
    /// # Errors
    /// As [`Accept`].
    pub async fn try_upload(&self, name: &str, bytes: &[u8]) -> Result<Accepted, intake::Error> {
        let offer = Offer { name: name.to_owned(), recipe: Recipe::default(), idempotency_key: None };
        let mut upload = self.accept.begin(offer).await?;
        upload.append(0, Bytes::copy_from_slice(bytes)).await?;
        upload.finish().await
    }

    /// Uploads an image with the default recipe, which must be accepted.
    pub async fn upload(&self, name: &str, bytes: &[u8]) -> Accepted {
        self.try_upload(name, bytes).await.unwrap()
    }

    /// Waits until the job has ended.
    pub async fn ended(&self, accepted: &Accepted) -> JobSummary {
        self.until("the job to end", || async {
            let job = self.catalog.job(&accepted.job_id).await.unwrap()?;
            job.state.has_ended().then_some(job)
        })
        .await
    }

    /// Waits until the job is done, and compares its file byte by byte.
    pub async fn is_exact(&self, accepted: &Accepted, original: &[u8]) {
        let job = self.ended(accepted).await;
        assert_eq!(job.state, JobState::Done, "{:?}", job.reason);
        let files = self.catalog.files(&accepted.image_id, Some(&accepted.job_id)).await.unwrap().unwrap();
        let result = self.objects.get(&Path::from(files.result.unwrap().key)).await.unwrap().bytes().await.unwrap();
        assert!(result == oracle(original, &Recipe::default()), "the result has other bytes");
    }

    /// Waits until the job has failed, and returns its reason.
    pub async fn reason(&self, accepted: &Accepted) -> String {
        let job = self.ended(accepted).await;
        assert_eq!(job.state, JobState::Failed);
        job.reason.unwrap()
    }

    /// Returns all keys in the store, except temporary files.
    pub async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.objects.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
        keys.sort();
        keys
    }

    /// Waits until no job has znodes.
    pub async fn at_rest(&self) {
        let session = self.session().await;
        self.until("the znodes to go", || async {
            let jobs = session.children(paths::JOBS).await.unwrap_or_default();
            jobs.is_empty().then_some(())
        })
        .await;
        session.close().await;
    }

    /// Waits until `found` returns `Some`.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, found: impl Fn() -> F) -> T {
        // What is awaited names the state; the faults explain why it may not come.
        eventually(what, PATIENCE, async || found().await.ok_or_else(|| self.faults.played())).await
    }
}
