//! Runs from seeds.

use crate::report;
use crate::run::{Plan, run};

/// Number of seeded runs in `make test`, in addition to the named ones.
const SHORT: u64 = 2;

/// Returns the seeds of `EVENLIGHT_CHAOS_SEED=7` or `=20..40`, or else the first `EVENLIGHT_CHAOS_RUNS`.
fn seeds() -> std::ops::Range<u64> {
    let seed = |text: &str| text.parse::<u64>().unwrap_or_else(|_| panic!("{text:?} is no seed"));
    match std::env::var("EVENLIGHT_CHAOS_SEED").ok() {
        Some(asked) => match asked.split_once("..") {
            Some((first, end)) => seed(first)..seed(end),
            None => seed(&asked)..seed(&asked) + 1,
        },
        None => 1..1 + report::number("EVENLIGHT_CHAOS_RUNS").unwrap_or(SHORT),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn nothing_acknowledged_is_lost_in_chaos() {
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for seed in seeds() {
        let plan = Plan::draw(seed);
        let outcome = run(&plan).await;
        report::tell(&format!("run {seed}"), &plan, &outcome);
        if !outcome.complaints.is_empty() {
            failed.push(seed);
        }
        outcomes.push(outcome);
        // After each run, so that an interrupted series still has a report.
        report::write("seeded", &outcomes);
    }
    assert!(failed.is_empty(), "seeds {failed:?} failed; EVENLIGHT_CHAOS_SEED=n runs one again");
}
