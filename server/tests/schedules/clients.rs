//! Clients that upload, retry interrupted uploads, delete images and retry jobs, all through pods that may die meanwhile.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use server::catalog::{Catalog, Write};
use server::pipeline::intake::Error;
use server::pipeline::intake::accept::{Accept, Offer};
use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::job::JobState;
use testkit::{Dice, elapse};
use tokio::time::{Instant, timeout};

use crate::life::Life;
use crate::originals::{self, Original};
use crate::world::World;

/// What a client knows of its image at the end of a run.
#[derive(Clone)]
pub struct Ticket {
    pub name: String,
    pub original: Arc<Original>,
    /// All acknowledgements of the image.
    pub acknowledged: Vec<Accepted>,
    /// Whether the client requested its deletion; the outcome may be unknown.
    pub deletion_asked: bool,
    pub deletion_confirmed: bool,
    /// Number of times that its bytes were sent.
    pub attempts: u32,
    pub keyed: bool,
    /// Refusals that no fault explains.
    pub complaints: Vec<String>,
}

/// The plan of one client.
struct Client {
    world: Arc<World>,
    dice: Dice,
    ticket: Ticket,
    key: Option<String>,
}

/// Runs all clients, each with one upload, started one after the other during the run.
pub async fn all(world: &Arc<World>, dice: &mut Dice) -> Vec<Ticket> {
    let span = world.settings.length.as_millis() as u64;
    let clients: Vec<_> = (0..world.settings.uploads)
        .map(|number| {
            let mut dice = dice.fork();
            let begin = if dice.per_mille(300) { Duration::ZERO } else { dice.millis(0, span) };
            let client = Client::new(world, dice, number);
            tokio::spawn(async move {
                elapse(begin).await;
                client.live().await
            })
        })
        .collect();
    let mut tickets = Vec::new();
    for client in clients {
        tickets.push(client.await.unwrap());
    }
    tickets
}

/// Uploads an image once, through a pod's current life.
pub async fn send(door: &Accept, name: &str, original: &Original, key: Option<String>) -> Result<Accepted, Error> {
    let offer = Offer { name: name.to_owned(), recipe: Recipe::default(), idempotency_key: key };
    let mut upload = door.begin(offer).await?;
    let bytes = Bytes::copy_from_slice(&original.bytes);
    let half = bytes.len() / 2;
    upload.append(0, bytes.slice(..half)).await?;
    upload.append(half as u64, bytes.slice(half..)).await?;
    upload.finish().await
}

impl Client {
    fn new(world: &Arc<World>, mut dice: Dice, number: usize) -> Self {
        // Small ones twice as often as those with several parts.
        let original = Arc::clone(&originals::all()[[0, 1, 2, 3, 1, 2, 3, 4][dice.below(8) as usize]]);
        let key = dice.per_mille(650).then(|| format!("key-{number}"));
        let ticket = Ticket {
            name: format!("{number}-{}", original.name),
            original,
            acknowledged: Vec::new(),
            deletion_asked: false,
            deletion_confirmed: false,
            attempts: 0,
            keyed: key.is_some(),
            complaints: Vec::new(),
        };
        Self { world: Arc::clone(world), dice, ticket, key }
    }

    async fn live(mut self) -> Ticket {
        if self.dice.per_mille(80) {
            self.abandon().await;
            return self.ticket;
        }
        self.upload().await;
        if self.dice.per_mille(250) && self.key.is_some() && !self.ticket.acknowledged.is_empty() {
            // The client's own connection broke, so it retries.
            self.attempt().await;
        }
        if let Some(accepted) = self.ticket.acknowledged.first().cloned() {
            if self.dice.per_mille(150) {
                elapse(self.dice.millis(0, 5_000)).await;
                self.delete(&accepted).await;
            } else {
                self.follow(&accepted).await;
            }
        }
        self.ticket
    }

    /// Sends the bytes until they are acknowledged; without a key only a few times, because each attempt may create an image.
    async fn upload(&mut self) {
        let patience = if self.key.is_some() { 40 } else { 2 };
        for _ in 0..patience {
            if self.attempt().await {
                return;
            }
            elapse(self.dice.millis(100, 4_000)).await;
        }
    }

