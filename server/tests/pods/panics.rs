//! An image on which the work panics, in every pod.

use server::pod::PodConfig;
use testkit::TestArray;
use testkit::array::Setup;
use testkit::faulty_store::impatient;
use testkit::images::sample;
use testkit::store_faults::{Act, Fault, Rule};

#[tokio::test(flavor = "multi_thread")]
async fn work_that_panics_in_every_pod_fails_its_job_after_three_attempts_and_no_other() {
    // With the defaults: each of these images is one task.
    let configure = Box::new(|config: &mut PodConfig| *config = PodConfig::named(config.name.clone()));
    let array = TestArray::new(Setup { patience: impatient(), configure, ..Setup::default() }).await;
    let [cell, moon, page] = ["cell.png", "moon.png", "page.png"].map(sample);
    let before = array.upload("cell.png", &cell).await;
    let poison = array.upload("moon.png", &moon).await;
    let after = array.upload("page.png", &page).await;
    array.faults.play(Rule::on(Act::Get, Fault::Explode).keys(poison.image_id.as_str()));
    array.start(&["pod-1", "pod-2", "pod-3"]);
    array.is_exact(&before, &cell).await;
    array.is_exact(&after, &page).await;
    let reason = array.reason(&poison).await;
    assert!(reason.contains("of its attempts, 3 crashed") && reason.contains("a panic was played"), "{reason}");
    // Once it no longer panics, a retry succeeds.
    array.faults.end();
    array.catalog.retry(&poison.job_id).await.unwrap();
    array.is_exact(&poison, &moon).await;
}
