//! The sweeper: removes objects that belong to nothing, and never touches live work.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use server::pipeline::intake::accept::Offer;
use server::pod::PodConfig;
use server::store::{Store, keys};
use shared::equalize::Recipe;
use shared::id::{ImageId, RunId, UploadId};
use shared::job::{JobState, Phase};
use testkit::images::{rgb16_tiff, rgba_png, sample};
use testkit::store_faults::{Act, Fault, Rule};
use testkit::{TestArray, ok_if, stays};

use super::{PODS, array, started};

fn id<T: TryFrom<String>>() -> T
where
    T::Error: std::fmt::Debug,
{
    uuid::Uuid::new_v4().simple().to_string().try_into().unwrap()
}

/// Sweeps continuously.
fn busy(config: &mut PodConfig) {
    config.sweep_every = Duration::from_millis(30);
}

/// Sweeps continuously, with no grace period for orphans.
fn merciless(config: &mut PodConfig) {
    busy(config);
    config.orphan_grace = Duration::ZERO;
}

/// Starts three pods on a folder.
async fn array_in(folder: &FilePath) -> TestArray {
    let inner = Arc::new(LocalFileSystem::new_with_prefix(folder).unwrap());
    started(inner, Some(Store::open(folder.to_str().unwrap()).unwrap()), merciless).await
}

/// Waits until the store holds exactly these keys, apart from its marks.
async fn holds(array: &TestArray, mut expected: Vec<String>) {
    expected.sort();
    array
        .until(&format!("only {expected:?} to be left"), || async {
            let mut there = array.keys().await;
            there.retain(|key| !keys::MARKS.contains(&key.as_str()));
            (there == expected).then_some(())
        })
        .await;
}

/// Waits until the master has swept the whole store at least once from now on.
async fn is_swept(array: &TestArray) {
    let orphan = keys::original(&id::<ImageId>(), &id::<UploadId>());
    put(array, &orphan).await;
    array.until("an orphan to be swept", || async { (!array.keys().await.contains(&orphan)).then_some(()) }).await;
}

async fn put(array: &TestArray, key: &str) {
    array.objects.put(&Path::from(key), Bytes::from_static(b"late").into()).await.unwrap();
}

/// Returns the keys of an image's original and its latest result.
async fn own(array: &TestArray, image: &ImageId) -> Vec<String> {
    let files = array.catalog.files(image, None).await.unwrap().unwrap();
    std::iter::once(files.original).chain(files.result.map(|result| result.key)).collect()
}

fn offer(key: Option<&str>) -> Offer {
    Offer { name: "a.png".to_owned(), recipe: Recipe::default(), idempotency_key: key.map(str::to_owned) }
}

#[tokio::test(flavor = "multi_thread")]
async fn orphans_are_swept_and_live_work_is_not_touched() {
    let array = array(merciless).await;
    let (moon, rgba) = (sample("moon.png"), rgba_png(500, 600));
    let done = array.upload("moon.png", &moon).await;
    array.is_exact(&done, &moon).await;
    // Live: a finished job, a running one, and an upload whose bytes are stored but whose row isn't finished.
    let mut receiving = array.accept.begin(offer(None)).await.unwrap();
    receiving.append(0, Bytes::from(rgba.clone())).await.unwrap();
    let running = array.upload("large.tif", &rgb16_tiff(1_500, 1_500)).await;
    // Dead: objects of an image, an upload and a run that never existed or no longer exist.
    let of_done = own(&array, &done.image_id).await;
    let orphans = [
        keys::original(&id(), &id()),
        keys::original(&done.image_id, &id()),
        keys::output(&done.image_id, &id(), Phase::Split, 0, 1, "x"),
        keys::lut(&id::<ImageId>(), &id::<RunId>(), 1, "x"),
    ];
    for orphan in &orphans {
        put(&array, orphan).await;
    }
    put(&array, "somebody-elses/file").await;
    array
        .until("the orphans to go", || async {
            let there = array.keys().await;
            (!orphans.iter().any(|orphan| there.contains(orphan))).then_some(())
        })
        .await;
    let accepted = receiving.finish().await.unwrap();
    array.is_exact(&running, &rgb16_tiff(1_500, 1_500)).await;
    array.is_exact(&accepted, &rgba).await;
    array.at_rest().await;
    let mut expected = of_done;
    expected.extend(own(&array, &running.image_id).await);
    expected.extend(own(&array, &accepted.image_id).await);
    expected.push("somebody-elses/file".to_owned());
    holds(&array, expected).await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_hours_is_left_alone_however_old_its_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    let array = array_in(folder.path()).await;
    let original = rgb16_tiff(900, 700);
    let mut upload = array.accept.begin(offer(None)).await.unwrap();
    upload.append(0, Bytes::copy_from_slice(&original[..3 << 20])).await.unwrap();
    // Its temporary file hasn't been touched for hours, and several sweeps pass.
    let files = || files(folder.path());
    array.until("the temporary file", || async { files().iter().any(|file| file.contains('#')).then_some(()) }).await;
    for file in files().iter().filter(|file| file.contains('#')) {
        let hours_ago = std::time::SystemTime::now() - Duration::from_secs(3 * 3600);
        std::fs::File::options().write(true).open(folder.path().join(file)).unwrap().set_modified(hours_ago).unwrap();
    }
    for _ in 0..5 {
        is_swept(&array).await;
    }
    upload.append(3 << 20, Bytes::copy_from_slice(&original[3 << 20..])).await.unwrap();
    let accepted = upload.finish().await.unwrap();
    array.is_exact(&accepted, &original).await;
    array.stop_all().await;
}

