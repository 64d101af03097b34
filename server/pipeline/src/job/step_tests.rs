#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use catalog::JobRow;
use proptest::prelude::*;
use shared::clock::Stamp;
use shared::equalize::Recipe;
use shared::job::{Format, ImageInfo, Phase, Pointer, Progress};
use shared::pixels::{Depth, Layout};
use shared::task::{Done, Lock, MAX_ATTEMPTS, Outcome};

use super::{Step, step, step_within};
use crate::job::companions::Companions;
use crate::job::nodes::{JobNodes, Producer, TaskNodes};
use crate::job::plan::{Planning, plan, task};

fn stamp() -> Stamp {
    Stamp { clock: 1, pod: "pod-1".parse().unwrap() }
}

fn hex(digit: char) -> String {
    digit.to_string().repeat(32)
}

/// Returns a job with `tasks` tasks per phase, as it is right after its activation.
fn fresh(regions: bool, tasks: u32) -> JobNodes {
    let info = ImageInfo {
        format: Format::Png,
        width: 1 << 20,
        height: tasks,
        layout: Layout::Gray,
        depth: Depth::Eight,
        orientation: 1,
        unit_rows: 1,
        regions,
        whole_decode: false,
        more: shared::job::ImageExtras::default(),
    };
    let row = JobRow {
        job: hex('a').parse().unwrap(),
        image: hex('b').parse().unwrap(),
        run: None,
        runs: 1,
        losses: 0,
        recipe: Recipe::default(),
        original: "original".to_owned(),
        original_bytes: 1,
        original_sha256: String::new(),
        info,
    };
    let planning = Planning { whole_below: 0, workers: 1, parts_per_task: Some(1) };
    let job = plan(&row, hex('c').parse().unwrap(), &planning, Companions::default(), 1, stamp(), 0);
    assert_eq!(job.count(Phase::Histograms), tasks);
    JobNodes { job, version: 0, phases: BTreeMap::new() }
}

fn create(nodes: &mut JobNodes, phase: Phase, index: u32) {
    let task = task(&nodes.job, phase, index, stamp());
    let there = nodes.phases.entry(phase).or_default();
    there.insert(index, TaskNodes { task, version: 0, lock: None, done: None });
}

fn get(nodes: &mut JobNodes, phase: Phase, index: u32) -> &mut TaskNodes {
    nodes.phases.get_mut(&phase).unwrap().get_mut(&index).unwrap()
}

fn pointer(key: &str) -> Pointer {
    Pointer { key: key.to_owned(), bytes: 1, sha256: "0".repeat(64), table: None, notes: Vec::new() }
}

fn finish(nodes: &mut JobNodes, phase: Phase, index: u32, outcome: Outcome) {
    let done = Done {
        v: 1,
        pod: stamp().pod,
        attempt: 1,
        outcome,
        started: 0,
        finished: 1,
        worked_ms: Some(1),
        stamp: stamp(),
    };
    get(nodes, phase, index).done = Some(done);
}

fn lock(nodes: &mut JobNodes, phase: Phase, index: u32) {
    let held = Lock { v: 1, pod: stamp().pod, claim: "x".to_owned(), since: 0, stamp: stamp() };
    get(nodes, phase, index).lock = Some(held);
}

/// Performs each step without disturbance; returns the steps taken.
fn run_to_the_end(mut nodes: JobNodes) -> Vec<Step> {
    let mut steps = Vec::new();
    for _ in 0..10_000 {
        let next = step(&nodes);
        steps.push(next.clone());
        match next {
            Step::Create { phase, missing } => missing.into_iter().for_each(|index| create(&mut nodes, phase, index)),
            Step::Reduce { .. } => nodes.job.lut = Some(pointer("lut")),
            Step::Publish { .. } | Step::Fail { .. } => nodes.job.progress = Progress::Finished,
            Step::Wait | Step::Suspect { .. } => {
                let open = nodes.phases.iter().flat_map(|(phase, tasks)| tasks.values().map(|task| (*phase, task)));
                let (phase, index) = open
                    .filter(|(_, task)| task.done.is_none())
                    .map(|(phase, task)| (phase, task.task.index))
                    .next()
                    .unwrap();
                finish(&mut nodes, phase, index, Outcome::Stored(pointer(&format!("{phase}/{index}"))));
            }
            Step::Redo { producers } => panic!("nothing is damaged: {producers:?}"),
            Step::Delete => return steps,
        }
    }
    panic!("the job never ended: {:?}", steps.last());
}

#[test]
fn a_job_whose_original_is_read_by_regions_is_never_split() {
    let phases: Vec<Phase> = run_to_the_end(fresh(true, 3))
        .into_iter()
        .filter_map(|step| if let Step::Create { phase, .. } = step { Some(phase) } else { None })
        .collect();
    assert_eq!(phases, [Phase::Histograms, Phase::Equalize, Phase::Stitch]);
}

