//! A world: pods on one embedded coordinator, one catalog and one store, in paused time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use server::catalog;
use server::codec::Limits;
use server::coord::embedded::{Embedded, EmbeddedConfig};
use server::coord::{Coordinator, election, ensure_skeleton, paths};
use server::pipeline::compute::pixels::Pixels;
use server::pipeline::intake::accept::Accept;
use server::pipeline::intake::gauge::{Capacity, Figures, Gauge};
use server::pipeline::stages::context::TaskContext;
use server::pod::slots::Slots;
use server::pod::{Pod, PodConfig};
use server::store::{Patience, Store};
use shared::clock::Clock;
use sqlx::sqlite::SqlitePoolOptions;
use testkit::{Dice, elapse};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::catalog::{FaultyDatabase, Shelf};
use crate::clock;
use crate::coordinator::FaultyConnector;
use crate::faults::Faults;
use crate::history::History;
use crate::ledger::Ledger;
use crate::life::Life;
use crate::settings::{LEASE, Settings};
use crate::store::FaultyStore;

/// An upload without activity for this long is abandoned.
pub const ABANDON_AFTER: Duration = Duration::from_secs(60);

/// Interval between sweeps of the store.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A pod's place: its current life, if it has one.
#[derive(Default)]
struct Place {
    lives: u32,
    life: Option<Running>,
}

struct Running {
    life: Arc<Life>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// A whole array.
pub struct World {
    pub settings: Settings,
    pub embedded: Arc<Embedded>,
    pub shelf: Arc<Shelf>,
    pub objects: Arc<dyn ObjectStore>,
    pub faults: Arc<Faults>,
    pub history: Arc<History>,
    places: Mutex<BTreeMap<String, Place>>,
    deaths: mpsc::UnboundedSender<String>,
    _folder: tempfile::TempDir,
}

impl World {
    /// Creates an array whose pods haven't started.
    pub async fn new(settings: Settings, mut dice: Dice) -> Arc<Self> {
        let folder = folder();
        let history = Arc::new(History::new());
        let embedded = Embedded::new(EmbeddedConfig { session_timeout: LEASE });
        embedded.keep_journal();
        let first = embedded.connector().connect().await.unwrap();
        ensure_skeleton(&*first).await.unwrap();
        first.close().await;
        let shelf = open_catalog(folder.path()).await;
        let faults = Arc::new(Faults::new(dice.fork(), settings.clone(), Arc::clone(&history)));
        let (deaths, dead) = mpsc::unbounded_channel();
        let places = (1..=settings.pods).map(|index| (format!("pod-{index}"), Place::default())).collect();
        let objects: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let places = Mutex::new(places);
        let world =
            Arc::new(Self { settings, embedded, shelf, objects, faults, history, places, deaths, _folder: folder });
        tokio::spawn(undertake(Arc::downgrade(&world), dead, dice.fork()));
        world
    }

    pub fn pods(&self) -> Vec<String> {
        self.places.lock().unwrap().keys().cloned().collect()
    }

    /// Starts every pod that isn't running.
    pub fn start_all(&self) {
        self.pods().iter().for_each(|pod| self.start(pod));
    }

    /// Starts a pod unless it is running.
    pub fn start(&self, pod: &str) {
        let mut places = self.places.lock().unwrap();
        let place = places.get_mut(pod).expect("a pod of this world");
        if place.life.is_some() {
            return;
        }
        place.lives += 1;
        let (embedded, history) = (Arc::clone(&self.embedded), Arc::clone(&self.history));
        let life = Life::new(pod, place.lives, embedded, history, self.deaths.clone());
        let stop = CancellationToken::new();
        let made = Arc::new(self.make(&life));
        self.history.tell(&life.label(), || "starts".to_owned());
        let task = tokio::spawn(made.run(stop.clone()));
        place.life = Some(Running { life, task, stop });
    }

    /// Returns a pod's current life.
    pub fn life(&self, pod: &str) -> Option<Arc<Life>> {
        self.places.lock().unwrap().get(pod)?.life.as_ref().map(|running| Arc::clone(&running.life))
    }

    /// Makes a pod hand over and leave; it starts again afterwards.
    pub async fn restart(&self, pod: &str) {
        let running = self.places.lock().unwrap().get_mut(pod).and_then(|place| place.life.take());
        if let Some(Running { life, task, stop }) = running {
            self.history.tell(&life.label(), || "is told to stop".to_owned());
            stop.cancel();
            tokio::select! {
                _ = task => {}
                () = life.death() => {}
            }
        }
        self.start(pod);
    }

    fn make(&self, life: &Arc<Life>) -> Pod {
        let connector = FaultyConnector {
            inner: self.embedded.connector(),
            embedded: Arc::clone(&self.embedded),
            life: Arc::clone(life),
            faults: Arc::clone(&self.faults),
            history: Arc::clone(&self.history),
        };
        Pod {
            config: PodConfig {
                whole_below: self.settings.whole_below,
                parts_per_task: self.settings.parts_per_task,
                max_active_jobs: 4,
                abandon_after: ABANDON_AFTER,
                sweep_every: SWEEP_EVERY,
                drain: Duration::from_secs(1),
                ..PodConfig::named(life.pod.parse().unwrap())
            },
            connector: Arc::new(connector),
            catalog: self.desk(life),
            task_context: TaskContext {
                store: self.store_of(life),
                pixels: Pixels::new(2, 256 << 20),
                limits: Limits::default(),
            },
            slots: Slots::new(2),
            clock: Arc::new(Clock::new()),
        }
    }

