//! Strikes: only a task that kills its pod is struck out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shared::job::{JobState, Phase};
use shared::task::{Lock, MAX_STRIKES};
use testkit::images::rgb16_tiff;
use testkit::store_faults::{Act, Fault, Rule};
use testkit::{TestArray, elapse};

use crate::array;
use crate::tasks::{count, held, read, until};

const MAP: Phase = Phase::Histograms;
/// How long a task is held that the test takes away from its holder.
const HOLD: Duration = Duration::from_secs(10);
/// Session timeout where several claims must be lost before the first loser learns of it, after 7/5 of this.
const LONG_LEASE: Duration = Duration::from_secs(4);

/// Delays the writes of this task's output, this many times.
fn slow(key: &str, time: Duration, times: u64) -> Rule {
    Rule::on(Act::Put, Fault::Slow(time)).keys(key).times(times)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_is_quarantined_after_three_and_what_shared_its_pod_is_not_and_a_retry_starts_again() {
    let array = array(Duration::from_millis(600)).await;
    let (original, eye) = (rgb16_tiff(600, 900), array.session().await);
    // Every pod that works on task 0 is killed. The other tasks are slow too, so that they share its first pod.
    array.faults.play(slow("/histograms/0.", HOLD, 3));
    array.faults.play(slow("/histograms/", Duration::from_millis(700), 4));
    let accepted = array.upload("image", &original).await;
    let job = &accepted.job_id;
    array.start(&["pod-0"]);
    let (mut before, _) = held(&array, (job, MAP, 0), None).await;
    let tasks = count(&*eye, job, MAP).await;
    assert!(tasks >= 4, "{tasks} tasks");
    for index in 1..tasks {
        let (lock, _) = held(&array, (job, MAP, index), None).await;
        assert_eq!(lock.pod, before.pod, "they share a pod");
    }
    let mut most: BTreeMap<u32, usize> = BTreeMap::new();
    for death in 1..=MAX_STRIKES {
        array.kill(before.pod.as_str());
        if death == MAX_STRIKES {
            break;
        }
        array.start(&[&format!("pod-{death}")]);
        let (lock, _) = held(&array, (job, MAP, 0), Some(&before)).await;
        before = lock;
        for index in 1..tasks {
            let seen = read(&*eye, job, MAP, index).await.unwrap();
            assert!(seen.lock.is_none(), "task {index} runs beside a task with a strike");
            let most = most.entry(index).or_default();
            // A done task's strikes include that of the claim that committed it.
            *most = (*most).max(seen.task.strikes.len() - usize::from(seen.done.is_some()));
        }
    }
    array.start(&["pod-3"]);
    let ended = array.ended(&accepted).await;
    assert_eq!(ended.state, JobState::Failed);
    let reason = ended.reason.unwrap();
    assert!(reason.starts_with("Task 0 of histograms was given up: of its attempts, 3 "), "{reason}");
    assert!(most.values().all(|strikes| *strikes <= 1), "{most:?}");
    array.faults.end();
    array.catalog.retry(job).await.unwrap();
    array.is_exact(&accepted, &original).await;
}

/// Disconnects and expires the session that holds a task; its pod learns of it much later.
async fn lose(array: &TestArray, task: (&shared::id::JobId, Phase, u32), before: Option<&Lock>) -> Lock {
    let (lock, session) = held(array, task, before).await;
    array.embedded.disconnect(session);
    array.embedded.expire(session);
    lock
}

#[tokio::test(flavor = "multi_thread")]
async fn six_sessions_that_end_in_quick_succession_on_one_task_quarantine_nothing() {
    let array = array(LONG_LEASE).await;
    let original = rgb16_tiff(600, 900);
    array.faults.play(slow("/histograms/0.", HOLD, 6));
    let accepted = array.upload("image", &original).await;
    let task = (&accepted.job_id, MAP, 0);
    array.start(&["pod-1", "pod-2", "pod-3", "pod-4"]);
    let mut before = None;
    for _ in 0..2 {
        for _ in 0..MAX_STRIKES {
            before = Some(lose(&array, task, before.as_ref()).await);
        }
        // Three strikes, no lock, and every pod that could give one back still believes in its session.
        until(&array, "a suspect", task, |seen| (seen.lock.is_none() && seen.task.is_struck_out()).then_some(())).await;
    }
    until(&array, "the seventh claim", task, |seen| (seen.task.attempt >= 7).then_some(())).await;
    array.is_exact(&accepted, &original).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_expire_at_once_again_and_again_leave_no_strike() {
    let array = array(Duration::from_secs(2)).await;
    let original = rgb16_tiff(600, 900);
    array.faults.play(slow("/histograms/0.", HOLD, 6));
    let accepted = array.upload("image", &original).await;
    let task = (&accepted.job_id, MAP, 0);
    array.start(&["pod-1", "pod-2"]);
    let mut before = None;
    for _ in 0..6 {
        let (lock, session) = held(&array, task, before.as_ref()).await;
        array.embedded.expire(session);
        before = Some(lock);
    }
    array.is_exact(&accepted, &original).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_strike_nobody_out_and_free_their_tasks_at_once() {
    let array = array(Duration::from_secs(30)).await;
    let (original, eye) = (rgb16_tiff(600, 900), array.session().await);
    array.faults.play(slow("/histograms/0.", HOLD, 6));
    let accepted = array.upload("image", &original).await;
    let task = (&accepted.job_id, MAP, 0);
    array.start(&["pod-1", "pod-2"]);
    let (begun, mut before) = (Instant::now(), None);
    for _ in 0..6 {
        let (lock, _) = held(&array, task, before.as_ref()).await;
        array.stop(lock.pod.as_str()).await;
        let seen = read(&*eye, task.0, task.1, task.2).await.unwrap();
        assert!(!seen.task.strikes.contains(&lock.claim), "its strike is given back: {seen:?}");
        assert!(seen.lock.is_none_or(|(other, _)| other.claim != lock.claim), "its lock is gone");
        array.start(&[lock.pod.as_str()]);
        before = Some(lock);
    }
    array.is_exact(&accepted, &original).await;
    assert!(begun.elapsed() < Duration::from_secs(30), "somebody waited for a lease");
}

#[tokio::test(flavor = "multi_thread")]
async fn outages_that_end_every_session_strike_nobody_out() {
    let lease = Duration::from_millis(600);
    let array = array(lease).await;
    let original = rgb16_tiff(600, 900);
    array.faults.play(slow("/histograms/", HOLD, 12));
    let accepted = array.upload("image", &original).await;
    let task = (&accepted.job_id, MAP, 0);
    array.start(&["pod-1", "pod-2", "pod-3"]);
    let mut before = None;
    for _ in 0..4 {
        let (lock, _) = held(&array, task, before.as_ref()).await;
        before = Some(lock);
        array.embedded.go_down();
        // All sessions end.
        elapse(lease * 3).await;
        array.embedded.come_back();
    }
    array.faults.end();
    array.is_exact(&accepted, &original).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_takes_several_session_timeouts_is_not_stolen_while_its_workers_session_lives() {
    let lease = Duration::from_millis(500);
    let array = array(lease).await;
    let (original, eye) = (rgb16_tiff(600, 900), array.session().await);
    array.faults.play(slow("/histograms/", lease * 5, 100));
    array.faults.play(slow("/equalize/", lease * 5, 100));
    let accepted = array.upload("image", &original).await;
    array.start(&["pod-1", "pod-2", "pod-3"]);
    let begun = Instant::now();
    until(&array, "the next phase", (&accepted.job_id, Phase::Equalize, 0), |_| Some(())).await;
    assert!(begun.elapsed() > lease * 4);
    for index in 0..count(&*eye, &accepted.job_id, MAP).await {
        let seen = read(&*eye, &accepted.job_id, MAP, index).await.unwrap();
        assert_eq!((seen.task.attempt, seen.done.map(|done| done.attempt)), (1, Some(1)), "task {index}");
    }
    array.is_exact(&accepted, &original).await;
}
