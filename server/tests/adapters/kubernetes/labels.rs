//! The labels of pods, whatever the API does.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use shared::cluster::Label;
use testkit::elapse;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cluster::{Cluster, Meets};

#[tokio::test(start_paused = true)]
async fn the_elected_pod_says_master_and_the_one_before_says_worker() {
    let (cluster, pods) = Cluster::with(&["a", "b", "c"]);
    pods[0].leads.send_replace(Some(1));
    cluster.until(&["a: master 1", "b: worker 1", "c: worker 1"]).await;
    // Its node dies, so it can't remove its label itself.
    pods[1].leads.send_replace(Some(2));
    cluster.until(&["a: worker 2", "b: master 2", "c: worker 2"]).await;
    let shown = pods[2].shows(|labels| labels.masters == ["b"]).await;
    assert_eq!(shown.of(&"b".parse().unwrap()), Label::Set);
    assert_eq!(shown.of(&"a".parse().unwrap()), Label::Pending);
}

#[tokio::test(start_paused = true)]
async fn whoever_no_longer_leads_takes_its_own_label_back() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    pods[0].leads.send_replace(Some(1));
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    pods[0].leads.send_replace(None);
    cluster.until(&["a: worker 1", "b: worker 1"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_comes_back_in_a_labelled_pod_calls_itself_worker() {
    let cluster = Cluster::new();
    cluster.add("a", "master");
    let _pod = cluster.run("a", true);
    cluster.until(&["a: worker -"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_deposed_master_that_thaws_before_its_write_changes_nothing() {
    let (cluster, pods) = Cluster::with(&["a", "b", "c"]);
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(1, Method::PATCH, "/pods/a", Meets::Hold(gate.clone()));
    pods[0].leads.send_replace(Some(1));
    // It has read everything and is about to label itself master when it freezes. It is labelled worker so far, so a successor
    // that looked only for masters would not touch it.
    cluster.asked("PATCH /api/v1/namespaces/ns/pods/a", 1).await;
    pods[1].leads.send_replace(Some(2));
    cluster.until(&["a: worker 2", "b: master 2", "c: worker 2"]).await;
    gate.add_permits(1);
    // It reads again, sees the later epoch, and writes nothing.
    let shown = pods[0].shows(|labels| labels.trouble.is_some()).await;
    assert_eq!(shown.trouble.unwrap(), "the pod c has been labelled by a later master, of epoch 2");
    // Long enough for further writes.
    elapse(Duration::from_secs(60)).await;
    assert_eq!(cluster.roles(), ["a: worker 2", "b: master 2", "c: worker 2"]);
    for masters in cluster.history() {
        assert!(!masters.contains(&("a".to_owned(), 1)), "the deposed master said master: {:?}", cluster.history());
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_done_long_after_its_time_changes_nothing() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(1, Method::PATCH, "/pods/a", Meets::Hold(gate.clone()));
    pods[0].leads.send_replace(Some(1));
    // It isn't answered in time, so the pod reads and writes again; the first write is still in flight.
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    pods[0].leads.send_replace(None);
    pods[1].leads.send_replace(Some(2));
    cluster.until(&["a: worker 2", "b: master 2"]).await;
    gate.add_permits(1);
    // Long enough for further writes.
    elapse(Duration::from_secs(60)).await;
    assert_eq!(cluster.roles(), ["a: worker 2", "b: master 2"]);
    let late = cluster.history().into_iter().skip_while(|masters| !masters.contains(&("b".to_owned(), 2)));
    assert!(late.into_iter().all(|masters| masters == [("b".to_owned(), 2)]));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_the_kubelet_writes_to_at_the_same_time_is_read_again() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(1, Method::PATCH, "/pods/b", Meets::Hold(gate.clone()));
    pods[0].leads.send_replace(Some(1));
    cluster.asked("PATCH", 1).await;
    cluster.touch("b");
    gate.add_permits(1);
    let began = Instant::now();
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    assert!(began.elapsed() < Duration::from_millis(100), "a conflict is no reason to wait: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_deleted_meanwhile_keeps_nobody_from_leading() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(1, Method::PATCH, "/pods/b", Meets::Hold(gate.clone()));
    pods[0].leads.send_replace(Some(1));
    cluster.asked("PATCH", 1).await;
    cluster.delete("b");
    gate.add_permits(1);
    cluster.until(&["a: master 1"]).await;
    let shown = pods[0].shows(|labels| labels.masters == ["a"]).await;
    assert_eq!(shown.trouble, None);
}

#[tokio::test(start_paused = true)]
async fn a_label_that_is_forbidden_is_shown_with_its_reason_and_tried_again() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    cluster.next(usize::MAX, Method::PATCH, "", Meets::Status(403));
    pods[0].leads.send_replace(Some(1));
    let shown = pods[0].shows(|labels| labels.trouble.is_some()).await;
    let label = String::from(shown.of(&"a".parse().unwrap()));
    assert_eq!(label, "failed: can't write the label of a: Kubernetes forbids it: as the scenario says");
    elapse(Duration::from_secs(600)).await;
    let tried = cluster.requests().iter().filter(|request| request.starts_with("PATCH")).count();
    assert!((20..100).contains(&tried), "{tried} requests in ten minutes: neither given up nor a storm");
    cluster.calm();
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    pods[0].shows(|labels| labels.of(&"a".parse().unwrap()) == Label::Set).await;
}

#[tokio::test(start_paused = true)]
async fn one_pod_that_cannot_be_written_does_not_keep_the_master_from_its_label() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    cluster.label("b", "master");
    cluster.next(usize::MAX, Method::PATCH, "/pods/b", Meets::Status(500));
    pods[0].leads.send_replace(Some(1));
    let shown = pods[0].shows(|labels| labels.masters == ["a", "b"] && labels.trouble.is_some()).await;
    assert!(shown.trouble.unwrap().starts_with("can't write the label of b: Kubernetes' API answered 500"));
    cluster.calm();
    cluster.until(&["a: master 1", "b: worker 1"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_api_that_does_not_answer_is_shown_and_asked_again() {
    let (cluster, pods) = Cluster::with(&["a"]);
    cluster.asked("watch=true", 1).await;
    cluster.next(usize::MAX, Method::GET, "/pods", Meets::Silence);
    pods[0].leads.send_replace(Some(1));
    let shown = pods[0].shows(|labels| labels.trouble.is_some()).await;
    assert_eq!(shown.trouble.unwrap(), "can't list our pods: Kubernetes' API doesn't answer");
    cluster.calm();
    cluster.until(&["a: master 1"]).await;
    pods[0].shows(|labels| labels.trouble.is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn a_label_that_somebody_took_away_is_set_again_at_once() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    pods[0].leads.send_replace(Some(1));
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    cluster.asked("watch=true", 2).await;
    let began = Instant::now();
    cluster.label("a", "worker");
    cluster.label("b", "master");
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_has_become_too_old_is_begun_anew() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    pods[0].leads.send_replace(Some(1));
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    cluster.asked("watch=true", 2).await;
    cluster.forget_versions();
    // Longer than the pauses before the pods are listed again and watched anew.
    elapse(Duration::from_secs(5)).await;
    let began = Instant::now();
    cluster.label("b", "master");
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    pods[1].shows(|labels| labels.trouble.is_none() && labels.masters == ["a"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_breaks_off_is_taken_up_again() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    cluster.next(6, Method::GET, "watch=true", Meets::Break(1));
    pods[0].leads.send_replace(Some(1));
    cluster.until(&["a: master 1", "b: worker 1"]).await;
    for _ in 0..8 {
        cluster.label("b", "master");
        cluster.until(&["a: master 1", "b: worker 1"]).await;
    }
    pods[1].shows(|labels| labels.trouble.is_none() && labels.masters == ["a"]).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_watch_the_labels_are_looked_at_now_and_then() {
    let cluster = Cluster::new();
    cluster.add("a", "worker");
    cluster.next(usize::MAX, Method::GET, "watch=true", Meets::Stall(0));
    let pod = cluster.run("a", true);
    pod.leads.send_replace(Some(1));
    cluster.until(&["a: master 1"]).await;
    cluster.label("a", "worker");
    cluster.until(&["a: master 1"]).await;
}

#[tokio::test(start_paused = true)]
async fn outside_a_cluster_nothing_is_written_or_shown_unless_the_pod_is_there() {
    let cluster = Cluster::new();
    cluster.add("theirs", "master");
    let pod = cluster.run("mine", false);
    pod.leads.send_replace(Some(9));
    // Long enough for a write.
    elapse(Duration::from_secs(120)).await;
    assert_eq!(cluster.roles(), ["theirs: master -"]);
    assert_eq!(*pod.kubernetes.labels().borrow(), None);
    assert!(!cluster.requests().iter().any(|request| request.contains("/log")), "somebody else's logs were read");
    cluster.add("mine", "worker");
    cluster.until(&["mine: master 9", "theirs: worker 9"]).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_listed_says_so() {
    let cluster = Cluster::new();
    cluster.add("b", "worker");
    let pod = cluster.run("a", true);
    pod.leads.send_replace(Some(1));
    let shown = pod.shows(|labels| labels.trouble.is_some()).await;
    assert_eq!(shown.trouble.unwrap(), "no pod a matches the selector");
    assert_eq!(cluster.roles(), ["b: worker -"]);
}
