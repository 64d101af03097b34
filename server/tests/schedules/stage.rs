//! A fixture for named schedules: an array without any fault except the test's traps.

use std::sync::Arc;
use std::time::Duration;

use server::coord::embedded::journal::Became;
use server::coord::paths;
use shared::gallery::Accepted;
use shared::task::Done;
use testkit::{Dice, elapse, eventually, ok_if};

use crate::checker;
use crate::clients::{Ticket, send};
use crate::history::Fact;
use crate::life::Life;
use crate::originals;
use crate::run::drain;
use crate::settings::Settings;
use crate::totals::Totals;
use crate::world::World;

/// An array of running pods, and the uploads to it.
pub struct Stage {
    pub world: Arc<World>,
    pub tickets: Vec<Ticket>,
}

impl Stage {
    pub async fn with(settings: Settings) -> Self {
        let world = World::new(settings, Dice::new(1)).await;
        world.start_all();
        let stage = Self { world, tickets: Vec::new() };
        stage
            .until("somebody leads", || {
                stage.world.history.facts().iter().any(|fact| matches!(fact, Fact::Epoch { .. }))
            })
            .await;
        stage
    }

    pub async fn of(pods: usize) -> Self {
        Self::with(Settings::calm(pods)).await
    }

    /// Waits in virtual time.
    pub async fn until(&self, what: &str, holds: impl Fn() -> bool) {
        eventually(what, Duration::from_secs(300), async || ok_if(holds(), self.world.history.facts())).await;
    }

    /// Uploads one of the originals with a key until it is acknowledged, starting with this life.
    pub async fn upload(&mut self, original: usize, life: &Arc<Life>) -> Accepted {
        let original = Arc::clone(&originals::all()[original]);
        let name = format!("{}-{}", self.tickets.len(), original.name);
        let key = format!("key-{}", self.tickets.len());
        let (mut life, mut attempts) = (Some(Arc::clone(life)), 0);
        let accepted = loop {
            if let Some(life) = life.take().or_else(|| self.lives().into_iter().next()) {
                attempts += 1;
                let door = self.world.door(&life);
                tokio::select! {
                    sent = send(&door, &name, &original, Some(key.clone())) => if let Ok(accepted) = sent { break accepted },
                    () = life.death() => {}
                }
            }
            elapse(Duration::from_millis(100)).await;
        };
        self.tickets.push(Ticket {
            name,
            original,
            acknowledged: vec![accepted.clone()],
            deletion_asked: false,
            deletion_confirmed: false,
            attempts,
            keyed: true,
            complaints: Vec::new(),
        });
        accepted
    }

    pub fn lives(&self) -> Vec<Arc<Life>> {
        self.world.pods().iter().filter_map(|pod| self.world.life(pod)).collect()
    }

    pub fn master(&self) -> Arc<Life> {
        self.world.leading().expect("somebody leads")
    }

    /// Returns the history, for the message of a failed test.
    pub fn told(&self) -> String {
        self.world.history.lines().iter().map(|line| format!("{:?} {} {}\n", line.at, line.who, line.what)).collect()
    }

    /// Drains the array, and asserts that every trap has sprung, every upload is done, and the checker finds no violation.
    pub async fn ends_well(&self) -> Totals {
        drain(&self.world).await;
        let mut totals = Totals::default();
        let wrong = checker::check(&self.world, &self.tickets, &mut totals).await;
        totals.add_history(&self.world.history);
        self.world.end();
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", self.told());
        assert_eq!(self.world.faults.traps_left(), 0, "the fault was never played");
        assert_eq!((totals.done, totals.lost, totals.duplicated), (self.tickets.len() as u64, 0, 0), "{}", self.told());
        totals
    }
}

/// Returns the committed results of tasks whose path ends with `task`.
pub fn commits(world: &World, task: &str) -> Vec<Done> {
    let journal = world.embedded.journal();
    let changes = journal.iter().flat_map(|transaction| &transaction.changes);
    let done = changes.filter_map(|change| match &change.became {
        Became::Created { data, .. } if change.path.ends_with(&paths::done(task)) => Some(data),
        _ => None,
    });
    done.map(|data| serde_json::from_slice(data).unwrap()).collect()
}
