//! Three processes of the real binary on a real ZooKeeper ensemble and a real PostgreSQL.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use server::wall::now;
use shared::cluster::{ClusterView, Ending, Fault, PodState};
use shared::equalize::Recipe;
use shared::job::{JobState, Phase};
use shared::route::pod_act;
use testkit::images::{SAMPLES, gray8_tiff, oracle, rgb16_tiff, rgba_png, sample};
use testkit::{Deployment, Evenlight};

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Session timeout of these tests.
const LEASE: Duration = Duration::from_secs(2);

fn luma() -> Recipe {
    Recipe::default()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Asserts that the result has exactly the pixels of OpenCV's `equalizeHist`, computed by OpenCV itself.
fn assert_equals_opencv(folder: &Path, name: &str, original: &[u8], result: &[u8]) {
    let (before, after) = (folder.join(format!("before-{name}")), folder.join(format!("after-{name}")));
    std::fs::write(&before, original).unwrap();
    std::fs::write(&after, result).unwrap();
    let python = root().join(".venv/bin/python");
    assert!(python.exists(), "OpenCV is missing: `make test` installs it into .venv (see scripts/requirements.txt)");
    let compared = Command::new(python).arg(root().join("scripts/golden/compare.py")).args([before, after]).output();
    let compared = compared.unwrap();
    assert!(compared.status.success(), "{name}: {}", String::from_utf8_lossy(&compared.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_write_the_very_files_of_evenlight_equalize() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let servers = deployment.three().await;
    let mut originals: Vec<(String, Vec<u8>)> = SAMPLES.iter().map(|name| ((*name).to_owned(), sample(name))).collect();
    originals.push(("rgb16.tif".to_owned(), rgb16_tiff(900, 800)));
    originals.push(("rgba.png".to_owned(), rgba_png(600, 500)));
    let mut uploads = Vec::new();
    for (at, (name, bytes)) in originals.iter().enumerate() {
        uploads.push(servers[at % 3].client.upload(name, bytes.clone(), &luma()).await.unwrap());
    }
    for (at, (accepted, (name, bytes))) in uploads.iter().zip(&originals).enumerate() {
        // Any process answers for any image.
        let result = servers[(at + 1) % 3].client.result(&accepted.image_id).await;
        assert!(result == oracle(bytes, &luma()), "{name} differs");
        if ["brick.png", "cell.png", "moon.png", "page.png"].contains(&name.as_str()) {
            assert_equals_opencv(deployment.folder.path(), name, bytes, &result);
        }
    }
    let accepted = servers[0].client.upload("multipage.tif", sample("multipage.tif"), &luma()).await.unwrap();
    let result = servers[1].client.result(&accepted.image_id).await;
    assert!(result == oracle(&sample("multipage.tif"), &luma()), "multipage.tif differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megapixels_go_through_three_processes_in_bounded_memory() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let servers = deployment.three().await;
    let original = gray8_tiff(10_000, 10_000);
    let expected = oracle(&original, &luma());
    let begun = Instant::now();
    let accepted = servers[0].client.upload("large.tif", original.clone(), &luma()).await.unwrap();
    let result = servers[1].client.result(&accepted.image_id).await;
    let took = begun.elapsed();
    assert!(result == expected, "the result differs");
    assert_equals_opencv(deployment.folder.path(), "large.tif", &original, &result);
    let peaks = servers.each_ref().map(|server| server.peak_memory() >> 20);
    println!("100 megapixels, upload to download: {took:.1?}; peak memory of the processes: {peaks:?} MiB");
    // The file is 100 MB and so are its pixels: no process may have held either, let alone several parts of it.
    assert!(peaks.iter().all(|peak| *peak < 256), "peak memory {peaks:?} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megapixels_go_through_five_embedded_pods_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let args = ["--data", &data, "--pods", "5", "--whole-below", "0"];
    let server = EVENLIGHT.serve("pod", folder.path(), &args);
    let original = gray8_tiff(10_000, 10_000);
    let expected = oracle(&original, &luma());
    let begun = Instant::now();
    let accepted = server.client.upload("large.tif", original, &luma()).await.unwrap();
    let result = server.client.result(&accepted.image_id).await;
    let took = begun.elapsed();
    assert!(result == expected, "the result differs");
    let peak = server.peak_memory() >> 20;
    println!("100 megapixels, upload to download: {took:.1?}; peak memory of the process: {peak} MiB");
    // Holding the whole file, its pixels or its result would add 95.
    assert!(peak < 200, "peak memory {peak} MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_kill_9_of_the_masters_process() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let mut servers = deployment.three().await;
    let original = rgb16_tiff(2_500, 2_400);
    let accepted = servers[1].client.upload("rgb16.tif", original.clone(), &luma()).await.unwrap();
    let job = accepted.job_id.clone();
    servers[1]
        .client
        .until("some histograms", |view| {
            let phases = &view.job(&job)?.phases;
            phases.iter().any(|phase| phase.phase == Phase::Histograms && phase.done > 0).then_some(())
        })
        .await;
    let (master, epoch) = servers[1].client.master(None).await;
    let at = ["pod-a", "pod-b", "pod-c"].iter().position(|name| *name == master.as_str()).unwrap();
    servers[at].kill();
    let survivor = &servers[(at + 1) % 3].client;
    assert!(survivor.result(&accepted.image_id).await == oracle(&original, &luma()));
    let (_, higher) = survivor.master(Some(&master)).await;
    assert!(higher > epoch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_that_thaws_commits_nothing_of_its_old_claim() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let servers = deployment.three_with(&["--parts-per-task", "1"]).await;
    let (master, _) = servers[0].client.master(None).await;
    let names = ["pod-a", "pod-b", "pod-c"];
    let frozen = names.iter().position(|name| *name != master.as_str()).unwrap();
    let awake = &servers[names.iter().position(|name| *name == master.as_str()).unwrap()].client;
    let holds = |view: &ClusterView| view.pods.iter().any(|pod| pod.pod.as_str() == names[frozen] && pod.holds > 0);
    let original = gray8_tiff(9_000, 8_000);
    let expected = oracle(&original, &luma());
    // A worker holds a task for a few milliseconds only, so freeze it repeatedly until it is caught with one.
    let accepted = loop {
        let accepted = awake.upload("gray.tif", original.clone(), &luma()).await.unwrap();
        let job = accepted.job_id.clone();
        awake.until("the job to begin", |view| view.job(&job).map(|_| ())).await;
        awake.until("the worker to hold a task", |view| (holds(view) || view.job(&job).is_none()).then_some(())).await;
        servers[frozen].signal("STOP");
        // By then the view shows everything that it had committed before.
        let then = now() + 600;
        let caught = awake.until("the view to settle", |view| (view.at > then).then(|| holds(view))).await;
        if caught {
            break accepted;
        }
        servers[frozen].signal("CONT");
    };
    let ended = awake.ended(&accepted.image_id).await;
    servers[frozen].signal("CONT");
    assert_eq!(ended.state, JobState::Done, "{:?}", ended.reason);
    assert!(awake.result(&accepted.image_id).await == expected);
    awake.until("three pods again", |view| (view.live() == 3).then_some(())).await;
    assert!(servers[frozen].client.result(&accepted.image_id).await == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_frozen_or_disconnected_or_killed_through_another_process_is_succeeded_and_comes_back_as_a_worker() {
    // The master is compared below, so no session may expire by chance, however busy the machine is.
    let deployment = Deployment::new(EVENLIGHT, LEASE * 2).await;
    let servers = deployment.three_with(&["--allow-faults"]).await;
    for fault in [Fault::Frozen, Fault::Disconnected, Fault::Killed] {
        let (master, epoch) = servers[0].client.master(None).await;
        let at = ["pod-a", "pod-b", "pod-c"].iter().position(|name| *name == master.as_str()).unwrap();
        let (own, other) = (&servers[at].client, &servers[(at + 1) % 3].client);
        let of = |view: &ClusterView| view.pods.iter().find(|pod| pod.pod == master).cloned().unwrap();
        assert!(of(&other.cluster().await.unwrap()).faults, "its buttons are on the page of every process");
        let act = |verb: &str| pod_act(&master, verb);
        assert_eq!(other.post(&act(fault.verb())).await, 204);
        assert_eq!(other.post(&act("kill")).await, 409, "one fault at a time");

        let (next, later) = other.master(Some(&master)).await;
        assert!(later > epoch);
        let ended = |view: &ClusterView| {
            Some((view.past.first()?.pod.clone(), view.past.first()?.epoch, view.past.first()?.end))
        };
        let reason = other.until("the history to have it", |view| ended(view).filter(|(pod, ..)| *pod == master)).await;
        // A killed pod's connections are reset, so a witness acts; of the others only the session timeout tells.
        let end = if fault == Fault::Killed { Ending::Evicted } else { Ending::SessionEnded };
        assert_eq!(reason, (master.clone(), epoch, end));
        own.until("its own process to know", |view| (of(view).state == PodState::Down).then_some(())).await;
        assert_eq!(of(&own.cluster().await.unwrap()).fault, Some(fault));

        let original = sample("cell.png");
        let accepted = own.upload("cell.png", original.clone(), &luma()).await.unwrap();
        assert!(other.result(&accepted.image_id).await == oracle(&original, &luma()));

        assert_eq!(other.post(&act("start")).await, 204);
        assert_eq!(other.post(&act("start")).await, 409, "nothing is played on it any more");
        let view = own.until("three pods again", |view| (view.live() == 3).then(|| view.clone())).await;
        assert_eq!(view.leader.map(|leader| (leader.pod, leader.epoch)), Some((next, Some(later))));
    }
}
