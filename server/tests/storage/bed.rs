//! A fixture: whole pods on the embedded coordinator, over a fault-injecting store.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use server::catalog::{self, Catalog};
use server::codec::Limits;
use server::coord::embedded::{Embedded, EmbeddedConfig};
use server::coord::{Coordinator, paths};
use server::pipeline::accept::{self, Accept, Offer};
use server::pipeline::gauge::Gauge;
use server::pipeline::pixels::Pixels;
use server::pipeline::stage::TaskContext;
use server::pod::array::Array;
use server::pod::slots::Slots;
use server::pod::{Pod, PodConfig};
use server::store::{Patience, Store};
use shared::clock::Clock;
use shared::equalize::Recipe;
use shared::gallery::{Accepted, JobSummary};
use shared::id::PodName;
use shared::job::JobState;
use tokio_util::sync::CancellationToken;

use crate::faulty_store::Faults;
use crate::images::oracle;

/// Time limit for every wait.
const PATIENCE: Duration = Duration::from_secs(90);

/// Pods, a catalog, and a store with its faults.
pub struct Bed {
    _folder: tempfile::TempDir,
    pub catalog: Arc<dyn Catalog>,
    /// The store without faults.
    pub inner: Arc<dyn ObjectStore>,
    pub faults: Faults,
    pub accept: Accept,
    pub array: Array,
    pub names: Vec<PodName>,
    /// The test's own session.
    pub calm: Arc<dyn Coordinator>,
    stop: CancellationToken,
}

impl Bed {
    /// Starts three pods on an in-memory store.
    pub async fn new() -> Self {
        Self::over(Arc::new(InMemory::new()), |_| {}).await
    }

    /// Starts three pods on this store, with this configuration.
    pub async fn over(inner: Arc<dyn ObjectStore>, tell: impl Fn(&mut PodConfig)) -> Self {
        let faults = Faults::seeded(3);
        let store = Store::over(faults.over(inner.clone()), Patience::new(PATIENCE / 90, 3, Duration::from_millis(2)));
        Self::on(store, inner, faults, tell).await
    }

    /// Starts three pods on this store; the most general form.
    pub async fn on(store: Store, inner: Arc<dyn ObjectStore>, faults: Faults, tell: impl Fn(&mut PodConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedded = Embedded::new(EmbeddedConfig { session_timeout: Duration::from_millis(500) });
        let connector = embedded.connector();
        let calm = connector.connect().await.unwrap();
        let catalog = catalog::open(folder.path().join("catalog.sqlite").to_str().unwrap()).await.unwrap();
        let pixels = Pixels::new(2, 256 << 20);
        let task_context = TaskContext { store: store.clone(), pixels: pixels.clone(), limits: Limits::default() };
        let stop = CancellationToken::new();
        let array = Array::new(stop.clone());
        let slots = Slots::new(2);
        let names: Vec<PodName> = (1..=3).map(|index| format!("pod-{index}").parse().unwrap()).collect();
        for name in &names {
            let mut config = PodConfig {
                whole_below: 0,
                parts_per_task: Some(1),
                backoff: Duration::from_millis(2),
                drain: Duration::from_secs(1),
                ..PodConfig::named(name.clone())
            };
            tell(&mut config);
            let (connector, catalog, task_context, slots) =
                (connector.clone(), catalog.clone(), task_context.clone(), slots.clone());
            array.add(name.clone(), None, move || {
                Arc::new(Pod {
                    config: config.clone(),
                    connector: connector.clone(),
                    catalog: catalog.clone(),
                    task_context: task_context.clone(),
                    slots: slots.clone(),
                    clock: Arc::new(Clock::new()),
                })
            });
        }
        let accept = Accept {
            store: store.clone(),
            catalog: catalog.clone(),
            pixels,
            limits: Limits::default(),
            max_upload_bytes: u64::MAX,
            doorbell: Arc::new(|| {}),
            gauge: Gauge::unmeasured(),
        };
        Self { _folder: folder, catalog, inner, faults, accept, array, names, calm, stop }
    }

    pub async fn try_upload(&self, name: &str, bytes: &[u8]) -> Result<Accepted, accept::Error> {
        let offer = Offer { name: name.to_owned(), recipe: Recipe::default(), idempotency_key: None };
        let mut upload = self.accept.begin(offer).await?;
        upload.append(0, Bytes::copy_from_slice(bytes)).await?;
        upload.finish().await
    }

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
        let result = self.inner.get(&Path::from(files.result.unwrap().key)).await.unwrap().bytes().await.unwrap();
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
            self.inner.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
        keys.sort();
        keys
    }

    /// Waits until no job has znodes.
    pub async fn at_rest(&self) {
        self.until("the znodes to go", || async {
            let jobs = self.calm.children(paths::JOBS).await.unwrap_or_default();
            jobs.is_empty().then_some(())
        })
        .await;
    }

    /// Waits until `found` returns `Some`.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, found: impl Fn() -> F) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found().await {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}; played: {:?}", self.faults.played());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.array.ended().await;
    }
}
