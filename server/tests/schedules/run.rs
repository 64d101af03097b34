//! The run of one seed: clients and faults, then calm, then everything drains and is checked.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use testkit::{Dice, elapse};
use tokio::time::Instant;

use crate::checker;
use crate::clients;
use crate::history::History;
use crate::settings::Settings;
use crate::totals::Totals;
use crate::world::World;

/// Virtual time after the faults within which everything must have ended and been swept.
const DRAIN: Duration = Duration::from_secs(900);

/// Real-time limit of a run. Even a second is long, but other tests run concurrently.
const PATIENCE: Duration = Duration::from_secs(240);

/// Outcome of a run.
pub struct Outcome {
    pub settings: Settings,
    pub history: Arc<History>,
    pub wrong: Vec<String>,
}

/// Runs a future on its own runtime in paused time. Paused time never ends a busy loop, so a watchdog ends the process if a run
/// takes longer than [`PATIENCE`].
pub fn in_paused_time<F: Future>(name: &str, future: F) -> F::Output {
    let (over, running) = std::sync::mpsc::channel::<()>();
    let watched = name.to_owned();
    let watchdog = std::thread::spawn(move || {
        if running.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{watched} FAILED: after {PATIENCE:?} of real time it still runs; does something spin?");
            std::process::abort();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let output = runtime.block_on(future);
    runtime.shutdown_background();
    drop(over);
    watchdog.join().unwrap();
    output
}

/// Runs a seed.
pub async fn run(seed: u64, totals: &mut Totals) -> Outcome {
    let mut dice = Dice::new(seed);
    let settings = Settings::of(&mut dice);
    let world = World::new(settings.clone(), dice.fork()).await;
    let weather = tokio::spawn(weather(Arc::clone(&world), dice.fork()));
    let calming = {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            elapse(world.settings.length).await;
            weather.abort();
            world.calm();
        })
    };
    for pod in world.pods() {
        let (world, late) = (Arc::clone(&world), dice.per_mille(200));
        let pause = if late { dice.millis(0, 10_000) } else { dice.millis(0, 50) };
        tokio::spawn(async move {
            elapse(pause).await;
            world.start(&pod);
        });
    }
    let tickets = clients::all(&world, &mut dice).await;
    calming.await.unwrap();
    drain(&world).await;
    let wrong = checker::check(&world, &tickets, totals).await;
    totals.add_history(&world.history);
    world.end();
    Outcome { settings, history: Arc::clone(&world.history), wrong }
}

/// Waits, with a limit, until nothing is left to do or to sweep.
pub async fn drain(world: &World) {
    let begun = Instant::now();
    // A look reads everything, so there are few.
    while begun.elapsed() < DRAIN && !checker::left(world).await.is_empty() {
        elapse(Duration::from_secs(2)).await;
    }
}

/// Injects faults that hit no operation: erroneous evictions, outages, restarts of pods.
async fn weather(world: Arc<World>, mut dice: Dice) {
    loop {
        elapse(dice.millis(100, 2_000)).await;
        if !dice.per_mille(world.settings.storms * 10) {
            continue;
        }
        match dice.below(10) {
            0..=3 => world.evict_leader().await,
            4..=6 => {
                world.history.count("pod restarted");
                let pods = world.pods();
                world.restart(dice.pick::<String>(&pods)).await;
            }
            _ => {
                world.history.count("coordinator down");
                world.history.tell("the weather", || "the coordinator is down".to_owned());
                world.embedded.go_down();
                elapse(dice.millis(50, 5_000)).await;
                world.embedded.come_back();
                world.history.tell("the weather", || "the coordinator is up".to_owned());
            }
        }
    }
}
