//! Logs of pods, read through an API that breaks off.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use server::logs::LogBook;
use shared::log::{LogId, LogKind};
use testkit::{elapse, eventually};
use tokio::sync::Semaphore;

use super::api::Pod;
use super::cluster::{Cluster, Meets};

/// Waits until a pod's log has this many entries and returns them, notes marked.
async fn log(book: &LogBook, pod: &str, entries: usize) -> Vec<String> {
    let pod = pod.parse().unwrap();
    let enough = async || match book.tail(&pod, usize::MAX) {
        Some(kept) if kept.len() >= entries => Ok(kept),
        seen => Err(seen),
    };
    let kept = eventually(&format!("{entries} entries"), Duration::from_secs(900), enough).await;
    let text = |kind: LogKind, text: &str| if kind == LogKind::Note { format!("* {text}") } else { text.to_owned() };
    kept.iter().map(|entry| text(entry.1.kind, &entry.1.text)).collect()
}

fn book(pod: &Pod) -> LogBook {
    pod.kubernetes.logs()
}

fn numbers(range: std::ops::Range<u64>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

fn say(cluster: &Cluster, pod: &str, range: std::ops::Range<u64>) {
    range.for_each(|number| cluster.say(pod, number * 100, &number.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_log_over_connections_that_break_has_every_line_once() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    say(&cluster, "b", 0..5);
    for items in [0, 3, 1, 14, 0] {
        cluster.next(1, Method::GET, "/pods/b/log", Meets::Break(items));
    }
    say(&cluster, "b", 5..20);
    assert_eq!(log(&book(&pods[0]), "b", 20).await, numbers(0..20));
    say(&cluster, "b", 20..40);
    assert_eq!(log(&book(&pods[0]), "b", 40).await, numbers(0..40));
    assert_eq!(log(&book(&pods[1]), "b", 40).await, numbers(0..40), "a pod reads itself too");
}

#[tokio::test(start_paused = true)]
async fn every_reader_gives_a_line_the_same_id() {
    let (cluster, pods) = Cluster::with(&["a", "b", "c"]);
    (0..9).for_each(|number| cluster.say("c", 100, &number.to_string()));
    log(&book(&pods[0]), "c", 9).await;
    let ids = |pod: &Pod| -> Vec<LogId> {
        book(pod).tail(&"c".parse().unwrap(), 99).unwrap().iter().map(|entry| entry.0).collect()
    };
    log(&book(&pods[1]), "c", 9).await;
    assert_eq!(ids(&pods[0]), ids(&pods[1]));
    assert_eq!(ids(&pods[0])[8].nth, 8);
}

#[tokio::test(start_paused = true)]
async fn the_last_lines_before_a_crash_are_there_and_the_first_ones_after_it() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    cluster.next(2, Method::GET, "/pods/b/log", Meets::Break(3));
    // The connections break, then the container writes its last lines, then it is restarted before they are read.
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(2, Method::GET, "/pods/b/log", Meets::Hold(gate.clone()));
    say(&cluster, "b", 0..3);
    cluster.asked("/pods/b/log", 4).await;
    cluster.say("b", 350, "panicked");
    cluster.restart("b", 137);
    cluster.say("b", 400, "begins anew");
    gate.add_permits(99);
    let expected = [
        "0",
        "1",
        "2",
        "panicked",
        "* The container ended (exit code 137) and was started again, once so far.",
        "begins anew",
    ];
    assert_eq!(log(&book(&pods[0]), "b", 6).await, expected);
    assert_eq!(log(&book(&pods[1]), "b", 6).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_started_again_while_its_log_is_opened_loses_nothing() {
    let (cluster, pods) = Cluster::with(&["a"]);
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(1, Method::GET, "/pods/a/log", Meets::Hold(gate.clone()));
    cluster.asked("/pods/a/log", 1).await;
    cluster.say("a", 100, "last words");
    cluster.restart("a", 1);
    cluster.say("a", 200, "begins anew");
    gate.add_permits(1);
    let note = "* The container ended (exit code 1) and was started again, once so far.";
    assert_eq!(log(&book(&pods[0]), "a", 3).await, ["last words", note, "begins anew"]);
}

#[tokio::test(start_paused = true)]
async fn starts_that_nobody_could_read_are_told() {
    let (cluster, pods) = Cluster::with(&["a"]);
    let gate = Arc::new(Semaphore::new(0));
    cluster.next(1, Method::GET, "/pods/a/log", Meets::Break(2));
    cluster.next(1, Method::GET, "/pods/a/log", Meets::Hold(gate.clone()));
    say(&cluster, "a", 0..2);
    cluster.asked("/pods/a/log", 2).await;
    for second in 1..4 {
        cluster.restart("a", 1);
        cluster.say("a", second * 1_000, &format!("start {second}"));
    }
    gate.add_permits(1);
    let kept = log(&book(&pods[0]), "a", 6).await;
    assert_eq!(
        kept[2..5],
        [
            "* The logs of 2 starts in between are lost.".to_owned(),
            "start 2".to_owned(),
            "* The container ended (exit code 1) and was started again, 3 times so far.".to_owned()
        ]
    );
    assert_eq!(kept[5], "start 3");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_a_pod_that_is_gone_is_kept() {
    let (cluster, pods) = Cluster::with(&["a", "b"]);
    say(&cluster, "b", 0..3);
    log(&book(&pods[0]), "b", 3).await;
    cluster.delete("b");
    // The pods are listed again, without it.
    elapse(Duration::from_secs(60)).await;
    assert_eq!(log(&book(&pods[0]), "b", 3).await, numbers(0..3));
    // A later pod of this name continues the log.
    cluster.add("b", "worker");
    say(&cluster, "b", 30..32);
    assert_eq!(log(&book(&pods[0]), "b", 5).await[3..], numbers(30..32));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_may_not_be_read_says_so_once_and_goes_on_when_it_may() {
    let (cluster, pods) = Cluster::with(&["a"]);
    cluster.next(usize::MAX, Method::GET, "/log", Meets::Status(403));
    say(&cluster, "a", 0..2);
    // The log is refused many times.
    elapse(Duration::from_secs(300)).await;
    cluster.calm();
    let note = "* The log can't be read at the moment: Kubernetes forbids it: as the scenario says.";
    assert_eq!(log(&book(&pods[0]), "a", 3).await, [note, "0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fell_silent_is_opened_anew() {
    let (cluster, pods) = Cluster::with(&["a"]);
    cluster.next(1, Method::GET, "/pods/a/log", Meets::Stall(2));
    say(&cluster, "a", 0..4);
    assert_eq!(log(&book(&pods[0]), "a", 4).await, numbers(0..4));
}

#[tokio::test(start_paused = true)]
async fn a_log_request_that_is_not_answered_is_sent_again() {
    let (cluster, pods) = Cluster::with(&["a"]);
    cluster.next(2, Method::GET, "/pods/a/log", Meets::Silence);
    say(&cluster, "a", 0..2);
    let kept = log(&book(&pods[0]), "a", 3).await;
    assert_eq!(kept, ["* The log can't be read at the moment: Kubernetes' API doesn't answer.", "0", "1"]);
}
