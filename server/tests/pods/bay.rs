//! A fixture: pods on the embedded coordinator, a fault-injecting store, and SQLite. Each pod can be stopped and killed on its
//! own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::memory::InMemory;
use server::catalog::{self, Catalog};
use server::codec::Limits;
use server::coord::embedded::{Embedded, EmbeddedConfig};
use server::coord::{Connector, Coordinator, SessionId, ensure_skeleton, paths};
use server::pipeline::accept::{Accept, Offer};
use server::pipeline::gauge::Gauge;
use server::pipeline::pixels::Pixels;
use server::pipeline::stage::TaskContext;
use server::pod::slots::Slots;
use server::pod::{Pod, PodConfig};
use server::store::{Patience, Store};
use shared::clock::Clock;
use shared::equalize::Recipe;
use shared::gallery::{Accepted, JobSummary};
use shared::id::JobId;
use shared::job::{JobState, Phase};
use shared::task::{Done, Lock, Task};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::faulty_store::Faults;
use crate::images::oracle;

/// Time limit for every wait.
const PATIENCE: Duration = Duration::from_secs(90);

/// Pods and what they share.
pub struct Bay {
    _folder: tempfile::TempDir,
    pub embedded: Arc<Embedded>,
    pub catalog: Arc<dyn Catalog>,
    pub faults: Faults,
    connector: Arc<dyn Connector>,
    task_context: TaskContext,
    accept: Accept,
    slots: Slots,
    lives: Mutex<BTreeMap<String, Life>>,
}

struct Life {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// The state of a task's znodes.
#[derive(Debug)]
pub struct Seen {
    pub task: Task,
    /// The lock, and the session that holds it.
    pub lock: Option<(Lock, SessionId)>,
    pub done: Option<Done>,
}

impl Bay {
    pub async fn new(lease: Duration) -> Self {
        Self::with(lease, |connector| connector).await
    }

    /// Creates a bay whose pods use another connector.
    pub async fn with(lease: Duration, connector: impl FnOnce(Arc<dyn Connector>) -> Arc<dyn Connector>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedded = Embedded::new(EmbeddedConfig { session_timeout: lease });
        let first = embedded.connector().connect().await.unwrap();
        ensure_skeleton(&*first).await.unwrap();
        first.close().await;
        let faults = Faults::seeded(1);
        let patience = Patience::new(PATIENCE, 1, Duration::from_millis(10));
        let store = Store::over(faults.over(Arc::new(InMemory::new())), patience);
        let catalog = catalog::open(folder.path().join("catalog.sqlite").to_str().unwrap()).await.unwrap();
        let pixels = Pixels::new(4, 256 << 20);
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
            connector: connector(embedded.connector()),
            task_context: TaskContext { store, pixels, limits: Limits::default() },
            slots: Slots::new(8),
            lives: Mutex::default(),
            _folder: folder,
            embedded,
            catalog,
            faults,
            accept,
        }
    }

    /// Starts pods with these names.
    pub fn start(&self, names: &[&str]) {
        for name in names {
            let config = PodConfig {
                whole_below: 0,
                parts_per_task: Some(1),
                drain: Duration::from_millis(100),
                ..PodConfig::named(name.parse().unwrap())
            };
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

    /// Opens a session for observation.
    pub async fn eye(&self) -> Arc<dyn Coordinator> {
        self.embedded.connector().connect().await.unwrap()
    }

    pub async fn upload(&self, bytes: &[u8]) -> Accepted {
        let offer = Offer { name: "image".to_owned(), recipe: Recipe::default(), idempotency_key: None };
        let mut upload = self.accept.begin(offer).await.unwrap();
        upload.append(0, Bytes::copy_from_slice(bytes)).await.unwrap();
        upload.finish().await.unwrap()
    }

    /// Waits for a task's znodes; returns `None` if its job ended first.
    pub async fn task(&self, eye: &dyn Coordinator, job: &JobId, phase: Phase, index: u32) -> Option<Seen> {
        let path = paths::task(job, phase, index);
        let found = eye.get_many(&[path.clone(), paths::lock(&path), paths::done(&path)]).await.unwrap();
        let [task, lock, done] = found.try_into().unwrap();
        let lock = lock.map(|(data, stat)| (serde_json::from_slice(&data).unwrap(), stat.owner.unwrap()));
        let done = done.map(|(data, _)| serde_json::from_slice(&data).unwrap());
        Some(Seen { task: serde_json::from_slice(&task?.0).unwrap(), lock, done })
    }

    /// Waits until `found` returns `Some` for a task.
    pub async fn until<T>(
        &self,
        what: &str,
        (job, phase, index): (&JobId, Phase, u32),
        found: impl Fn(&Seen) -> Option<T>,
    ) -> T {
        let (eye, begun) = (self.eye().await, Instant::now());
        loop {
            let seen = self.task(&*eye, job, phase, index).await;
            if let Some(found) = seen.as_ref().and_then(&found) {
                eye.close().await;
                return found;
            }
            let job = self.catalog.job(job).await.unwrap().unwrap();
            assert!(!job.state.has_ended(), "waited for {what}, and the job has ended: {job:?}");
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}: {seen:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until a claim other than `before` holds a task; returns it and its session.
    pub async fn held(&self, task: (&JobId, Phase, u32), before: Option<&Lock>) -> (Lock, SessionId) {
        let other = |lock: &Lock| before.is_none_or(|before| before.claim != lock.claim);
        self.until("a claim", task, |seen| seen.lock.clone().filter(|(lock, _)| other(lock))).await
    }

    /// Waits until a job has ended.
    pub async fn ended(&self, job: &JobId) -> JobSummary {
        let begun = Instant::now();
        loop {
            let seen = self.catalog.job(job).await.unwrap().unwrap();
            if seen.state.has_ended() {
                return seen;
            }
            assert!(begun.elapsed() < PATIENCE, "it didn't end: {seen:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a job is done, and checks its result.
    pub async fn comes_out_right(&self, accepted: &Accepted, original: &[u8]) {
        let ended = self.ended(&accepted.job_id).await;
        assert_eq!(ended.state, JobState::Done, "{:?}", ended.reason);
        let files = self.catalog.files(&accepted.image_id, None).await.unwrap().unwrap();
        let result = self.task_context.store.get(&files.result.unwrap().key).await.unwrap();
        assert!(result == oracle(original, &Recipe::default()), "other bytes");
    }

    /// Returns the number of tasks of a phase.
    pub async fn count(&self, eye: &dyn Coordinator, job: &JobId, phase: Phase) -> u32 {
        eye.children(&paths::phase(job, phase)).await.map_or(0, |names| names.len() as u32)
    }
}