/// Returns all files below a folder, by relative path.
fn files(folder: &FilePath) -> Vec<String> {
    let below = testkit::folder::files(folder).into_iter();
    below.map(|file| file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_files_of_crashed_writers_are_swept_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let array = array_in(folder.path()).await;
    let cell = sample("cell.png");
    let done = array.upload("cell.png", &cell).await;
    array.is_exact(&done, &cell).await;
    array.at_rest().await;
    let of_done = own(&array, &done.image_id).await;
    // One writer crashed in the middle of a run, one between creating the link and removing its name, one in an upload.
    let dead = [
        format!("{}#1", keys::output(&done.image_id, &id(), Phase::Stitch, 0, 1, "x")),
        format!("{}#2", of_done[0]),
        format!("{}#1", keys::original(&id(), &id())),
    ];
    for name in &dead {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"half").unwrap();
    }
    array
        .until("only the image and the marks to be left", || async {
            let mut there = files(folder.path());
            there.retain(|key| !keys::MARKS.contains(&key.as_str()));
            there.sort();
            let mut expected = of_done.clone();
            expected.sort();
            (there == expected).then_some(())
        })
        .await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_an_upload_that_was_taken_over_or_given_up_are_swept() {
    let tell = |config: &mut PodConfig| {
        busy(config);
        config.abandon_after = Duration::from_millis(1_500);
    };
    let array = array(tell).await;
    let cell = sample("cell.png");
    // The first attempt stores all its bytes, but another one takes over its row before it is accepted.
    array.faults.play(Rule::on(Act::Head, Fault::Slow(Duration::from_millis(600))).keys("/original/").times(2));
    let mut first = array.accept.begin(offer(Some("key"))).await.unwrap();
    first.append(0, Bytes::from(cell.clone())).await.unwrap();
    let mut second = array.accept.begin(offer(Some("key"))).await.unwrap();
    second.append(0, Bytes::from(cell.clone())).await.unwrap();
    assert!(first.finish().await.is_err());
    let accepted = second.finish().await.unwrap();
    // Another upload is abandoned with its object complete but its row unfinished.
    let lost: (ImageId, UploadId) = {
        let new = server::catalog::NewUpload {
            upload: id(),
            image: id(),
            job: id(),
            idempotency_key: None,
            name: "lost".to_owned(),
            recipe: Recipe::default(),
        };
        array.catalog.begin_upload(&new).await.unwrap();
        (new.image, new.upload)
    };
    put(&array, &keys::original(&lost.0, &lost.1)).await;
    array.is_exact(&accepted, &cell).await;
    array.at_rest().await;
    holds(&array, own(&array, &accepted.image_id).await).await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_paused_worker_of_the_old_run_writes_late_is_swept_and_the_retry_is_right() {
    let array = array(busy).await;
    let original = rgba_png(500, 600);
    // The split fails until the job does; one of its writes is still pending in a paused worker.
    array.faults.play(Rule::on(Act::Put, Fault::Fail).keys("/split/"));
    let accepted = array.upload("a.png", &original).await;
    let reason = array.reason(&accepted).await;
    assert!(reason.contains("was given up after 12 attempts"), "{reason}");
    let late = array.faults.played().last().unwrap().2.clone();
    array.faults.end();
    assert_eq!(array.catalog.retry(&accepted.job_id).await.unwrap(), server::catalog::Write::Applied);
    // The worker resumes while the new run is in progress, and again when everything is done.
    put(&array, &late).await;
    array.is_exact(&accepted, &original).await;
    put(&array, &late).await;
    array.at_rest().await;
    holds(&array, own(&array, &accepted.image_id).await).await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_deleted_mid_job_leaves_nothing_even_if_a_worker_writes_late() {
    let array = array(busy).await;
    let accepted = array.upload("large.tif", &rgb16_tiff(1_500, 1_500)).await;
    let is_late = |key: &String| key.contains("/histograms/");
    let late = array.until("an output", || async { array.keys().await.into_iter().find(is_late) }).await;
    array.catalog.delete_image(&accepted.image_id).await.unwrap();
    array
        .until("the row to go", || async {
            array.catalog.jobs_of(&accepted.image_id).await.unwrap().is_empty().then_some(())
        })
        .await;
    put(&array, &late).await;
    holds(&array, vec![]).await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps_of_a_deletion_leaves_nothing_in_the_end() {
    // The crash comes before the first of the image's objects is deleted, or after it.
    let original = rgba_png(500, 600);
    for deletes in [0, 1] {
        let array = array(|config| config.sweep_every = Duration::from_secs(2)).await;
        let accepted = array.upload("a.png", &original).await;
        array.is_exact(&accepted, &original).await;
        array.at_rest().await;
        array.faults.play(Rule::on(Act::Delete, Fault::Slow(Duration::from_millis(1))).times(deletes));
        array.faults.play(Rule::on(Act::Delete, Fault::Hang));
        array.catalog.delete_image(&accepted.image_id).await.unwrap();
        array
            .until("a delete to hang", || async {
                array.faults.played().iter().any(|(_, fault, _)| *fault == Fault::Hang).then_some(())
            })
            .await;
        PODS.iter().for_each(|pod| array.kill(pod));
        array.faults.end();
        array.start(&PODS);
        holds(&array, vec![]).await;
        let rows = || array.catalog.jobs_of(&accepted.image_id);
        array.until("the row to go", || async { rows().await.unwrap().is_empty().then_some(()) }).await;
        array.at_rest().await;
        array.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_any_two_steps_of_publishing_leaves_the_result_and_nothing_else() {
    let original = rgba_png(500, 600);
    // The result is stored but the master doesn't learn it; it is published but the outputs aren't deleted.
    for (act, fault, keys) in [(Act::Put, Fault::HangDone, "/stitch/"), (Act::Delete, Fault::Hang, "/equalize/")] {
        let array = array(busy).await;
        array.faults.play(Rule::on(act, fault).keys(keys));
        let accepted = array.upload("a.png", &original).await;
        array
            .until("it to come so far", || async {
                array.faults.played().iter().any(|(_, played, _)| *played == fault).then_some(())
            })
            .await;
        PODS.iter().for_each(|pod| array.kill(pod));
        array.faults.end();
        array.start(&PODS);
        array.is_exact(&accepted, &original).await;
        array.at_rest().await;
        holds(&array, own(&array, &accepted.image_id).await).await;
        array.stop_all().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_catalog_is_never_swept() {
    let inner = Arc::new(InMemory::new());
    let theirs = keys::original(&id(), &id());
    inner.put(&Path::from(keys::MARK), Bytes::from_static(b"another catalog").into()).await.unwrap();
    inner.put(&Path::from(theirs.as_str()), Bytes::from_static(b"their image").into()).await.unwrap();
    let array = started(inner, None, busy).await;
    let cell = sample("cell.png");
    let accepted = array.upload("cell.png", &cell).await;
    array.is_exact(&accepted, &cell).await;
    // Many times the sweep's interval.
    stays("their image", Duration::from_millis(500), async || {
        let keys = array.keys().await;
        ok_if(keys.contains(&theirs), keys)
    })
    .await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_meets_faults_goes_on_later() {
    let array = array(merciless).await;
    array.faults.play(Rule::on_any(&[Act::List, Act::Delete], Fault::Fail).chance(500));
    array.faults.play(Rule::on(Act::List, Fault::Tear).chance(300));
    let (cell, orphans) = (sample("cell.png"), 300);
    for _ in 0..orphans {
        put(&array, &keys::original(&id(), &id())).await;
    }
    let accepted = array.upload("cell.png", &cell).await;
    array.is_exact(&accepted, &cell).await;
    let job = array.ended(&accepted).await;
    assert_eq!(job.state, JobState::Done);
    array.at_rest().await;
    holds(&array, own(&array, &accepted.image_id).await).await;
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_row_knows_is_quarantined_and_what_has_ended_is_not() {
    let array = array(busy).await;
    let cell = sample("cell.png");
    let accepted = array.upload("cell.png", &cell).await;
    array.is_exact(&accepted, &cell).await;
    array.at_rest().await;
    let unknown = [
        keys::original(&id(), &id()),
        keys::original(&accepted.image_id, &id()),
        keys::output(&accepted.image_id, &id(), Phase::Stitch, 0, 1, "x"),
        keys::pyramid(&accepted.image_id, "x"),
    ];
    for key in &unknown {
        put(&array, key).await;
    }
    // Leftovers of a deleted image go at once, because a tombstone knows it. So when they are gone, a sweep has passed.
    let deleted = array.upload("cell.png", &cell).await;
    array.is_exact(&deleted, &cell).await;
    let late = keys::output(&deleted.image_id, &id(), Phase::Split, 0, 1, "x");
    array.catalog.delete_image(&deleted.image_id).await.unwrap();
    let rows = || array.catalog.jobs_of(&deleted.image_id);
    array.until("the row to go", || async { rows().await.unwrap().is_empty().then_some(()) }).await;
    for _ in 0..3 {
        put(&array, &late).await;
        array.until("what ended to be swept", || async { (!array.keys().await.contains(&late)).then_some(()) }).await;
    }
    let there = array.keys().await;
    assert!(unknown.iter().all(|key| there.contains(key)), "an object that no row knows was deleted");
    let waiting = array.catalog.orphans().await.unwrap();
    assert_eq!(waiting.len(), unknown.len());
    let alert = array.until("an alert", || async { array.catalog.alert().await.unwrap() }).await;
    assert!(alert.starts_with("The store holds 2 originals that the catalog doesn't know"), "{alert}");
    array.stop_all().await;
}
