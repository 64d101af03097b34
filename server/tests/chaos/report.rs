//! Reports of runs: one line each on the terminal, and the outcomes as JSON for the page.

use std::path::PathBuf;

use crate::run::{Outcome, Plan};

/// Returns whether the long forms are requested.
pub fn long() -> bool {
    std::env::var_os("EVENLIGHT_LONG").is_some()
}

/// Returns a number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Returns the folder for the outcomes, if one is set.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os("EVENLIGHT_REPORT").map(PathBuf::from)
}

/// Writes the outcomes for the page, if a folder is set.
pub fn write(name: &str, outcomes: &[Outcome]) {
    let Some(folder) = folder() else { return };
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("chaos-{name}.json"));
    std::fs::write(file, serde_json::to_vec_pretty(outcomes).unwrap()).unwrap();
}

/// Prints one line for a run, followed by its violations.
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
