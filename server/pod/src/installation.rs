//! The installation: which catalog, store and coordinator belong together, so that two coordinators never elect two masters.
//!
//! The catalog holds the installation's id, and a row that names the coordinator through which the installation is led. A
//! coordinator's tree carries both in [`paths::INSTALLATION`], below its chroot, and the store carries the id in its mark.
//! Every new session of a process is admitted by comparing them, before it joins anything.
//!
//! # Who may use a coordinator
//! Every admitted process increments `beat` in the catalog's row every [`BEAT_EVERY`] for as long as it runs, with or without a
//! session, so that an outage of the coordinator doesn't look like the end of the array. A new session is then decided as
//! follows:
//!
//! | in the tree | in the catalog's row | result |
//! |---|---|---|
//! | another installation | | refused: a wrong chroot, catalog or store |
//! | this installation, coordinator C | C | admitted |
//! | this installation, coordinator C | another one | admitted once that one is silent for [`SILENCE_TIMEOUT`]; refused if it beats |
//! | nothing, and this process was admitted to C | C | the coordinator was wiped: the tree becomes C again, at once |
//! | nothing | none | a new installation: the tree gets a new id |
//! | nothing | C | C silent for [`SILENCE_TIMEOUT`]: all were stopped, and the coordinator was wiped or replaced: a new id. C beats: refused |
//!
//! So what distinguishes a wiped coordinator from a wrong one is the process that finds it empty: one that was led through it,
//! or a stranger beside an array that beats.
//!
//! # Why it is safe
//! - Silence is measured with the waiting process's monotonic clock from reads of a counter, so clock steps don't matter. The
//!   row is changed by compare-and-set on coordinator and counter, so a beat in between makes it fail, and of several waiting
//!   processes one wins; the others then find its id in the tree, or are refused.
//! - The process that wins the row writes the tree afterwards, and only then beats. If it dies in between, the row is silent.
//! - A process that was paused while another coordinator took over learns it from its next beat, which has no effect: its
//!   sessions are closed. Until then the epoch in the catalog fences its writes.
//! - Pods of earlier versions neither beat nor check: a rolling upgrade runs both.
//!
//! The embedded coordinator's tree is empty at each start of its process. Its id is kept in the data folder, beside the lock
//! that only one process can hold, so that a restarted process recognizes itself in the row.

use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use base::causes::chain;
use catalog::{Coordination, Write};
use coord::record::to_json;
use coord::{Connector, Coordinator, CreateMode, Error, Invalid, SessionState, paths, settle};
use pipeline::orphans;
use serde::{Deserialize, Serialize};
use shared::job::RECORD_VERSION;
use store::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// Interval at which a process beats.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// A coordinator whose processes don't beat for this long is unused.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(6);
/// Poll interval of a process that waits for silence.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long joining waits for the catalog where it can continue without an answer.
const CATALOG_TIMEOUT: Duration = Duration::from_millis(500);
/// Pause after a refused session.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Locations of an installation's parts, for display: without passwords.
#[derive(Debug, Clone)]
pub struct Places {
    /// The catalog.
    pub catalog: String,
    /// The coordinator.
    pub coordinator: String,
    /// The store.
    pub store: String,
}

/// The record at [`paths::INSTALLATION`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    v: u32,
    installation: String,
    coordinator: String,
}

