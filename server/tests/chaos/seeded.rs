//! Runs from seeds.

use crate::run::{Outcome, Plan, run};

/// Runs in `make test`, beside the named ones.
const SHORT: u64 = 3;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// One line for each run; what was not as promised, below it.
fn tell(plan: &Plan, outcome: &Outcome) {
    let faults: Vec<String> = outcome.faults.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    println!(
        "run {}: {} pods, {:?}; {} acknowledged, {} commits, {} epochs; {:.0} s; {}",
        plan.seed,
        plan.blueprint.pods,
        plan.blueprint.pixels,
        outcome.acknowledged,
        outcome.commits,
        outcome.epochs,
        outcome.seconds,
        faults.join(", ")
    );
    for failover in &outcome.failovers {
        println!(
            "    failover after {}: epoch after {} ms, first write after {:?} ms",
            failover.kind, failover.announced_ms, failover.acted_ms
        );
    }
    outcome.complaints.iter().take(40).for_each(|complaint| println!("    {complaint}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_in_chaos() {
    let seeds = match number("EVENLIGHT_CHAOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("EVENLIGHT_CHAOS_RUNS").unwrap_or(SHORT),
    };
    let mut failed = Vec::new();
    for seed in seeds {
        let plan = Plan::draw(seed);
        let outcome = run(&plan).await;
        tell(&plan, &outcome);
        if !outcome.complaints.is_empty() {
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "seeds {failed:?} failed; EVENLIGHT_CHAOS_SEED=n runs one again");
}
