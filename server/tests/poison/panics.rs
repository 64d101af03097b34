//! An image on which the work panics, in every pod.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::memory::InMemory;
use server::catalog::{self, Catalog};
use server::codec::Limits;
use server::coord::embedded::{Embedded, EmbeddedConfig};
use server::pipeline::accept::{Accept, Offer};
use server::pipeline::gauge::Gauge;
use server::pipeline::pixels::Pixels;
use server::pipeline::stage::TaskContext;
use server::pod::array::Array;
use server::pod::slots::Slots;
use server::pod::{Pod, PodConfig};
use server::store::Store;
use shared::clock::Clock;
use shared::equalize::Recipe;
use shared::gallery::{Accepted, JobSummary};
use shared::job::JobState;
use tokio_util::sync::CancellationToken;

use crate::client::PATIENCE;
use crate::faulty_store::{Act, Fault, Faults, Rule, impatient};
use crate::images::{oracle, sample};

/// A fixture: three pods of one process, over a fault-injecting store.
struct Yard {
    _folder: tempfile::TempDir,
    catalog: Arc<dyn Catalog>,
    store: Store,
    faults: Faults,
    accept: Accept,
    array: Array,
    task_context: TaskContext,
}

impl Yard {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::seeded(1);
        let store = Store::over(faults.over(Arc::new(InMemory::new())), impatient());
        let catalog = catalog::open(folder.path().join("catalog.sqlite").to_str().unwrap()).await.unwrap();
        let pixels = Pixels::new(2, 256 << 20);
        let task_context = TaskContext { store: store.clone(), pixels: pixels.clone(), limits: Limits::default() };
        let accept = Accept {
            store: store.clone(),
            catalog: catalog.clone(),
            pixels,
            limits: Limits::default(),
            max_upload_bytes: u64::MAX,
            doorbell: Arc::new(|| {}),
            gauge: Gauge::unmeasured(),
        };
        Self {
            _folder: folder,
            catalog,
            store,
            faults,
            accept,
            array: Array::new(CancellationToken::new()),
            task_context,
        }
    }

    /// Starts three pods.
    fn start(&self) {
        let connector = Embedded::new(EmbeddedConfig { session_timeout: Duration::from_millis(500) }).connector();
        let slots = Slots::new(2);
        for name in ["pod-1", "pod-2", "pod-3"] {
            let config = PodConfig::named(name.parse().unwrap());
            let (connector, catalog) = (connector.clone(), self.catalog.clone());
            let (task_context, slots) = (self.task_context.clone(), slots.clone());
            self.array.add(config.name.clone(), None, move || {
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
    }

    async fn upload(&self, name: &str) -> Accepted {
        let offer = Offer { name: name.to_owned(), recipe: Recipe::default(), idempotency_key: None };
        let mut upload = self.accept.begin(offer).await.unwrap();
        upload.append(0, Bytes::from(sample(name))).await.unwrap();
        upload.finish().await.unwrap()
    }

    async fn ended(&self, accepted: &Accepted) -> JobSummary {
        let begun = Instant::now();
        loop {
            let job = self.catalog.job(&accepted.job_id).await.unwrap().unwrap();
            if job.state.has_ended() {
                return job;
            }
            assert!(begun.elapsed() < PATIENCE, "{job:#?} didn't end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn assert_done(&self, accepted: &Accepted, name: &str) {
        let job = self.ended(accepted).await;
        assert_eq!(job.state, JobState::Done, "{name}: {:?}", job.reason);
        let files = self.catalog.files(&accepted.image_id, None).await.unwrap().unwrap();
        let result = self.store.get(&files.result.unwrap().key).await.unwrap();
        assert!(result == oracle(&sample(name), &Recipe::default()), "{name} differs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_panics_in_every_pod_fails_its_job_after_three_attempts_and_no_other() {
    let yard = Yard::new().await;
    let before = yard.upload("cell.png").await;
    let poison = yard.upload("moon.png").await;
    let after = yard.upload("page.png").await;
    yard.faults.play(Rule::on(Act::Get, Fault::Explode).keys(poison.image_id.as_str()));
    yard.start();
    yard.assert_done(&before, "cell.png").await;
    yard.assert_done(&after, "page.png").await;
    let failed = yard.ended(&poison).await;
    assert_eq!(failed.state, JobState::Failed);
    let reason = failed.reason.unwrap();
    assert!(reason.contains("of its attempts, 3 crashed") && reason.contains("a panic was played"), "{reason}");
    // Once it no longer panics, a retry succeeds.
    yard.faults.end();
    yard.catalog.retry(&poison.job_id).await.unwrap();
    yard.assert_done(&poison, "moon.png").await;
}
