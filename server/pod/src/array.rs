//! The pods of one process, each with its own session, workers and identity, and fault injection for each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base::fault::FaultError;
use coord::FaultLink;
use shared::cluster::Fault;
use shared::id::PodName;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::context::Pod;

/// Creates a pod as it was when its process started.
type Make = Box<dyn Fn() -> Arc<Pod> + Send + Sync>;

struct Place {
    make: Make,
    life: Option<JoinHandle<()>>,
    frozen: watch::Sender<bool>,
    link: Option<Arc<dyn FaultLink>>,
}

/// The pods of one process.
pub struct Array {
    places: Mutex<BTreeMap<PodName, Place>>,
    faults: watch::Sender<BTreeMap<PodName, Fault>>,
    stop: CancellationToken,
}

impl Array {
    /// Creates an array without pods.
    pub fn new(stop: CancellationToken) -> Self {
        Self { places: Mutex::default(), faults: watch::Sender::default(), stop }
    }

    /// Returns a receiver of the active faults.
    pub fn faults(&self) -> watch::Receiver<BTreeMap<PodName, Fault>> {
        self.faults.subscribe()
    }

    /// Adds a pod and starts it. With a link on its sessions, the pod can be frozen and cut off.
    pub fn add(
        &self,
        name: PodName,
        link: Option<Arc<dyn FaultLink>>,
        make: impl Fn() -> Arc<Pod> + Send + Sync + 'static,
    ) {
        let mut place = Place { make: Box::new(make), life: None, frozen: watch::Sender::new(false), link };
        self.begin(&mut place);
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(name, place);
    }

    fn begin(&self, place: &mut Place) {
        let life = (place.make)().run(self.stop.clone());
        place.life = Some(tokio::spawn(unless_frozen(life, place.frozen.subscribe(), self.stop.clone())));
    }

    /// Injects a fault into a pod. In every case nothing is handed over, and the pod's session ends when it times out.
    ///
    /// # Errors
    /// [`FaultError::Unknown`], [`FaultError::Dead`], [`FaultError::Faulty`], [`FaultError::NotHere`].
    pub fn play(&self, name: &PodName, fault: Fault) -> Result<(), FaultError> {
        self.with(name, |place| {
            match self.faults.borrow().get(name) {
                Some(Fault::Killed) => return Err(FaultError::Dead(name.clone())),
                Some(_) => return Err(FaultError::Faulty(name.clone())),
                None => {}
            }
            match fault {
                Fault::Killed => {
                    let life = place.life.take().filter(|life| !life.is_finished());
                    life.ok_or_else(|| FaultError::Dead(name.clone()))?.abort();
                }
                Fault::Frozen | Fault::Disconnected => {
                    let link = place.link.as_ref().ok_or_else(|| FaultError::NotHere(name.clone()))?;
                    // Freeze first: the pod must not notice that it is cut off.
                    place.frozen.send_replace(fault == Fault::Frozen);
                    link.cut();
                }
            }
            self.faults.send_modify(|faults| {
                faults.insert(name.clone(), fault);
            });
            tracing::warn!(pod = %name, "{}", match fault {
                Fault::Killed => "killed",
                Fault::Frozen => "frozen",
                Fault::Disconnected => "disconnected",
            });
            Ok(())
        })
    }

    /// Undoes the active fault of a pod.
    ///
    /// # Errors
    /// [`FaultError::Unknown`], [`FaultError::Alive`].
    pub fn start(&self, name: &PodName) -> Result<(), FaultError> {
        self.with(name, |place| {
            let mut fault = None;
            self.faults.send_modify(|faults| fault = faults.remove(name));
            if let Some(link) = place.link.as_ref().filter(|_| fault.is_some_and(|fault| fault != Fault::Killed)) {
                // Resume the session before the pod, as after a pause of the whole process.
                link.mend();
                place.frozen.send_replace(false);
                tracing::info!(pod = %name, "resumed");
                return Ok(());
            }
            if place.life.as_ref().is_some_and(|life| !life.is_finished()) {
                return Err(FaultError::Alive(name.clone()));
            }
            tracing::info!(pod = %name, "started again");
            self.begin(place);
            Ok(())
        })
    }

    /// Waits until all pods have ended, after `stop`.
    pub async fn ended(&self) {
        let lives: Vec<_> = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            places.values_mut().filter_map(|place| place.life.take()).collect()
        };
        for life in lives {
            // A pod that was killed or panicked has ended as well.
            let _ = life.await;
        }
    }

    fn with(&self, name: &PodName, act: impl FnOnce(&mut Place) -> Result<(), FaultError>) -> Result<(), FaultError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        act(places.get_mut(name).ok_or_else(|| FaultError::Unknown(name.clone()))?)
    }
}

/// Polls a pod's future while it isn't frozen. What it has handed to other tasks and threads continues, but can't be committed:
/// the session is silent meanwhile.
///
/// A frozen pod isn't polled, so everything that its future holds stays held while it is frozen. Hence a pod's own future must
/// not hold, or queue for, anything that the process shares across an `await`:
/// - a catalog connection: each statement runs in its own task (`catalog/database.rs`);
/// - a thread of the store's folder: each operation waits for it and runs in its own task (`store/patience.rs`);
/// - a pixel thread's slot: taken without a queue, and given to the attempt's task before anything is awaited (`slots.rs`);
/// - memory and threads of the pixel budget (`pipeline/compute/pixels.rs`): requested by attempts and drivers, which are tasks, and
///   returned by the thread;
/// - the embedded coordinator's tree: protected by `std` locks only, which no `await` may hold; hints to a pod that doesn't
///   read them are dropped (`coord/hub.rs`).
///
/// A pod that is still frozen when the process stops is dropped as if killed: the stop must not wait for it.
async fn unless_frozen(life: impl Future<Output = ()>, mut frozen: watch::Receiver<bool>, stop: CancellationToken) {
    tokio::pin!(life);
    let mut freezing = frozen.clone();
    loop {
        tokio::select! {
            biased;
            Ok(_) = freezing.wait_for(|frozen| *frozen) => {}
            () = &mut life => return,
        }
        tokio::select! {
            thawed = frozen.wait_for(|frozen| !*frozen) => if thawed.is_err() { return },
            () = stop.cancelled() => return,
        }
    }
}