/// Why a session isn't admitted.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(
        "The coordinator {} belongs to installation {theirs}; the catalog {} and the store {} belong to installation {ours}. Check \
         --zookeeper with its chroot, --catalog and --store. If that coordinator's installation is gone for good, use another \
         chroot, or delete its node {}.", .places.coordinator, .places.catalog, .places.store, paths::INSTALLATION
    )]
    Foreign { places: Box<Places>, ours: String, theirs: String },
    #[error(
        "Installation {id}, with the catalog {} and the store {}, is led through the coordinator {there}; this process uses {}. Two \
         coordinators would elect two masters. Start it with the --zookeeper of the others. To move the installation, stop all of \
         its processes first, and wait {} s.", .places.catalog, .places.store, .places.coordinator, SILENCE_TIMEOUT.as_secs()
    )]
    Elsewhere { places: Box<Places>, id: String, there: String },
    #[error(transparent)]
    Coordinator(#[from] Error),
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// A process's view of its installation.
pub struct Installation {
    id: String,
    catalog: Arc<dyn catalog::Installation>,
    places: Places,
    /// Id of the embedded coordinator.
    own: Option<String>,
    /// Whether a lock keeps every other coordinator away from this catalog.
    alone: bool,
    /// Id of the coordinator to which this process is admitted.
    held: watch::Sender<Option<String>>,
    /// Why this process, which was never admitted, must not run.
    refused: watch::Sender<Option<String>>,
}

/// What was observed of another coordinator's processes.
enum Rival {
    Beats,
    Silent,
    /// Something else has changed: start over.
    Changed,
}

impl Installation {
    /// Reads the installation of this catalog. `own` is the embedded coordinator's id; `alone` means that a lock keeps every
    /// other coordinator away from the catalog.
    ///
    /// # Errors
    /// The catalog's.
    pub async fn of(
        catalog: Arc<dyn catalog::Installation>,
        places: Places,
        own: Option<String>,
        alone: bool,
    ) -> catalog::Result<Arc<Self>> {
        let id = catalog.identity().await?;
        let (held, refused) = (watch::Sender::new(None), watch::Sender::new(None));
        Ok(Arc::new(Self { id, catalog, places, own, alone, held, refused }))
    }

    /// Returns a receiver of the reason why this process must not run, once it is known. A process that was admitted before is
    /// never refused: it keeps its pages and uploads, and waits.
    pub fn refused(&self) -> watch::Receiver<Option<String>> {
        self.refused.subscribe()
    }

    /// Wraps a connector so that each session is admitted first.
    pub fn guard(self: &Arc<Self>, connector: Arc<dyn Connector>) -> Arc<dyn Connector> {
        Arc::new(Guarded { inner: connector, installation: self.clone() })
    }

    /// Beats forever, once this process was admitted.
    pub async fn beat(self: Arc<Self>) {
        if self.alone {
            return;
        }
        loop {
            sleep(BEAT_EVERY).await;
            let held = self.held.borrow().clone();
            if let Some(coordinator) = held
                && let Ok(Write::NoChange) = self.catalog.beat(&coordinator).await
            {
                self.lose(&coordinator);
            }
        }
    }

    /// Compares the store's mark with the catalog's id; retries until the store answers.
    ///
    /// # Errors
    /// A sentence for the operator, if the store belongs to another installation.
    pub async fn check_store(&self, store: &Store) -> Result<(), String> {
        loop {
            match orphans::is_own(store, &*self.catalog).await {
                Ok(()) => return Ok(()),
                Err(orphans::Error::Foreign { store: theirs, catalog: ours }) => {
                    let Places { catalog, store, .. } = &self.places;
                    return Err(format!(
                        "The store {store} belongs to installation {theirs}; the catalog {catalog} is that of installation {ours}. Check \
                         --store and --catalog."
                    ));
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "reading the store's mark failed; retrying");
                    sleep(REFUSED_PAUSE).await;
                }
            }
        }
    }

    /// Ends this process with a sentence for the operator, unless it was admitted before.
    pub fn refuse(&self, why: &str) {
        tracing::error!(why, "session refused");
        if self.held.borrow().is_none() {
            self.refused.send_replace(Some(why.to_owned()));
        }
    }

    /// Ends every session, because another coordinator took over.
    fn lose(&self, coordinator: &str) {
        let lost = self.held.send_if_modified(|held| {
            let mine = held.as_deref() == Some(coordinator);
            if mine {
                *held = None;
            }
            mine
        });
        if lost {
            tracing::error!(coordinator, "installation led through another coordinator; closing every session");
        }
    }

    async fn admit(&self, coordinator: &dyn Coordinator) -> Result<String, Refusal> {
        loop {
            let record = self.record(coordinator).await?;
            match &record {
                Some(record) if record.installation != self.id => {
                    let (ours, theirs) = (self.id.clone(), record.installation.clone());
                    return Err(Refusal::Foreign { places: Box::new(self.places.clone()), ours, theirs });
                }
                Some(Record { coordinator: id, .. }) => {
                    if self.holds(id).await || self.take(coordinator, &record, id).await? {
                        self.held.send_replace(Some(id.clone()));
                        return Ok(id.clone());
                    }
                }
                None => {
                    let held = self.held.borrow().clone();
                    let still = match &held {
                        Some(held) => self.holds(held).await,
                        None => false,
                    };
                    let fresh = || uuid::Uuid::new_v4().simple().to_string();
                    let id = held.filter(|_| still).or_else(|| self.own.clone()).unwrap_or_else(fresh);
                    if still || self.take(coordinator, &record, &id).await? {
                        self.write(coordinator, &id).await?;
                    }
                }
            }
        }
    }

    /// Returns whether this process is admitted to this coordinator and the installation hasn't moved since. While the catalog
    /// doesn't answer, it can't have moved.
    async fn holds(&self, id: &str) -> bool {
        if self.held.borrow().as_deref() != Some(id) {
            return false;
        }
        let moved =
            !self.alone && matches!(timeout(CATALOG_TIMEOUT, self.catalog.beat(id)).await, Ok(Ok(Write::NoChange)));
        if moved {
            self.lose(id);
        }
        !moved
    }

    /// Makes `id` the installation's coordinator, unless another one is alive. Returns whether it is the coordinator.
    async fn take(&self, coordinator: &dyn Coordinator, record: &Option<Record>, id: &str) -> Result<bool, Refusal> {
        let row = self.catalog.coordination().await?;
        if row.coordinator == id {
            return Ok(true);
        }
        let free = row.coordinator.is_empty() || self.alone;
        let rival = if free { Rival::Silent } else { self.watch(coordinator, record, &row).await? };
        match rival {
            Rival::Changed => Ok(false),
            Rival::Silent => {
                let taken = self.catalog.take_coordination(&row, id, &self.places.coordinator).await? == Write::Applied;
                if taken {
                    tracing::info!(
                        coordinator = id,
                        place = self.places.coordinator,
                        "installation led through this coordinator"
                    );
                }
                Ok(taken)
            }
            Rival::Beats => {
                let (id, there) = (self.id.clone(), row.place);
                Err(Refusal::Elsewhere { places: Box::new(self.places.clone()), id, there })
            }
        }
    }

    /// Watches whether processes of the row's coordinator are running.
    async fn watch(
        &self,
        coordinator: &dyn Coordinator,
        record: &Option<Record>,
        row: &Coordination,
    ) -> Result<Rival, Refusal> {
        let began = Instant::now();
        while began.elapsed() < SILENCE_TIMEOUT {
            sleep(POLL_INTERVAL).await;
            let now = self.catalog.coordination().await?;
            // Read the tree after the row: a beating process has written its tree before, and that may be this one.
            if self.record(coordinator).await? != *record || now.coordinator != row.coordinator {
                return Ok(Rival::Changed);
            }
            if now.beat != row.beat {
                return Ok(Rival::Beats);
            }
        }
        Ok(Rival::Silent)
    }

    async fn record(&self, coordinator: &dyn Coordinator) -> Result<Option<Record>, Refusal> {
        let read = settle::read_back(coordinator, || coordinator.get(paths::INSTALLATION)).await;
        let (data, _) = match read {
            Ok(node) => node,
            Err(Error::NoNode(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice(&data) {
            Ok(record) => Ok(Some(record)),
            // Not a record of the array, so its owner is unknown.
            Err(error) => {
                let (ours, theirs) = (self.id.clone(), format!("(unreadable: {error})"));
                Err(Refusal::Foreign { places: Box::new(self.places.clone()), ours, theirs })
            }
        }
    }

    /// Writes the tree's record if there is none. Read it again afterwards, whatever the outcome.
    async fn write(&self, coordinator: &dyn Coordinator, id: &str) -> Result<(), Refusal> {
        let record = Record { v: RECORD_VERSION, installation: self.id.clone(), coordinator: id.to_owned() };
        let data = to_json(&record);
        match coordinator.create(paths::INSTALLATION, &data, CreateMode::Persistent).await {
            Ok(_) | Err(Error::NodeExists(_) | Error::Unknown(_) | Error::Disconnected) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A connector that admits each session before it returns it.
struct Guarded {
    inner: Arc<dyn Connector>,
    installation: Arc<Installation>,
}

#[async_trait]
impl Connector for Guarded {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>, Error> {
        let coordinator = self.inner.connect().await?;
        match self.installation.admit(&*coordinator).await {
            Ok(id) => {
                tokio::spawn(end_when_lost(
                    self.installation.clone(),
                    Arc::downgrade(&coordinator),
                    coordinator.states(),
                    id,
                ));
                Ok(coordinator)
            }
            Err(refusal) => {
                coordinator.close().await;
                match refusal {
                    Refusal::Coordinator(error) => Err(error),
                    Refusal::Catalog(error) => Err(Error::Unknown(error.into())),
                    Refusal::Foreign { .. } | Refusal::Elsewhere { .. } => {
                        self.installation.refuse(&refusal.to_string());
                        sleep(REFUSED_PAUSE).await;
                        Err(Invalid::Forbidden(refusal.into()).into())
                    }
                }
            }
        }
    }
}

/// Closes a session when its coordinator is no longer the installation's. Holds the session weakly: a killed pod drops its
/// session without closing it, and a strong reference here would keep the session, and all locks of the pod, alive for as long
/// as the process runs.
async fn end_when_lost(
    installation: Arc<Installation>,
    coordinator: Weak<dyn Coordinator>,
    mut states: watch::Receiver<SessionState>,
    id: String,
) {
    let mut held = installation.held.subscribe();
    let lost = async { held.wait_for(|held| held.as_deref() != Some(id.as_str())).await.is_ok() };
    let over = async { states.wait_for(|state| state.is_terminal()).await.is_ok() };
    let lost = tokio::select! {
        lost = lost => lost,
        _ = over => false,
    };
    if lost && let Some(coordinator) = coordinator.upgrade() {
        coordinator.close().await;
    }
}
