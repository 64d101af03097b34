//! Simulation of whole pods under seeded faults, in paused time: nothing acknowledged may be lost, whatever happens at any
//! await point.
//!
//! Every pod has its own view of the embedded coordinator, of one SQLite catalog and of one in-memory store. Each operation of
//! each pod is an await point at which the seed may inject a [fault](faults::Play); meanwhile clients upload, repeat, delete
//! and retry. Then the faults end, everything must drain within a bounded time, and the [checker] verifies what happened.
//!
//! In addition there are [named] schedules, each with one fault at exactly the decisive operation.
//!
//! - `EVENLIGHT_SEEDS=n` runs n seeds, `EVENLIGHT_FIRST_SEED=n` starts with that one.
//! - `EVENLIGHT_SEED=n cargo test -p server --test schedules` runs a single seed and shows its history.
//! - `EVENLIGHT_REPORT=folder` writes the totals to `schedules.json` there.
//!
//! A seed determines the settings, the clients and the faults. It doesn't determine: the UUIDs of candidacies, claims and
//! sessions, tokio's choice among ready branches, and the order in which pixel threads and SQLite's finish when several work at
//! once. So a seed may need a few runs to fail again.
#![allow(clippy::unwrap_used)]

mod catalog;
mod checker;
mod clients;
mod clock;
mod coordinator;
mod faults;
mod history;
mod ledger;
mod life;
mod named;
mod originals;
mod run;
mod settings;
mod stage;
mod store;
mod totals;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use run::{Outcome, in_paused_time, run};
use totals::Totals;

/// Number of seeds in `make test`.
const SEEDS: u64 = 200;
/// Number of lines shown of a failing seed's history.
const TAIL: usize = 120;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn no_schedule_of_faults_loses_or_doubles_what_was_acknowledged() {
    if let Some(seed) = number("EVENLIGHT_SEED") {
        let mut totals = Totals::default();
        let outcome = in_paused_time(&format!("seed {seed}"), run(seed, &mut totals));
        show(seed, &outcome, usize::MAX);
        println!("{}", totals.line());
        assert!(outcome.wrong.is_empty(), "seed {seed} failed");
        return;
    }
    let first = number("EVENLIGHT_FIRST_SEED").unwrap_or(1);
    let end = first + number("EVENLIGHT_SEEDS").unwrap_or(SEEDS);
    let (next, sum, failed) = (AtomicU64::new(first), Mutex::new(Totals::default()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let mut totals = Totals::default();
                    let ran = catch_unwind(AssertUnwindSafe(|| {
                        in_paused_time(&format!("seed {seed}"), run(seed, &mut totals))
                    }));
                    let Ok(outcome) = ran else {
                        println!("seed {seed} WRONG: it panicked");
                        failed.lock().unwrap().push(seed);
                        continue;
                    };
                    sum.lock().unwrap().add(&totals);
                    if !outcome.wrong.is_empty() {
                        show(seed, &outcome, TAIL);
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let (sum, failed) = (sum.into_inner().unwrap(), failed.into_inner().unwrap());
    println!("{}", sum.line());
    sum.report();
    assert!(failed.is_empty(), "these seeds failed, each alone with EVENLIGHT_SEED=n: {failed:?}");
}

/// Prints a run: its settings, the end of its history, and what is wrong with it.
fn show(seed: u64, outcome: &Outcome, tail: usize) {
    let lines = outcome.history.lines();
    let mut text = format!("seed {seed}: {:?}\n", outcome.settings);
    for line in &lines[lines.len().saturating_sub(tail)..] {
        text += &format!("{:>10.3} {:<12} {}\n", line.at.as_secs_f64(), line.who, line.what);
    }
    for wrong in &outcome.wrong {
        text += &format!("seed {seed} WRONG: {wrong}\n");
    }
    println!("{text}");
}
