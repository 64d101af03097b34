//! What runs say: a line each on the terminal, and their outcomes as JSON for the page.

use std::path::PathBuf;

use crate::run::{Outcome, Plan};

/// Whether the long forms are asked for.
pub fn long() -> bool {
    std::env::var_os("EVENLIGHT_LONG").is_some()
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Where outcomes are to be written, if anywhere.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("EVENLIGHT_REPORT").map(PathBuf::from)
}

/// Writes outcomes for the page, if it is asked for.
pub fn write(name: &str, outcomes: &[Outcome]) {
    let Some(folder) = folder() else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("chaos-{name}.json"));
    std::fs::write(file, serde_json::to_vec_pretty(outcomes).unwrap()).unwrap();
}

/// One line for a run; what was not as promised, below it.
pub fn tell(name: &str, plan: &Plan, outcome: &Outcome) {
    let faults: Vec<String> = outcome.faults.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    println!(
        "{name}: {} pods, {:?}; {} acknowledged, {} commits, {} epochs; {:.0} s; {}",
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