    fn store_of(&self, life: &Arc<Life>) -> Store {
        let store = FaultyStore {
            inner: Arc::clone(&self.objects),
            life: Arc::clone(life),
            faults: Arc::clone(&self.faults),
            history: Arc::clone(&self.history),
        };
        Store::over(Arc::new(store), Patience::new(Duration::from_secs(5), 2, Duration::from_millis(5)))
    }

    /// Returns the upload endpoint of a pod's current life.
    pub fn door(&self, life: &Arc<Life>) -> Accept {
        Accept {
            store: self.store_of(life),
            catalog: self.desk(life),
            pixels: Pixels::new(1, 256 << 20),
            limits: Limits::default(),
            max_upload_bytes: u64::MAX,
            doorbell: Arc::new(|| {}),
            gauge: Gauge::new(Capacity::default(), watch::channel(Figures::default()).1),
        }
    }

    /// Returns the catalog as seen by a pod.
    pub fn desk(&self, life: &Arc<Life>) -> Arc<dyn catalog::Catalog> {
        catalog::over(Arc::new(FaultyDatabase {
            shelf: Arc::clone(&self.shelf),
            life: Arc::clone(life),
            faults: Arc::clone(&self.faults),
            history: Arc::clone(&self.history),
        }))
    }

    /// Opens a session that no fault affects, while the coordinator is up.
    pub async fn viewer(&self) -> Arc<dyn Coordinator> {
        self.embedded.connector().connect().await.unwrap()
    }

    /// Returns the life that leads, according to the coordinator's journal.
    pub fn leading(&self) -> Option<Arc<Life>> {
        let owner = self.history.owner(Ledger::of(&self.embedded.journal(), &self.history).leader()?)?;
        self.pods().iter().filter_map(|pod| self.life(pod)).find(|life| life.label() == owner)
    }

    /// Evicts the leader, like a witness that errs.
    pub async fn evict_leader(&self) {
        let viewer = self.viewer().await;
        if let Some((node, candidate)) = election::leader(&*viewer).await.unwrap() {
            self.history.count("leader evicted");
            self.history.tell("the weather", || format!("{} is evicted", candidate.pod));
            // It may be gone already.
            let _ = viewer.delete(&node, None).await;
        }
    }

    /// Ends all faults; everything that can recover does.
    pub fn calm(&self) {
        self.faults.end();
        self.embedded.come_back();
        for session in self.embedded.sessions() {
            self.embedded.reconnect(session);
            self.embedded.run_late(session);
            self.embedded.catch_up(session);
        }
        self.history.tell("the weather", || "is calm".to_owned());
    }

    /// Returns the metadata of all objects in the store.
    pub async fn stored(&self) -> Vec<ObjectMeta> {
        use futures::TryStreamExt;
        let mut all: Vec<ObjectMeta> = self.objects.list(None).try_collect().await.unwrap();
        all.sort_by(|a, b| a.location.cmp(&b.location));
        all
    }

    /// Returns an object's bytes.
    pub async fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let got = self.objects.get(&key.into()).await.ok()?;
        Some(got.bytes().await.unwrap().to_vec())
    }

    /// Returns the jobs that have znodes.
    pub async fn active(&self) -> Vec<String> {
        self.viewer().await.children(paths::JOBS).await.unwrap()
    }

    /// Runs a query of the test itself.
    pub async fn rows(&self, sql: &'static str) -> Vec<Vec<String>> {
        use sqlx::Row;
        let _still = clock::still();
        let rows = sqlx::query(sql).fetch_all(&self.shelf.rows).await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow| {
            (0..row.len()).map(|at| row.get::<Option<String>, _>(at).unwrap_or_default()).collect()
        };
        rows.iter().map(text).collect()
    }

    /// Ends all pods at the end of the run.
    pub fn end(&self) {
        for place in self.places.lock().unwrap().values_mut() {
            if let Some(running) = place.life.take() {
                running.task.abort();
            }
        }
    }
}

/// Removes pods that died, and starts them again after a while.
async fn undertake(world: std::sync::Weak<World>, mut dead: mpsc::UnboundedReceiver<String>, mut dice: Dice) {
    while let Some(pod) = dead.recv().await {
        let Some(there) = world.upgrade() else { return };
        let place = there.places.lock().unwrap().get_mut(&pod).and_then(|place| place.life.take());
        if let Some(running) = place {
            running.task.abort();
        }
        let (world, pause) = (world.clone(), dice.millis(1, 5_000));
        tokio::spawn(async move {
            elapse(pause).await;
            if let Some(world) = world.upgrade() {
                world.start(&pod);
            }
        });
    }
}

/// Creates a folder in memory, where the system has one: durability isn't tested here.
fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

async fn open_catalog(folder: &std::path::Path) -> Arc<Shelf> {
    let _still = clock::still();
    let file = folder.join("catalog.sqlite");
    let database = catalog::connect(file.to_str().unwrap()).await.unwrap();
    let url = format!("sqlite://{}", file.display());
    let rows = SqlitePoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    Shelf::new(database, rows)
}
