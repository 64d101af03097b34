//! A single process without ZooKeeper, whose znodes end with it: stops, kills, clock steps, and a failing store.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use shared::cluster::{ClusterView, TaskState};
use shared::equalize::Recipe;
use shared::gallery::{Accepted, Page};
use shared::job::{JobState, Phase};
use shared::timeline::Timeline;
use testkit::evenlight::{Clock, Server};
use testkit::folder::files;
use testkit::images::{oracle, rgb16_tiff, rgba_png, sample};
use testkit::wait::PATIENCE;
use testkit::{elapse, eventually, ok_if};

use crate::EVENLIGHT;

/// Duration of an outage of the store: long enough for several attempts, if they were made.
const OUTAGE: Duration = Duration::from_secs(12);

fn arguments<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let base = ["--data", data, "--pods", "3", "--threads", "2", "--session-timeout", "500ms", "--whole-below", "0"];
    [&base[..], &["--min-free", "0"], more].concat()
}

fn start(folder: &Path, more: &[&str]) -> Server {
    let data = folder.join("data").display().to_string();
    EVENLIGHT.serve("pod", folder, &arguments(&data, more))
}

/// Returns the number of tasks of a phase in a state.
fn tasks(view: &ClusterView, phase: Phase, state: TaskState) -> usize {
    let phases = view.jobs.iter().flat_map(|job| &job.phases).filter(|seen| seen.phase == phase);
    phases.flat_map(|seen| &seen.tasks).filter(|task| task.state == state).count()
}

async fn is_exact(server: &Server, accepted: &Accepted, original: &[u8]) {
    assert!(server.client.result(&accepted.image_id).await == oracle(original, &Recipe::default()));
}

/// Each stop comes while the image is being split, and the drain time is too short to finish that.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn four_orderly_stops_in_a_row_while_one_image_is_split_fail_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let original = rgba_png(7_000, 6_000);
    let mut server = start(folder.path(), &["--drain", "50ms"]);
    let accepted = server.client.upload("large.png", original.clone(), &Recipe::default()).await.unwrap();
    for stop in 1..=4 {
        let split = |view: &ClusterView| (tasks(view, Phase::Split, TaskState::Running) == 1).then_some(());
        server.client.until(&format!("the split before stop {stop}"), split).await;
        server.signal("TERM");
        assert!(server.wait(), "stop {stop}");
        server = start(folder.path(), &["--drain", "50ms"]);
    }
    is_exact(&server, &accepted, &original).await;
}

/// Each kill comes shortly after another task was finished.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn kills_of_the_whole_array_fail_nothing_and_what_was_finished_is_not_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let original = rgba_png(6_000, 5_000);
    let more = ["--parts-per-task", "4"];
    let mut server = start(folder.path(), &more);
    let accepted = server.client.upload("large.png", original.clone(), &Recipe::default()).await.unwrap();
    let done = |view: &ClusterView| -> usize {
        let phases = view.jobs.iter().flat_map(|job| &job.phases);
        phases.flat_map(|phase| &phase.tasks).filter(|task| task.state == TaskState::Done).count()
    };
    let (mut kept, mut kills) = (0, Vec::new());
    while kills.len() < 6 {
        // The first task that this life finishes must be new, unless nothing else is left.
        let further = |view: &ClusterView| (done(view) > kept).then_some(());
        let job = async {
            server.client.until("another task to be done", further).await;
        };
        tokio::select! {
            () = job => {}
            _ = server.client.ended(&accepted.image_id) => break,
        }
        // Other tasks are in progress then.
        elapse(Duration::from_millis(700)).await;
        let Some(view) = server.client.cluster().await.filter(|view| !view.jobs.is_empty()) else { break };
        kept = done(&view);
        server.kill();
        kills.push(server::wall::now());
        server = start(folder.path(), &more);
    }
    assert!(kills.len() >= 4, "the job ended after {} kills", kills.len());
    is_exact(&server, &accepted, &original).await;
    let timeline = server.client.get_ok(&shared::route::timeline(&accepted.job_id)).await.unwrap();
    let timeline: Timeline = serde_json::from_slice(&timeline).unwrap();
    let split = timeline.spans.iter().find(|span| span.phase == Phase::Split).unwrap();
    assert!(timeline.begun + split.finished <= kills[0], "the split was done again: {timeline:?}; kills: {kills:?}");
}

