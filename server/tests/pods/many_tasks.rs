//! The maximum number of tasks, on real ZooKeeper: 10 jobs of 1,000 tasks; with `EVENLIGHT_LONG=1`, 100 jobs.

use std::time::{Duration, Instant};

use server::catalog::JobRow;
use server::coord::claim::{Held, claim, commit};
use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, CreateMode, Op, SessionState, ensure_skeleton, paths};
use server::pipeline::job::companions::Companions;
use server::pipeline::job::plan::{Planning, plan, task};
use server::pod::mirror::Mirror;
use shared::clock::{Clock, Stamp};
use shared::equalize::Recipe;
use shared::job::{Format, ImageInfo, Job, Phase, Pointer};
use shared::pixels::{Depth, Layout};
use shared::task::{Done, Lock, Outcome};
use testkit::Ensemble;

/// A session timeout that a mirror which starves the heartbeats would exceed.
const LEASE: Duration = Duration::from_secs(3);
const TASKS: u32 = 1_000;

fn stamp() -> Stamp {
    Stamp { clock: 1, pod: "pod-1".parse().unwrap() }
}

/// Creates a job whose image has as many rows as the job has tasks.
fn job(number: u32) -> Job {
    let info = ImageInfo {
        format: Format::Tiff,
        width: 1 << 20,
        height: TASKS,
        layout: Layout::Gray,
        depth: Depth::Eight,
        orientation: 1,
        unit_rows: 1,
        regions: true,
        whole_decode: false,
        more: shared::job::ImageExtras::default(),
    };
    let id = |digit: u32| format!("{digit:032x}");
    let row = JobRow {
        job: id(number + 1).parse().unwrap(),
        image: id(number + 1).parse().unwrap(),
        run: None,
        runs: 1,
        losses: 0,
        recipe: Recipe::default(),
        original: format!("{}/original", id(number + 1)),
        original_bytes: 1,
        original_sha256: String::new(),
        info,
    };
    let planning = Planning { whole_below: 0, workers: 1, parts_per_task: Some(1) };
    plan(&row, id(7).parse().unwrap(), &planning, Companions::default(), 1, stamp(), 0)
}

async fn put(session: &dyn Coordinator, job: &Job) {
    assert_eq!(job.count(Phase::Histograms), TASKS);
    let node = |path: String, data: Vec<u8>| Op::Create { path, data, mode: CreateMode::Persistent };
    let record = serde_json::to_vec(job).unwrap();
    let folder = paths::phase(&job.job, Phase::Histograms);
    session.multi(vec![node(paths::job(&job.job), record), node(folder, Vec::new())]).await.unwrap();
    let tasks: Vec<u32> = (0..TASKS).collect();
    for batch in tasks.chunks(200) {
        let record = |index: &u32| serde_json::to_vec(&task(job, Phase::Histograms, *index, stamp())).unwrap();
        let path = |index: &u32| paths::task(&job.job, Phase::Histograms, *index);
        session.multi(batch.iter().map(|index| node(path(index), record(index))).collect()).await.unwrap();
    }
}

/// Returns this process's memory in bytes (VmRSS).
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_of_a_hundred_thousand_tasks_loads_in_bounded_time_and_memory_and_a_worker_claims_among_them() {
    let jobs: u32 = if std::env::var("EVENLIGHT_LONG").is_ok() { 100 } else { 10 };
    let ensemble = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap();
    let servers = ensemble.connect_string_with_new_chroot();
    let connector = ZooKeeper::new(&servers, LEASE).unwrap();
    // A client that creates this many nodes may have to wait for the servers.
    let session = ZooKeeper::new(&servers, LEASE * 10).unwrap().connect().await.unwrap();
    ensure_skeleton(&*session).await.unwrap();
    let begun = Instant::now();
    for number in 0..jobs {
        put(&*session, &job(number)).await;
    }
    let made = begun.elapsed();

    let reader = connector.connect().await.unwrap();
    let mut states = reader.states();
    states.mark_unchanged();
    let (before, begun) = (memory(), Instant::now());
    let mirror = Mirror::start(reader.clone(), std::sync::Arc::new(Clock::new()));
    let mut nodes = mirror.nodes();
    nodes.wait_for(|nodes| nodes.loaded).await.unwrap();
    let (loaded, grown) = (begun.elapsed(), memory().saturating_sub(before));
    let count = |nodes: &server::pod::mirror::Nodes| -> usize {
        nodes.jobs.values().map(|job| job.tasks(Phase::Histograms).count()).sum()
    };
    assert_eq!(count(&nodes.borrow()), (jobs * TASKS) as usize);
    println!("{} tasks: made in {made:.1?}, read in {loaded:.1?}, {} MiB", jobs * TASKS, grown >> 20);
    assert!(loaded < Duration::from_secs(5) + Duration::from_millis(400) * jobs, "{loaded:?}");
    assert!(grown < (32 << 20) + u64::from(jobs) * (4 << 20), "{grown} bytes");
    assert!(!states.has_changed().unwrap(), "the reads starved the heartbeats");
    assert_eq!(*states.borrow(), SessionState::Connected);

    // A claim and its commit among all these tasks, at the versions that the mirror read; the mirror must show both.
    let last = job(jobs - 1).job;
    let path = paths::task(&last, Phase::Histograms, TASKS - 1);
    let seen = nodes.borrow().jobs[&last].phases[&Phase::Histograms][&(TASKS - 1)].clone();
    let lock = Lock { v: 1, pod: stamp().pod, claim: "c".into(), since: 1, stamp: stamp() };
    let begun = Instant::now();
    let held = claim(&*session, Held::new(&path, &seen.task, seen.version, lock)).await.unwrap().unwrap();
    let at = |nodes: &server::pod::mirror::Nodes| nodes.jobs[&last].phases[&Phase::Histograms][&(TASKS - 1)].clone();
    nodes.wait_for(|nodes| at(nodes).lock.is_some()).await.unwrap();
    let outcome =
        Outcome::Stored(Pointer { key: "k".into(), bytes: 1, sha256: "0".repeat(64), table: None, notes: Vec::new() });
    let done = Done {
        v: 1,
        pod: stamp().pod,
        attempt: 1,
        outcome,
        started: 1,
        finished: 2,
        worked_ms: Some(1),
        stamp: stamp(),
    };
    assert!(commit(&*session, &held, &done).await.unwrap());
    nodes.wait_for(|nodes| at(nodes).done.is_some() && at(nodes).lock.is_none()).await.unwrap();
    let took = begun.elapsed();
    println!("claimed, committed and seen in {took:.1?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
}
