//! A store that fails, hangs or is full, at each stage of a job.

use std::path::Path as FilePath;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use object_store::local::LocalFileSystem;
use server::catalog::Write;
use server::pipeline::intake;
use server::pod::PodConfig;
use server::store::Store;
use shared::job::JobState;
use testkit::images::{gray8_tiff, rgb16_tiff, rgba_png};
use testkit::store_faults::{ACTS, Act, Fault, Rule};

use super::{array, started};

/// What is written, in order.
const STAGES: [&str; 6] = ["/original/", "/split/", "/histograms/", "/reduce/", "/equalize/", "/stitch/"];

fn quick(config: &mut PodConfig) {
    config.sweep_every = Duration::from_millis(100);
    config.backoff = Duration::from_millis(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_hangs_or_loses_its_reply_at_each_stage_costs_time_and_nothing_else() {
    let original = rgba_png(500, 600);
    for fault in [Fault::Fail, Fault::LoseReply, Fault::Hang] {
        let array = array(quick).await;
        for stage in STAGES {
            // More often than a store operation is retried, so that tasks are retried as well; an upload isn't.
            let times = if stage == "/original/" { 2 } else { 4 };
            for act in [Act::Put, Act::Get] {
                array.faults.play(Rule::on(act, fault).keys(stage).times(times));
            }
        }
        array.faults.play(Rule::on_any(&[Act::List, Act::Delete, Act::Head], fault).times(2));
        let accepted = array.upload("a.png", &original).await;
        array.is_exact(&accepted, &original).await;
        array.at_rest().await;
        for stage in STAGES {
            let played = array.faults.played();
            assert!(played.iter().any(|(_, _, key)| key.contains(stage)), "{fault:?} never came at {stage}");
        }
        array.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_for_good_fails_the_job_with_a_sentence_and_retry_begins_anew() {
    let original = rgba_png(500, 600);
    for stage in &STAGES[1..] {
        let array = array(quick).await;
        array.faults.play(Rule::on(Act::Put, Fault::Fail).keys(stage));
        let accepted = array.upload("a.png", &original).await;
        let reason = array.reason(&accepted).await;
        assert!(reason.contains("after 12 attempts") && reason.contains("the store is unavailable"), "{reason}");
        array.faults.end();
        assert_eq!(array.catalog.retry(&accepted.job_id).await.unwrap(), Write::Applied);
        array.is_exact(&accepted, &original).await;
        array.stop_all().await;
    }
}

/// Writes that fail when the disk is full or read-only.
const WRITES: [Act; 4] = [Act::Put, Act::Begin, Act::Part, Act::Complete];

/// Even with more failures than a task has attempts, nothing fails, no attempt is used up, and work resumes by itself.
async fn waits_out(fault: Fault, acts: &[Act], stage: &str) {
    let original = rgba_png(500, 600);
    let array = array(quick).await;
    // Work proceeds to this stage, and then every operation of every pod fails.
    array.faults.play(Rule::on(Act::Put, Fault::Hang).keys(stage).times(1));
    let accepted = array.upload("a.png", &original).await;
    array.until("the stage", || async { (!array.faults.played().is_empty()).then_some(()) }).await;
    array.faults.play(Rule::on_any(acts, fault));
    let failures = || array.faults.played().iter().filter(|(_, played, _)| *played == fault).count();
    let outage = array.accept.store.outage();
    array.until("the outage to be noticed", || async { outage.borrow().map(drop) }).await;
    array.until("more failures", || async { (failures() > 12).then_some(()) }).await;
    let state = array.catalog.job(&accepted.job_id).await.unwrap().unwrap();
    assert_eq!(state.state, JobState::Running, "{:?}", state.reason);
    array.faults.end();
    array.is_exact(&accepted, &original).await;
    array.until("the outage to be over", || async { outage.borrow().is_none().then_some(()) }).await;
    // At most one attempt that failed when the store already worked again.
    let timeline = array.catalog.timeline(&accepted.job_id).await.unwrap().unwrap();
    assert!(timeline.spans.iter().all(|span| span.attempt <= 2), "attempts were used up: {timeline:?}");
    array.at_rest().await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_fails_for_everyone_jobs_wait_and_then_go_on_by_themselves() {
    for stage in &STAGES[1..] {
        waits_out(Fault::Fail, &ACTS, stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_read_only_jobs_wait_and_then_go_on_by_themselves() {
    for stage in ["/split/", "/reduce/", "/stitch/"] {
        waits_out(Fault::Fail, &WRITES, stage).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_full_jobs_wait_and_then_go_on_by_themselves() {
    for stage in ["/split/", "/reduce/", "/stitch/"] {
        waits_out(Fault::Full, &WRITES, stage).await;
    }
}

/// A tiny file system of its own, removed after the test.
struct Disk(tempfile::TempDir);

impl Disk {
    /// Mounts it; returns `None` if this user may not mount.
    fn of(size: &str) -> Option<Self> {
        let disk = Self(tempfile::tempdir().unwrap());
        mount(&format!("size={size}"), disk.path()).then_some(disk)
    }

    fn grow(&self, size: &str) {
        assert!(mount(&format!("remount,size={size}"), self.path()));
    }

    fn path(&self) -> &FilePath {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn mount(options: &str, at: &FilePath) -> bool {
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
    mount.is_ok_and(|mount| mount.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_really_full_disk_is_an_answer_for_uploads_and_jobs_wait_for_room() {
    let Some(disk) = Disk::of("1600k") else {
        eprintln!("this user may not mount a file system; full stores are played above");
        return;
    };
    let inner = Arc::new(LocalFileSystem::new_with_prefix(disk.path()).unwrap());
    let store = Store::open(disk.path().to_str().unwrap()).unwrap();
    let array = started(inner, Some(store), quick).await;
    // 720 kB fit once, and again as parts, but not as a result in addition to both.
    let original = rgb16_tiff(300, 400);
    let accepted = array.upload("a.tif", &original).await;
    let outage = array.accept.store.outage();
    array.until("the disk to be full", || async { outage.borrow().filter(|outage| outage.is_full) }).await;
    let refused = array.try_upload("b.tif", &rgb16_tiff(500, 600)).await.unwrap_err();
    assert!(matches!(refused, intake::Error::Full), "{refused}");
    disk.grow("64m");
    array.is_exact(&accepted, &original).await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_full_of_faults_of_every_kind_loses_nothing() {
    let array = array(quick).await;
    let original = rgba_png(500, 600);
    let accepted = array.upload("a.png", &original).await;
    for fault in [Fault::Fail, Fault::LoseReply, Fault::Slow(Duration::from_millis(20))] {
        array.faults.play(Rule::on_any(&ACTS, fault).chance(60));
    }
    for fault in [Fault::Flip, Fault::Tear, Fault::FlipLast] {
        array.faults.play(Rule::on_any(&[Act::Put, Act::Get], fault).keys("/split/").chance(60));
        array.faults.play(Rule::on_any(&[Act::Put, Act::Get], fault).keys("/equalize/").chance(60));
        array.faults.play(Rule::on_any(&[Act::Put, Act::Get], fault).keys("/histograms/").chance(60));
    }
    array.ended(&accepted).await;
    array.faults.end();
    array.is_exact(&accepted, &original).await;
    array.at_rest().await;
    array.stop_all().await;
}

/// How much a task reads ahead of what it writes, in parts of about 1 MiB: a piece being filled and one being sent (8 MiB
/// each), and some chunks between its threads.
const READ_AHEAD: usize = 2 * 8 + 10;

#[tokio::test(flavor = "multi_thread")]
async fn the_stitch_streams_its_parts_through_one_multipart_upload() {
    let array = array(|config| config.parts_per_task = Some(8)).await;
    let none = Fault::Slow(Duration::ZERO);
    array.faults.play(Rule::on(Act::Part, Fault::Slow(Duration::from_millis(100))).keys("/stitch/"));
    array.faults.play(Rule::on_any(&[Act::Begin, Act::Complete, Act::Put], none).keys("/stitch/"));
    // Only the stitch reads the equalized parts.
    array.faults.play(Rule::on(Act::Get, none).keys("/equalize/"));
    // 48 MiB.
    let original = gray8_tiff(8_192, 6_144);
    let accepted = array.upload("a.tif", &original).await;
    array.is_exact(&accepted, &original).await;
    let played = array.faults.played();
    let count = |act: Act| played.iter().filter(|(played, ..)| *played == act).count();
    assert_eq!((count(Act::Begin), count(Act::Put), count(Act::Complete)), (1, 0, 1));
    assert_eq!(count(Act::Part), original.len().div_ceil(8 << 20));
    let (mut read, mut written) = (0, 0);
    for (act, ..) in &played {
        read += usize::from(*act == Act::Get);
        if *act == Act::Part {
            written += 1;
            assert!(
                read <= 8 * written + READ_AHEAD,
                "{read} parts of about 1 MiB were read before piece {written} of 8 MiB"
            );
        }
    }
    assert!(read >= 48, "{read} parts");
    array.stop_all().await;
}