/// What a power cut may leave of a file that wasn't synced: nothing, no bytes, zeros, or half of it.
fn lose(file: &Path, how: usize) {
    let length = std::fs::metadata(file).unwrap().len();
    match how % 4 {
        0 => std::fs::remove_file(file).unwrap(),
        1 => std::fs::write(file, b"").unwrap(),
        2 => std::fs::write(file, vec![0; usize::try_from(length).unwrap()]).unwrap(),
        _ => std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length / 2).unwrap(),
    }
}

/// After each kill, every output of the tasks is damaged in one of the ways of a power cut, as they aren't synced.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn power_cuts_that_take_the_outputs_of_tasks_fail_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--parts-per-task", "4"];
    let png = ("large.png", rgba_png(3_000, 2_500), &[Phase::Split, Phase::Histograms, Phase::Equalize][..]);
    let tiff = ("large.tif", rgb16_tiff(3_000, 2_500), &[Phase::Histograms, Phase::Equalize][..]);
    for (name, original, phases) in [png, tiff] {
        let mut server = start(folder.path(), &more);
        let accepted = server.client.upload(name, original.clone(), &Recipe::default()).await.unwrap();
        let mut lost = 0;
        for phase in phases {
            let finished = |view: &ClusterView| (tasks(view, *phase, TaskState::Done) > 0).then_some(());
            tokio::select! {
                () = async { server.client.until(&format!("a finished task of {phase}"), finished).await; } => {}
                _ = server.client.ended(&accepted.image_id) => break,
            }
            server.kill();
            let of_image = folder.path().join("data/store").join(accepted.image_id.as_str());
            let is_output = |file: &PathBuf| {
                let folder = file.parent().and_then(Path::file_name).unwrap();
                ["split", "histograms", "reduce", "equalize"].iter().any(|phase| folder == *phase)
            };
            let outputs: Vec<PathBuf> = files(&of_image).into_iter().filter(is_output).collect();
            outputs.iter().enumerate().for_each(|(how, file)| lose(file, how));
            lost += outputs.len();
            server = start(folder.path(), &more);
        }
        assert!(lost > 0, "{name}: nothing was there to be lost");
        is_exact(&server, &accepted, &original).await;
    }
}

/// Each kill comes when two more of many small images are done, so that other images are in progress each time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn kills_of_the_whole_array_fail_none_of_many_small_images() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &[]);
    let mut accepted = Vec::new();
    for number in 0..100 {
        let name = format!("{number}.png");
        accepted.push(server.client.upload(&name, sample("cell.png"), &Recipe::default()).await.unwrap());
    }
    let done = async |server: &Server| -> usize {
        let page = server.client.get_ok("/api/images?state=done&limit=200").await.unwrap();
        serde_json::from_slice::<Page>(&page).unwrap().items.len()
    };
    for kill in 1..=8 {
        let before = done(&server).await;
        eventually(&format!("two more images before kill {kill}"), PATIENCE, async || {
            let more = done(&server).await - before;
            ok_if(more >= 2, more)
        })
        .await;
        server.kill();
        server = start(folder.path(), &[]);
    }
    let expected = oracle(&sample("cell.png"), &Recipe::default());
    for accepted in &accepted {
        assert!(server.client.result(&accepted.image_id).await == expected);
    }
}

