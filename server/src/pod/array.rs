//! The pods of one process: each with its own session, workers and identity; each killable.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use shared::id::PodName;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Pod;

/// Why a fault can't be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArrayError {
    /// The process has no such pod.
    #[error("This process has no pod {0}.")]
    Unknown(PodName),
    /// It was killed before.
    #[error("Pod {0} is dead already.")]
    Dead(PodName),
    /// It lives.
    #[error("Pod {0} is alive already.")]
    Alive(PodName),
}

/// Makes a pod anew, as it was when its process began.
type Make = Box<dyn Fn() -> Arc<Pod> + Send + Sync>;

struct Place {
    make: Make,
    life: Option<JoinHandle<()>>,
}

/// The pods of one process.
pub struct Array {
    places: Mutex<BTreeMap<PodName, Place>>,
    stop: CancellationToken,
}

impl Array {
    /// An array without pods.
    pub fn new(stop: CancellationToken) -> Self {
        Self { places: Mutex::default(), stop }
    }

    /// Adds a pod and starts it.
    pub fn add(&self, name: PodName, make: impl Fn() -> Arc<Pod> + Send + Sync + 'static) {
        let mut place = Place { make: Box::new(make), life: None };
        self.begin(&mut place);
        self.places.lock().unwrap_or_else(PoisonError::into_inner).insert(name, place);
    }

    fn begin(&self, place: &mut Place) {
        place.life = Some(tokio::spawn((place.make)().run(self.stop.clone())));
    }

    /// Ends a pod as a crash would: nothing is handed over, its session ends when the lease runs out.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`], [`ArrayError::Dead`].
    pub fn kill(&self, name: &PodName) -> Result<(), ArrayError> {
        self.with(name, |place| {
            let life = place.life.take().filter(|life| !life.is_finished());
            life.ok_or_else(|| ArrayError::Dead(name.clone()))?.abort();
            tracing::warn!(pod = %name, "killed");
            Ok(())
        })
    }

    /// Starts a pod that was killed.
    ///
    /// # Errors
    /// [`ArrayError::Unknown`], [`ArrayError::Alive`].
    pub fn start(&self, name: &PodName) -> Result<(), ArrayError> {
        self.with(name, |place| {
            if place.life.as_ref().is_some_and(|life| !life.is_finished()) {
                return Err(ArrayError::Alive(name.clone()));
            }
            tracing::info!(pod = %name, "started again");
            self.begin(place);
            Ok(())
        })
    }

    /// Waits for all pods to end, once `stop` was told.
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

    fn with(&self, name: &PodName, act: impl FnOnce(&mut Place) -> Result<(), ArrayError>) -> Result<(), ArrayError> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        act(places.get_mut(name).ok_or_else(|| ArrayError::Unknown(name.clone()))?)
    }
}