#[test]
fn the_reduce_takes_every_histogram_exactly_once_and_in_order() {
    let steps = run_to_the_end(fresh(false, 12));
    let reduces: Vec<_> = steps
        .iter()
        .filter_map(|step| if let Step::Reduce { histograms, .. } = step { Some(histograms) } else { None })
        .collect();
    assert_eq!(reduces.len(), 1);
    let keys: Vec<String> = reduces[0].iter().map(|pointer| pointer.key.clone()).collect();
    assert_eq!(keys, (0..12).map(|index| format!("histograms/{index}")).collect::<Vec<_>>());
}

#[test]
fn a_phase_is_complete_when_its_count_is_done_not_when_its_nodes_are() {
    let mut nodes = fresh(true, 3);
    create(&mut nodes, Phase::Histograms, 0);
    finish(&mut nodes, Phase::Histograms, 0, Outcome::Stored(pointer("x")));
    assert_eq!(step(&nodes), Step::Create { phase: Phase::Histograms, missing: vec![1, 2] });
}

#[test]
fn an_image_that_is_at_fault_fails_the_job_with_its_sentence() {
    let mut nodes = fresh(true, 2);
    create(&mut nodes, Phase::Histograms, 0);
    create(&mut nodes, Phase::Histograms, 1);
    finish(&mut nodes, Phase::Histograms, 1, Outcome::Refused { reason: "The file is truncated.".to_owned() });
    assert_eq!(step(&nodes), Step::Fail { reason: "The file is truncated.".to_owned() });
}

#[test]
fn a_task_with_three_strikes_is_suspect_once_nobody_holds_it_and_its_job_goes_on_meanwhile() {
    let mut nodes = fresh(true, 1);
    create(&mut nodes, Phase::Histograms, 0);
    get(&mut nodes, Phase::Histograms, 0).task.strikes = ["c1", "c2", "c3"].map(str::to_owned).to_vec();
    lock(&mut nodes, Phase::Histograms, 0);
    assert_eq!(step(&nodes), Step::Wait, "the third attempt may still succeed");
    get(&mut nodes, Phase::Histograms, 0).lock = None;
    let Step::Suspect { suspects } = step(&nodes) else { panic!("{:?}", step(&nodes)) };
    assert_eq!((suspects.len(), suspects[0].phase, suspects[0].index), (1, Phase::Histograms, 0));
    assert!(suspects[0].reason.contains("Task 0 of histograms"), "{}", suspects[0].reason);
    get(&mut nodes, Phase::Histograms, 0).task.give_back("c2");
    assert_eq!(step(&nodes), Step::Wait, "a strike was given back");
    get(&mut nodes, Phase::Histograms, 0).task.strikes.push("c4".to_owned());
    finish(&mut nodes, Phase::Histograms, 0, Outcome::Stored(pointer("x")));
    assert!(matches!(step(&nodes), Step::Reduce { .. }), "it is done, whatever its strikes");
}

#[test]
fn trouble_ends_in_a_failed_job_with_the_last_report() {
    let mut nodes = fresh(true, 1);
    create(&mut nodes, Phase::Histograms, 0);
    let task = &mut get(&mut nodes, Phase::Histograms, 0).task;
    (task.attempt, task.trouble) = (MAX_ATTEMPTS, Some("the store is full".to_owned()));
    assert!(matches!(step(&nodes), Step::Fail { reason } if reason.ends_with("the store is full")));
}

#[test]
fn a_finished_job_is_deleted_only_when_no_lock_is_left() {
    let mut nodes = fresh(true, 1);
    create(&mut nodes, Phase::Histograms, 0);
    lock(&mut nodes, Phase::Histograms, 0);
    nodes.job.progress = Progress::Finished;
    assert_eq!(step(&nodes), Step::Wait);
    get(&mut nodes, Phase::Histograms, 0).lock = None;
    assert_eq!(step(&nodes), Step::Delete);
    // The lock was read before the commit that deleted it, the result after.
    lock(&mut nodes, Phase::Histograms, 0);
    finish(&mut nodes, Phase::Histograms, 0, Outcome::Stored(pointer("0")));
    assert_eq!(step(&nodes), Step::Delete);
}

#[test]
fn records_keep_fields_that_they_do_not_know() {
    let mut json = serde_json::to_value(fresh(true, 1).job).unwrap();
    json["later"] = serde_json::json!({"kept": true});
    let job: shared::job::Job = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(serde_json::to_value(job).unwrap(), json);
}

proptest! {
    #[test]
    fn whatever_exists_already_a_step_never_creates_it_again(made in proptest::collection::btree_set(0u32..9, 0..9)) {
        let mut nodes = fresh(true, 9);
        made.iter().for_each(|index| create(&mut nodes, Phase::Histograms, *index));
        match step(&nodes) {
            Step::Create { missing, .. } => {
                prop_assert!(missing.iter().all(|index| !made.contains(index)));
                prop_assert_eq!(missing.len() + made.len(), 9);
            }
            other => prop_assert!(made.len() == 9 && other == Step::Wait),
        }
    }
}