    async fn attempt(&mut self) -> bool {
        let life = self.pod().await;
        let door = self.world.door(&life);
        self.ticket.attempts += 1;
        let sent =
            timeout(Duration::from_secs(30), send(&door, &self.ticket.name, &self.ticket.original, self.key.clone()));
        let outcome = tokio::select! {
            sent = sent => sent.ok(),
            () = life.death() => None,
        };
        if let Some(Err(error)) = &outcome
            && !is_explained(error)
        {
            self.ticket.complaints.push(format!("{} was refused: {error}", self.ticket.name));
        }
        let (name, world) = (&self.ticket.name, &self.world);
        world.history.tell("a client", || match &outcome {
            Some(Ok(accepted)) => format!("{name} is acknowledged by {}: job {}", life.pod, accepted.job_id),
            Some(Err(error)) => format!("{name} through {}: {error}", life.pod),
            None => format!("{name} through {}: no answer", life.pod),
        });
        let Some(Ok(accepted)) = outcome else { return false };
        self.ticket.acknowledged.push(accepted);
        true
    }

    /// Waits for a living pod and returns it.
    async fn pod(&mut self) -> Arc<Life> {
        loop {
            let pods = self.world.pods();
            if let Some(life) = self.world.life(self.dice.pick::<String>(&pods)) {
                return life;
            }
            // A client tries the pods one after the other.
            elapse(Duration::from_millis(100)).await;
        }
    }

    /// Starts an upload and abandons it.
    async fn abandon(&mut self) {
        let life = self.pod().await;
        let door = self.world.door(&life);
        let offer =
            Offer { name: self.ticket.name.clone(), recipe: Recipe::default(), idempotency_key: self.key.clone() };
        let (name, world) = (&self.ticket.name, &self.world);
        world.history.tell("a client", || format!("{name} is begun and abandoned"));
        let begun = async {
            if let Ok(mut upload) = door.begin(offer).await {
                // It doesn't matter whether the bytes arrive: the upload is never completed.
                let _ = upload.append(0, Bytes::copy_from_slice(&self.ticket.original.bytes[..100])).await;
            }
        };
        tokio::select! {
            () = begun => {}
            () = life.death() => {}
        }
    }

    /// Requests the deletion until a pod confirms that it is marked or was marked before.
    async fn delete(&mut self, accepted: &Accepted) {
        self.ticket.deletion_asked = true;
        let image = accepted.image_id.clone();
        self.ticket.deletion_confirmed = self
            .ask(|desk| {
                let image = image.clone();
                async move { desk.delete_image(&image).await.is_ok() }
            })
            .await;
    }

    /// Waits until the job has ended; occasionally retries a failed one.
    async fn follow(&mut self, accepted: &Accepted) {
        let mut retries = self.dice.below(3);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(600) {
            elapse(Duration::from_millis(500)).await;
            let job = self.world.shelf.catalog().job(&accepted.job_id).await.unwrap();
            match job.map(|job| job.state) {
                Some(JobState::Failed) if retries > 0 => {
                    retries -= 1;
                    let job = accepted.job_id.clone();
                    self.ask(|desk| {
                        let job = job.clone();
                        async move { matches!(desk.retry(&job).await, Ok(Write::Applied | Write::NoChange)) }
                    })
                    .await;
                }
                Some(JobState::Done | JobState::Failed) | None => return,
                Some(JobState::Queued | JobState::Running) => {}
            }
        }
    }

    /// Asks one pod after the other until one returns a definite answer.
    async fn ask<F: Future<Output = bool>>(&mut self, mut ask: impl FnMut(Arc<dyn Catalog>) -> F) -> bool {
        for _ in 0..40 {
            let life = self.pod().await;
            let desk = self.world.desk(&life);
            let answered = tokio::select! {
                answered = timeout(Duration::from_secs(30), ask(desk)) => answered.unwrap_or(false),
                () = life.death() => false,
            };
            if answered {
                return true;
            }
            elapse(Duration::from_millis(500)).await;
        }
        false
    }
}

/// Returns whether faults explain a refused upload.
fn is_explained(error: &Error) -> bool {
    matches!(error, Error::Store(_) | Error::Catalog(_) | Error::TakenOver | Error::Abandoned)
}
