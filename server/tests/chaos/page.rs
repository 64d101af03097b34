//! The report page written by `make chaos`: `docs/chaos.md`, generated from the files in the report's folder.
//!
//! `chaos-*.json` are outcomes of runs, `schedules.json` the totals of the seeded schedules, `facts.tsv` the machine and the
//! versions, `steps.tsv` the steps that were run and how they ended.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::report;
use crate::run::{Failover, Outcome};

/// Inputs of a page.
#[derive(Default)]
struct Material {
    facts: Vec<(String, String)>,
    steps: Vec<(String, String)>,
    runs: Vec<Outcome>,
    schedules: Option<Value>,
}

impl Material {
    fn read(folder: &Path) -> Self {
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let mut material = Self::default();
        for file in files {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&file).unwrap();
            match name.as_str() {
                "facts.tsv" => material.facts = pairs(&text),
                "steps.tsv" => material.steps = pairs(&text),
                "schedules.json" => material.schedules = Some(serde_json::from_str(&text).unwrap()),
                name if name.starts_with("chaos-") => {
                    material.runs.extend(serde_json::from_str::<Vec<Outcome>>(&text).unwrap());
                }
                _ => {}
            }
        }
        material
    }
}

/// Parses lines of two columns.
fn pairs(text: &str) -> Vec<(String, String)> {
    let pair = |line: &str| line.split_once('\t').map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.lines().filter_map(pair).collect()
}

fn page(material: &Material) -> String {
    let mut page = String::from(HEAD);
    table(&mut page, ["", ""], material.facts.iter().map(|(name, value)| [name.clone(), value.clone()]));
    page += "\n## Processes\n\n";
    page += PROCESSES;
    table(&mut page, ["", ""], totals(&material.runs));
    page += "\n### Faults\n\n";
    table(&mut page, ["fault", "times"], faults(&material.runs));
    page += "\n### Failover\n\n";
    page += FAILOVER;
    let head = ["end of the master", "session timeout", "times", "minimum", "median", "95 %", "maximum"];
    table(&mut page, head, failovers(&material.runs));
    complaints(&mut page, &material.runs);
    if let Some(schedules) = &material.schedules {
        page += "\n## Schedules\n\n";
        page += SCHEDULES;
        table(&mut page, ["", ""], numbers(schedules));
        page += "\n";
        table(&mut page, ["fault", "times"], numbers(&schedules["faults"]));
    }
    page += "\n## Steps\n\n";
    table(&mut page, ["step", "result"], material.steps.iter().map(|(name, value)| [name.clone(), value.clone()]));
    page += TAIL;
    page
}

const HEAD: &str = "# Results of the chaos tests\n\nWritten by `make chaos`; don't edit.\n\n";

const PROCESSES: &str = "Processes of the real binary on a real three-server ensemble and a real PostgreSQL, with pixels in a \
folder or in S3, each process behind TCP proxies of its own; ten uploads a second throughout. Afterwards each acknowledged \
upload is compared with the oracle's bytes, the ensemble's transaction logs with what a master and the holder of a lock may \
write, and a log of every change of a job's row with the epochs.\n\n";

const FAILOVER: &str = "From the fault until the next master wrote below `/jobs` (creating a job or a task, finishing, deleting), by \
the ensemble's transaction logs. Under load, and with all servers, pods and clients on this one machine.\n\n";

const SCHEDULES: &str = "Whole pods on the embedded coordinator in paused time; at each await point the seed decides whether a fault is \
injected.\n\n";

const TAIL: &str = "\n## Repeating a run\n\n\
- `make chaos` does all of it; `CHAOS_RUNS=10 make chaos` does fewer runs of processes and `CHAOS_SEEDS=50` fewer schedules.\n\
- A run with a violation prints its seed and keeps its logs and its store: `EVENLIGHT_CHAOS_SEED=7 cargo test -p server --test \
chaos seeded -- --nocapture --ignored` repeats the run of seed 7. The seed decides array, uploads and faults, not the machine's timing.\n\
- `EVENLIGHT_SEED=7 cargo test -p server --test schedules` repeats schedule 7 and prints its history.\n";

fn table<const N: usize>(page: &mut String, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut line = |cells: &[String]| writeln!(page, "| {} |", cells.join(" | ")).expect("a string takes all");
    line(&head.map(str::to_owned));
    line(&head.map(|_| "---".to_owned()));
    rows.into_iter().for_each(|row| line(&row));
}