/// Returns a job without a split whose phases before the stitch are done, and whose stitch task is waiting.
fn before_the_stitch() -> JobNodes {
    let mut nodes = fresh(true, 3);
    nodes.job.lut = Some(pointer("lut"));
    for phase in [Phase::Histograms, Phase::Equalize] {
        for index in 0..3 {
            create(&mut nodes, phase, index);
            finish(&mut nodes, phase, index, Outcome::Stored(pointer(&format!("{phase}/{index}"))));
        }
    }
    create(&mut nodes, Phase::Stitch, 0);
    nodes
}

#[test]
fn what_a_worker_found_damaged_is_made_again_by_whom_made_it() {
    let mut nodes = before_the_stitch();
    let stitch = &mut get(&mut nodes, Phase::Stitch, 0).task;
    stitch.damaged = vec!["equalize/2".to_owned(), "lut".to_owned(), "equalize/0".to_owned()];
    let task = |index| Producer::Task { phase: Phase::Equalize, index };
    assert_eq!(step(&nodes), Step::Redo { producers: vec![task(0), task(2), Producer::Reduce] });
    assert!(!nodes.is_mended(&nodes.phases[&Phase::Stitch][&0].task), "nobody should claim it yet");
}

#[test]
fn what_was_made_again_is_not_made_a_third_time() {
    let mut nodes = before_the_stitch();
    get(&mut nodes, Phase::Stitch, 0).task.damaged = vec!["equalize/2".to_owned()];
    get(&mut nodes, Phase::Equalize, 2).done = None;
    assert_eq!(step(&nodes), Step::Wait);
    assert!(!nodes.has_inputs(Phase::Stitch));
    finish(&mut nodes, Phase::Equalize, 2, Outcome::Stored(pointer("equalize/2 again")));
    assert_eq!(step(&nodes), Step::Wait, "the stitch can be claimed now");
    assert!(nodes.has_inputs(Phase::Stitch) && nodes.is_mended(&nodes.phases[&Phase::Stitch][&0].task));
}

#[test]
fn a_store_that_damages_an_output_each_time_fails_the_job() {
    let mut nodes = before_the_stitch();
    get(&mut nodes, Phase::Stitch, 0).task.damaged = vec!["equalize/2".to_owned()];
    get(&mut nodes, Phase::Equalize, 2).task.attempt = MAX_ATTEMPTS;
    let Step::Fail { reason } = step(&nodes) else { panic!("{:?}", step(&nodes)) };
    assert_eq!(reason, "The output of task 2 of equalize was damaged in the store after 12 attempts.");
}

#[test]
fn without_a_table_nothing_is_equalized() {
    let mut nodes = before_the_stitch();
    nodes.job.lut = None;
    assert!(!nodes.has_inputs(Phase::Equalize));
    assert!(matches!(step(&nodes), Step::Reduce { .. }));
}

#[test]
fn a_clock_that_was_stepped_while_a_task_was_done_adds_nothing_to_its_time() {
    const STEP: i64 = 55 * 3_600 * 1_000;
    for (started, finished) in [(0, STEP), (STEP, 0)] {
        let mut nodes = fresh(true, 2);
        for index in 0..2 {
            create(&mut nodes, Phase::Histograms, index);
        }
        finish(&mut nodes, Phase::Histograms, 0, Outcome::Stored(pointer("0")));
        let done = get(&mut nodes, Phase::Histograms, 0).done.as_mut().unwrap();
        (done.started, done.finished, done.worked_ms) = (started, finished, Some(2_000));
        assert_eq!(step_within(Duration::from_secs(2), &nodes), Step::Wait);
        assert!(matches!(step_within(Duration::from_secs(1), &nodes), Step::Fail { .. }));
    }
}

#[test]
fn a_job_whose_tasks_took_too_long_together_fails_unless_its_result_is_there() {
    let within = |limit, nodes: &JobNodes| step_within(Duration::from_millis(limit), nodes);
    let mut nodes = fresh(true, 3);
    for index in 0..3 {
        create(&mut nodes, Phase::Histograms, index);
    }
    for index in 0..2 {
        finish(&mut nodes, Phase::Histograms, index, Outcome::Stored(pointer(&format!("{index}"))));
    }
    // Each task took one millisecond.
    assert_eq!(within(2, &nodes), Step::Wait);
    assert!(matches!(within(1, &nodes), Step::Fail { .. }), "while the third is still done by somebody");
    finish(&mut nodes, Phase::Histograms, 2, Outcome::Stored(pointer("2")));
    assert!(matches!(within(3, &nodes), Step::Reduce { .. }));
    assert!(matches!(within(2, &nodes), Step::Fail { .. }));
    nodes.job.progress = Progress::Finished;
    assert_eq!(within(2, &nodes), Step::Delete, "it fails once");
    nodes.job.progress = Progress::Active;
    nodes.job.lut = Some(pointer("lut"));
    for (phase, tasks) in [(Phase::Equalize, 3), (Phase::Stitch, 1)] {
        for index in 0..tasks {
            create(&mut nodes, phase, index);
            finish(&mut nodes, phase, index, Outcome::Stored(pointer(&format!("{phase}/{index}"))));
        }
    }
    assert!(matches!(within(0, &nodes), Step::Publish { .. }), "nobody works on it any more");
}
