//! Corrupt strips: damage in the store is detected by the reader, the damaged output is made again by its producer, and damage
//! never reaches a result.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};
use shared::job::JobState;
use testkit::images::{rgb16_tiff, rgba_png, sample};
use testkit::store_faults::{Act, Fault, Rule};

use super::{PODS, array};

/// Damages the first object written under a matching key, in another place for each fault, and expects the exact result.
async fn mended(keys: &str, faults: &[Fault]) {
    let original = rgba_png(700, 900);
    for fault in faults {
        let array = array(|_| {}).await;
        array.faults.play(Rule::on(Act::Put, *fault).keys(keys).times(1));
        let accepted = array.upload("a.png", &original).await;
        array.is_exact(&accepted, &original).await;
        assert_eq!(array.faults.played().len(), 1, "{keys} {fault:?}: nothing was damaged");
        array.stop_all().await;
    }
}

const EVERYWHERE: [Fault; 4] = [Fault::Flip, Fault::FlipFirst, Fault::FlipLast, Fault::Tear];

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_strip_of_raw_rows_is_split_again_and_the_result_is_exact() {
    mended("/split/", &EVERYWHERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_histogram_is_counted_again_and_the_result_is_exact() {
    mended("/histograms/", &EVERYWHERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_table_is_reduced_again_and_the_result_is_exact() {
    mended("/reduce/", &EVERYWHERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_encoded_part_is_equalized_again_and_the_result_is_exact() {
    mended("/equalize/", &EVERYWHERE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_corrupt_parts_are_found_and_made_again_at_once() {
    let original = rgb16_tiff(1_200, 1_500);
    let array = array(|_| {}).await;
    array.faults.play(Rule::on(Act::Put, Fault::Flip).keys("/equalize/").times(8));
    let accepted = array.upload("a.tif", &original).await;
    array.is_exact(&accepted, &original).await;
    assert_eq!(array.faults.played().len(), 8);
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_gone_is_made_again() {
    let original = rgba_png(700, 900);
    let array = array(|_| {}).await;
    // Acknowledged but not stored: for a reader the same as lost.
    array.faults.play(Rule::on(Act::Put, Fault::Forget).keys("/split/").times(1));
    array.faults.play(Rule::on(Act::Put, Fault::Forget).keys("/equalize/").times(2));
    let accepted = array.upload("a.png", &original).await;
    array.is_exact(&accepted, &original).await;
    assert_eq!(array.faults.played().len(), 3);
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_came_wrong_once_are_read_again_and_nothing_is_made_anew() {
    let original = rgba_png(700, 900);
    let array = array(|_| {}).await;
    for keys in ["/split/", "/histograms/", "/reduce/", "/equalize/"] {
        array.faults.play(Rule::on(Act::Get, Fault::Flip).keys(keys).times(1));
    }
    let accepted = array.upload("a.png", &original).await;
    array.is_exact(&accepted, &original).await;
    assert_eq!(array.faults.played().len(), 4);
    array.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_damages_a_strip_each_time_fails_the_job_with_a_sentence() {
    for (keys, said) in [("/equalize/", "task 0 of equalize"), ("/split/", "task 0 of split")] {
        let array = array(|_| {}).await;
        array.faults.play(Rule::on(Act::Put, Fault::Flip).keys(keys));
        let accepted = array.upload("cell.png", &sample("cell.png")).await;
        let reason = array.reason(&accepted).await;
        assert!(reason.contains("damaged"), "{reason}");
        assert!(reason.contains(said) || reason.contains("was given up after 12 attempts"), "{reason}");
        array.faults.end();
        assert_eq!(array.catalog.retry(&accepted.job_id).await.unwrap(), server::catalog::Write::Applied);
        array.is_exact(&accepted, &sample("cell.png")).await;
        array.stop_all().await;
    }
}

/// Uploads while no pod runs, alters the original, then starts the pods.
async fn with_damaged_original(name: &str, original: &[u8], damage: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
    let array = array(|_| {}).await;
    PODS.iter().for_each(|pod| array.kill(pod));
    let accepted = array.upload(name, original).await;
    let key = array.catalog.files(&accepted.image_id, None).await.unwrap().unwrap().original;
    let damaged = PutPayload::from(Bytes::from(damage(original.to_vec())));
    array.objects.put(&Path::from(key), damaged).await.unwrap();
    array.start(&PODS);
    let job = array.ended(&accepted).await;
    assert_eq!(job.state, JobState::Failed, "{name} has a result");
    array.stop_all().await;
    job.reason.unwrap()
}

fn flip(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 1;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_that_was_cut_off_in_the_store_fails_its_job_and_says_so() {
    for (name, original) in [("a.tif", rgb16_tiff(300, 400)), ("a.png", rgba_png(300, 400))] {
        let length = original.len();
        let reason = with_damaged_original(name, &original, |bytes| bytes[..length - 1_000].to_vec()).await;
        let expected = format!(
            "The original was damaged in the store: it has {} of its {length} bytes. Upload the image again.",
            length - 1_000
        );
        assert_eq!(reason, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_whose_bytes_changed_in_the_store_fails_its_job_and_says_so() {
    let expected = "The original was damaged in the store: its bytes differ from the upload. Upload the image again.";
    // In a sample of an uncompressed TIFF, where no decoder can detect it; in compressed data; in a JPEG's scan.
    let (tiff, png, jpeg) = (rgb16_tiff(300, 400), rgba_png(300, 400), sample("rocket.jpg"));
    for (name, original) in [("a.tif", tiff), ("a.png", png), ("a.jpg", jpeg)] {
        let middle = original.len() / 2;
        let reason = with_damaged_original(name, &original, |bytes| flip(bytes, middle)).await;
        assert_eq!(reason, expected, "{name}");
    }
}
