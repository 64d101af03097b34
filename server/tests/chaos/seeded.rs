//! Runs from seeds.

use crate::report;
use crate::run::{Plan, run};

/// Runs in `make test`, beside the named ones.
const SHORT: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_in_chaos() {
    let seeds = match report::number("EVENLIGHT_CHAOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + report::number("EVENLIGHT_CHAOS_RUNS").unwrap_or(SHORT),
    };
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for seed in seeds {
        let plan = Plan::draw(seed);
        let outcome = run(&plan).await;
        report::tell(&format!("run {seed}"), &plan, &outcome);
        if !outcome.complaints.is_empty() {
            failed.push(seed);
        }
        outcomes.push(outcome);
        // After each, so that a run that is stopped halfway has a report.
        report::write("seeded", &outcomes);
    }
    assert!(failed.is_empty(), "seeds {failed:?} failed; EVENLIGHT_CHAOS_SEED=n runs one again");
}