/// The clock of the whole machine jumps forward by 55 hours and back while images are being processed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn clock_steps_of_55_hours_while_images_are_worked_on_fail_nothing() {
    /// Enough for the array to have work in progress at the step, however fast the machine is.
    const IMAGES_PER_STEP: usize = 6;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let clock = Clock::new(folder.path());
    let server = EVENLIGHT.serve_at(&clock, "pod", folder.path(), &arguments(&data, &["--keep-deleted", "1day"]));
    let kept = server.client.upload("kept.png", sample("cell.png"), &Recipe::default()).await.unwrap();
    server.client.ended(&kept.image_id).await;
    let original = rgba_png(3_000, 2_000);
    let expected = oracle(&original, &Recipe::default());
    for step in ["+55h", "+0", "-55h", "+0"] {
        let mut accepted = Vec::new();
        for number in 0..IMAGES_PER_STEP {
            let name = format!("{number}.png");
            accepted.push(server.client.upload(&name, original.clone(), &Recipe::default()).await.unwrap());
        }
        clock.step(step);
        let last = server.client.image(&accepted[IMAGES_PER_STEP - 1].image_id).await.unwrap();
        assert!(!last.state.has_ended(), "the last image was {:?} by the step to {step}", last.state);
        for accepted in &accepted {
            assert!(server.client.result(&accepted.image_id).await == expected, "after the step to {step}");
        }
    }
    is_exact(&server, &kept, &sample("cell.png")).await;
}

/// A separate file system, removed after the test.
struct Disk(tempfile::TempDir);

/// Temporary faults of the disk.
#[derive(Clone, Copy)]
enum Trouble {
    ReadOnly,
    Full,
}

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        assert!(disk.mount("size=400m"), "this test mounts a file system, which needs the right to do so");
        disk
    }

    fn mount(&self, options: &str) -> bool {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path()).output();
        mount.unwrap().status.success()
    }

    async fn begin(&self, trouble: Trouble) {
        match trouble {
            // Fails while a write is in progress.
            Trouble::ReadOnly => {
                let remounted = async || ok_if(self.mount("remount,ro"), "it is being written");
                eventually("a moment without a write", PATIENCE, remounted).await;
            }
            Trouble::Full => {
                let mut ballast = std::fs::File::create(self.0.path().join("ballast")).unwrap();
                while ballast.write_all(&[0; 1 << 16]).is_ok() {}
            }
        }
    }

    fn end(&self, trouble: Trouble) {
        match trouble {
            Trouble::ReadOnly => assert!(self.mount("remount,rw")),
            Trouble::Full => std::fs::remove_file(self.0.path().join("ballast")).unwrap(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn survives(trouble: Trouble, says: &str) {
    let (folder, disk) = (tempfile::tempdir().unwrap(), Disk::new());
    let store = disk.0.path().display().to_string();
    let server = start(folder.path(), &["--store", &store, "--parts-per-task", "2"]);
    let original = rgb16_tiff(1_500, 1_600);
    let mut accepted = Vec::new();
    for number in 0..6 {
        let name = format!("{number}.tif");
        accepted.push(server.client.upload(&name, original.clone(), &Recipe::default()).await.unwrap());
    }
    server.client.until("work", |view| (!view.jobs.is_empty()).then_some(())).await;
    disk.begin(trouble).await;
    let (begun, mut said) = (Instant::now(), false);
    while begun.elapsed() < OUTAGE {
        let view = server.client.cluster().await.unwrap();
        let attempts = view.jobs.iter().flat_map(|job| &job.phases).flat_map(|phase| &phase.tasks);
        // At most one that failed before the outage was noticed, plus the current one.
        let most = attempts.map(|task| task.attempt).max().unwrap_or(0);
        assert!(most <= 2, "{most} attempts were used up after {:?}", begun.elapsed());
        said |= view.room.outage.is_some_and(|outage| outage.contains(says) && outage.contains("UTC"));
        for accepted in &accepted {
            let image = server.client.image(&accepted.image_id).await.unwrap();
            assert_ne!(image.state, JobState::Failed, "{:?} after {:?}", image.reason, begun.elapsed());
        }
        elapse(Duration::from_millis(100)).await;
    }
    assert!(said, "no page said so");
    disk.end(trouble);
    let expected = oracle(&original, &Recipe::default());
    for accepted in &accepted {
        assert!(server.client.result(&accepted.image_id).await == expected);
    }
    server.client.until("all to be well", |view| view.room.outage.is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn a_store_that_is_read_only_for_a_while_fails_nothing_and_pages_say_so() {
    survives(Trouble::ReadOnly, "failing since").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: `make test` and `make chaos` run it"]
async fn a_store_that_is_full_for_a_while_fails_nothing_and_pages_say_so() {
    survives(Trouble::Full, "full since").await;
}
