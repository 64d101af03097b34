//! A run: clients upload throughout, faults are injected and end, and then the checker checks everything.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use testkit::{Dice, elapse};
use tokio_util::sync::CancellationToken;

use crate::array::{Blueprint, Pixels, ProxiedArray};
use crate::checker::{Verdict, check};
use crate::clients::Clients;
use crate::faults::Fault;
use crate::injection::{Injected, inject};
use crate::znodes::{Orphaned, Reign};

/// Minimum duration of the uploads, however short the faults are.
const LENGTH: Duration = Duration::from_secs(4);

/// The plan of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Seed of all random decisions.
    pub seed: u64,
    /// The array.
    pub blueprint: Blueprint,
    /// The faults, in order.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// Draws a plan from a seed: one to three faults.
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let pods = *dice.pick(&[3, 3, 3, 4, 5]);
        let pixels = *dice.pick(&[Pixels::Folder, Pixels::Folder, Pixels::S3]);
        let faults = (0..=dice.index(3)).map(|_| Fault::draw(&mut dice, pixels)).collect();
        Self { seed, blueprint: Blueprint { pods, pixels, ..Blueprint::default() }, faults }
    }
}

/// A master that ended, and how quickly the next one took over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failover {
    /// `kill -9`, `SIGTERM`, `SIGSTOP` or `partition`.
    pub kind: String,
    /// Session timeout in ms.
    pub lease_ms: u64,
    /// Time in ms from the fault until the next master's election node carried its epoch.
    pub announced_ms: u64,
    /// Time in ms from the fault until the next master wrote below `/jobs`, if it did.
    pub acted_ms: Option<u64>,
}

/// The outcome of a run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Number of injected faults by kind.
    pub faults: BTreeMap<String, usize>,
    /// Uploads answered with 202.
    pub acknowledged: usize,
    /// Acknowledged uploads with neither a result nor a reason, or with a result other than the oracle's.
    pub lost: usize,
    /// Acknowledged uploads that exist twice.
    pub duplicated: usize,
    /// Writes of masters that no longer led.
    pub stale: usize,
    /// Other violations: failed jobs, refused images, leftover or oversized znodes.
    pub wrong: usize,
    /// All violations, as sentences.
    pub complaints: Vec<String>,
    /// Failovers.
    pub failovers: Vec<Failover>,
    /// Number of committed tasks.
    pub commits: usize,
    /// Number of master's writes to the catalog.
    pub writes: usize,
    /// Number of epochs.
    pub epochs: usize,
    /// Number of evicted leaders.
    pub evictions: usize,
    /// Size of the largest znode, in bytes.
    pub largest_znode: usize,
    /// Duration in seconds.
    pub seconds: f64,
}

/// Runs a plan. The outcome of a run with violations names the folder with its logs.
pub async fn run(plan: &Plan) -> Outcome {
    let mut dice = Dice::new(plan.seed ^ 0x5eed);
    let array = ProxiedArray::start(&plan.blueprint).await;
    let begun = Instant::now();
    let clients = Clients::new(array.pods.iter().map(|pod| pod.address.clone()).collect());
    let (mut sending, stop) = (clients.sending(), CancellationToken::new());
    let uploads = tokio::spawn(clients.run(dice.fork(), stop.clone()));
    elapse(dice.millis(500, 1_000)).await;
    let mut injected = Vec::new();
    for fault in &plan.faults {
        injected.extend(inject(*fault, &array, &mut dice, &mut sending).await);
        elapse(dice.millis(300, 1_200)).await;
    }
    elapse(LENGTH.saturating_sub(begun.elapsed())).await;
    array.calm().await;
    stop.cancel();
    let uploads = uploads.await.unwrap();
    let mut verdict = check(&array, &uploads).await;
    // A job may fail only because three kills struck one of its tasks out.
    let killed = |lock: &Orphaned| injected.iter().any(|fault| fault.killed(&lock.pod, &lock.held));
    let Verdict { failed, znodes, .. } = &mut verdict;
    failed.retain(|(job, _)| !znodes.is_struck_out(job, killed));
    let mut outcome = outcome(plan, &injected, &verdict);
    if !outcome.complaints.is_empty() {
        outcome.complaints.push(format!("logs are kept in {}", array.keep().display()));
    }
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome
}

fn outcome(plan: &Plan, injected: &[Injected], verdict: &Verdict) -> Outcome {
    let mut faults = BTreeMap::new();
    for fault in injected {
        *faults.entry(fault.name.clone()).or_default() += 1;
    }
    let lease = plan.blueprint.lease;
    Outcome {
        seed: plan.seed,
        faults,
        acknowledged: verdict.acknowledged,
        lost: verdict.lost.len(),
        duplicated: verdict.duplicated.len(),
        stale: verdict.stale.len(),
        wrong: verdict.wrong.len() + verdict.failed.len(),
        complaints: verdict.complaints(),
        failovers: injected.iter().filter_map(|fault| failover(fault, &verdict.znodes.reigns, lease)).collect(),
        commits: verdict.znodes.commits,
        writes: verdict.rows.writes,
        epochs: verdict.rows.epochs,
        evictions: verdict.znodes.evictions,
        largest_znode: verdict.znodes.largest,
        seconds: 0.0,
    }
}

/// Returns the failover that a fault caused, if the pod led when it was hit and another term began afterwards.
fn failover(fault: &Injected, reigns: &[Reign], lease: Duration) -> Option<Failover> {
    let kind = fault.deposes?;
    let at = reigns.iter().rposition(|reign| reign.announced <= fault.at)?;
    if Some(&reigns[at].pod) != fault.pod.as_ref() {
        return None;
    }
    let next = reigns.get(at + 1)?;
    let since = |time: i64| u64::try_from(time - fault.at).unwrap_or(0);
    Some(Failover {
        kind: kind.to_owned(),
        lease_ms: lease.as_millis() as u64,
        announced_ms: since(next.announced),
        acted_ms: next.acted.map(since),
    })
}
