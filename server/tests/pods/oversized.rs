//! A record that is too large for a znode fails its job with a sentence; and a panic in a pod's own code doesn't end the pod.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use server::coord::Connector;
use shared::job::JobState;
use testkit::images::rgb16_tiff;

use crate::array_with;
use crate::narrow::{Narrow, Refuses};

/// Runs an image while such records are rejected; returns the number of rejections.
async fn refused(refuses: Refuses) -> usize {
    let refused = Arc::new(AtomicUsize::new(0));
    let count = refused.clone();
    let narrow =
        move |inner: Arc<dyn Connector>| Arc::new(Narrow { inner, refuses, refused: count }) as Arc<dyn Connector>;
    let array = array_with(Duration::from_secs(5), narrow).await;
    array.start(&["pod-1", "pod-2"]);
    let accepted = array.upload("image", &rgb16_tiff(600, 900)).await;
    let ended = array.ended(&accepted).await;
    assert_eq!(ended.state, JobState::Failed);
    let reason = ended.reason.unwrap();
    assert!(reason.starts_with("The array can't store a record of this job: 65537 bytes for /jobs/"), "{reason}");
    refused.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_record_is_too_large_fails_with_a_sentence_and_not_in_a_loop() {
    assert_eq!(refused(|path, _| path.matches('/').count() == 2 && path.starts_with("/jobs/")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_tasks_are_too_large_fails_with_a_sentence_and_not_in_a_loop() {
    assert_eq!(refused(|path, _| path.ends_with("/task_1")).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_result_is_too_large_ends_its_job_with_a_sentence() {
    let stored = |path: &str, data: &[u8]| path.ends_with("/done") && String::from_utf8_lossy(data).contains("stored");
    let tasks = 1..=4;
    assert!(tasks.contains(&refused(stored).await), "each task says so once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_one_of_whose_roles_panics_begins_anew_and_the_job_is_done() {
    static ONCE: AtomicUsize = AtomicUsize::new(0);
    let refuses: Refuses = |path, _| {
        assert!(!path.ends_with("/lock") || ONCE.fetch_add(1, Ordering::SeqCst) > 0, "a fault of our own");
        false
    };
    let refused = Arc::default();
    let narrow = move |inner: Arc<dyn Connector>| Arc::new(Narrow { inner, refuses, refused }) as Arc<dyn Connector>;
    let array = array_with(Duration::from_secs(5), narrow).await;
    array.start(&["pod-1"]);
    let original = rgb16_tiff(600, 900);
    let accepted = array.upload("image", &original).await;
    array.is_exact(&accepted, &original).await;
    assert!(ONCE.load(Ordering::SeqCst) > 1);
}