fn totals(runs: &[Outcome]) -> Vec<[String; 2]> {
    let sum = |of: fn(&Outcome) -> usize| runs.iter().map(of).sum::<usize>();
    let faults: usize = runs.iter().flat_map(|run| run.faults.values()).sum();
    let minutes = runs.iter().map(|run| run.seconds).sum::<f64>() / 60.0;
    let largest = runs.iter().map(|run| run.largest_znode).max().unwrap_or(0);
    [
        ("runs", runs.len().to_string()),
        ("minutes", format!("{minutes:.0}")),
        ("faults injected", faults.to_string()),
        ("uploads acknowledged", sum(|run| run.acknowledged).to_string()),
        ("**lost**", sum(|run| run.lost).to_string()),
        ("**duplicated**, tasks committed twice included", sum(|run| run.duplicated).to_string()),
        ("**stale commits**: writes of deposed masters", sum(|run| run.stale).to_string()),
        ("failed jobs and other violations", sum(|run| run.wrong).to_string()),
        ("tasks committed", sum(|run| run.commits).to_string()),
        ("masters' writes to the catalog", sum(|run| run.writes).to_string()),
        ("epochs", sum(|run| run.epochs).to_string()),
        ("leaders evicted by a witness", sum(|run| run.evictions).to_string()),
        ("largest znode, bytes", largest.to_string()),
    ]
    .map(|(name, value)| [name.to_owned(), value])
    .to_vec()
}

fn faults(runs: &[Outcome]) -> Vec<[String; 2]> {
    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, count) in runs.iter().flat_map(|run| &run.faults) {
        *faults.entry(kind).or_default() += count;
    }
    faults.into_iter().map(|(kind, count)| [kind.to_owned(), count.to_string()]).collect()
}

fn failovers(runs: &[Outcome]) -> Vec<[String; 7]> {
    let mut times: BTreeMap<(&str, u64), Vec<u64>> = BTreeMap::new();
    let acted = |failover: &Failover| failover.acted_ms;
    for failover in runs.iter().flat_map(|run| &run.failovers) {
        times.entry((&failover.kind, failover.lease_ms)).or_default().extend(acted(failover));
    }
    let row = |((kind, lease), mut times): ((&str, u64), Vec<u64>)| {
        times.sort_unstable();
        let at = |percent: usize| match times.len() {
            0 => "–".to_owned(),
            // The nearest-rank percentile.
            many => format!("{} ms", times[(many * percent).div_ceil(100).max(1) - 1]),
        };
        let lease = format!("{} s", lease as f64 / 1000.0);
        [kind.to_owned(), lease, times.len().to_string(), at(0), at(50), at(95), at(100)]
    };
    times.into_iter().map(row).collect()
}

fn complaints(page: &mut String, runs: &[Outcome]) {
    let wrong: Vec<&Outcome> = runs.iter().filter(|run| !run.complaints.is_empty()).collect();
    if wrong.is_empty() {
        return;
    }
    *page += "\n### Violations\n\n";
    for run in wrong {
        for complaint in run.complaints.iter().take(20) {
            writeln!(page, "- seed {}: {complaint}", run.seed).expect("a string takes all");
        }
    }
}

/// Returns the numbers of a JSON object.
fn numbers(object: &Value) -> Vec<[String; 2]> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(_, value)| value.is_number())
        .map(|(name, value)| [name.replace('_', " "), value.to_string()])
        .collect()
}

#[test]
#[ignore = "not a test: `make chaos` assembles its page with it"]
fn write_the_page() {
    let page = page(&Material::read(&report::folder().expect("EVENLIGHT_REPORT names the folder")));
    print!("{page}");
    if let Some(file) = std::env::var_os("EVENLIGHT_PAGE") {
        std::fs::write(file, page).unwrap();
    }
}

#[test]
fn a_page_sums_up_runs_and_tells_the_distribution_of_failovers() {
    let failover = |acted_ms| Failover { kind: "kill -9".to_owned(), lease_ms: 2_000, announced_ms: 1, acted_ms };
    let run = |seed, lost, times: &[Option<u64>]| Outcome {
        seed,
        faults: BTreeMap::from([("quorum lost".to_owned(), 2)]),
        acknowledged: 40,
        lost,
        failovers: times.iter().map(|time| failover(*time)).collect(),
        ..Outcome::default()
    };
    let mut material =
        Material { runs: vec![run(1, 0, &[Some(30), Some(10)]), run(2, 0, &[Some(20), None])], ..Material::default() };
    let good = page(&material);
    assert!(good.contains("| uploads acknowledged | 80 |\n| **lost** | 0 |"), "{good}");
    assert!(good.contains("| quorum lost | 4 |"), "{good}");
    assert!(good.contains("| kill -9 | 2 s | 3 | 10 ms | 20 ms | 30 ms | 30 ms |"), "{good}");
    assert!(!good.contains("Violations"), "{good}");

    material.runs.push(Outcome { complaints: vec!["lost: image-7.png".to_owned()], ..run(3, 1, &[]) });
    let bad = page(&material);
    assert!(bad.contains("| **lost** | 1 |") && bad.contains("- seed 3: lost: image-7.png"), "{bad}");
}
