//! Explains in one sentence why work is slow: the first cause found, in the order in which an operator would look.

use shared::cluster::{PhaseView, PodState, PodView, TaskState, TaskView};
use shared::number::Decimal;

use super::health::{room_sentence, trouble};
use super::picture::Picture;
use crate::components::phase_label;
use crate::format;

/// A task is a straggler once it has run this many times as long as the median of its phase's finished tasks.
const SLOW: i64 = 3;
/// Minimum duration of a straggler, in ms.
const SOON: i64 = 2_000;

/// Returns the sentence.
pub fn sentence(picture: &Picture<'_>) -> String {
    let view = picture.view;
    if picture.is_old {
        return "Unknown while this page is disconnected.".to_owned();
    }
    if let Some((title, sentence)) = trouble(view) {
        return format!("{title}. {sentence}");
    }
    if view.jobs.is_empty() && view.backlog.queued == 0 {
        return room_sentence(view).unwrap_or_else(|| "No jobs are waiting.".to_owned());
    }
    held_by_the_gone(picture).or_else(|| again(picture)).or_else(|| straggler(picture)).unwrap_or_else(|| busy(picture))
}

/// Returns all tasks with their phases.
fn tasks<'a>(picture: &Picture<'a>) -> impl Iterator<Item = (&'a PhaseView, &'a TaskView)> + use<'a> {
    let phases = picture.view.jobs.iter().flat_map(|job| &job.phases);
    phases.flat_map(|phase| phase.tasks.iter().map(move |task| (phase, task)))
}

/// Tasks locked by unresponsive pods, whose locks last until their sessions expire.
fn held_by_the_gone(picture: &Picture<'_>) -> Option<String> {
    let silent = |task: &TaskView| {
        let pod = picture.view.pods.iter().find(|pod| Some(&pod.pod) == task.pod.as_ref())?;
        (task.state == TaskState::Running && (pod.fault.is_some() || pod.state == PodState::Down)).then_some(pod)
    };
    let held: Vec<_> = tasks(picture).filter_map(|(_, task)| silent(task)).collect();
    let pod = held.first()?;
    Some(format!(
        "{} held by {}, which is silent. Its lease expires at most {} s after its last heartbeat; then other pods take over.",
        numbered(held.len(), "task is", "tasks are"),
        pod.pod,
        Decimal(pod.lease_ms as f64 / 1_000.0)
    ))
}

/// Tasks with failed attempts.
fn again(picture: &Picture<'_>) -> Option<String> {
    let quarantined = tasks(picture).filter(|(_, task)| task.state == TaskState::Quarantined).count();
    if quarantined > 0 {
        let tasks = numbered(quarantined, "task has", "tasks have");
        return Some(format!("{tasks} failed three times and won't be retried; the job fails with the reason."));
    }
    let again = tasks(picture).filter(|(_, task)| task.state != TaskState::Done && task.strikes > 0).count();
    (again > 0).then(|| format!("{} being retried after a failed attempt.", numbered(again, "task is", "tasks are")))
}

/// The slowest running task, if it holds up its phase.
fn straggler(picture: &Picture<'_>) -> Option<String> {
    let slowest = tasks(picture)
        .filter(|(_, task)| task.state == TaskState::Running)
        .filter_map(|(phase, task)| Some((picture.now - task.started?, phase, task)))
        .max_by_key(|(lasted, ..)| *lasted)?;
    let (lasted, phase, task) = slowest;
    let mut others: Vec<i64> = phase.tasks.iter().filter_map(|other| Some(other.finished? - other.started?)).collect();
    others.sort_unstable();
    let usual = *others.get(others.len() / 2)?;
    (lasted > SOON && lasted > SLOW * usual).then(|| {
        let pod = task.pod.as_ref().map(ToString::to_string).unwrap_or_default();
        format!(
            "{}, task {}: running on {pod} for {}; the others took {} ms.",
            phase_label(phase.phase),
            task.index,
            format::span(lasted),
            format::count(usual.max(0) as u64)
        )
    })
}

/// Busy threads and queued jobs.
fn busy(picture: &Picture<'_>) -> String {
    let view = picture.view;
    let up = || view.pods.iter().filter(|pod| pod.state == PodState::Up);
    // Pods of one process share its threads.
    let first = |(place, pod): &(usize, &PodView)| !up().take(*place).any(|other| other.address == pod.address);
    let threads: usize = up().enumerate().filter(first).map(|(_, pod)| pod.cores).sum();
    let busy = up().map(|pod| pod.holds).sum::<usize>().min(threads);
    let queued = view.backlog.queued;
    let waits = format!("{} {}", format::count(queued), if queued == 1 { "job is queued" } else { "jobs are queued" });
    match (queued, busy == threads) {
        (0, true) => format!("It isn't: all {threads} threads are busy, and no jobs are queued."),
        (0, false) => format!("It isn't: {busy} of {threads} threads are busy, and no jobs are queued."),
        (_, true) => {
            format!("All {threads} threads are busy, and {waits}. More pods or threads would help.")
        }
        (_, false) => format!("{waits}: the master runs no more at once. {busy} of {threads} threads are busy."),
    }
}

fn numbered(number: usize, one: &str, more: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {more}") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    use shared::clock::Stamp;
    use shared::cluster::{ClusterView, Health, JobView, PodView};
    use shared::job::{Lane, Phase};

    use super::super::spans::tests::{job, picture};
    use super::*;

    pub fn view() -> ClusterView {
        ClusterView {
            health: Health::Ok,
            pods: ["pod-1", "pod-2"].map(pod).to_vec(),
            ..ClusterView::empty(Stamp { clock: 1, pod: "pod-1".parse().unwrap() })
        }
    }

    fn pod(name: &str) -> PodView {
        PodView {
            pod: name.parse().unwrap(),
            state: PodState::Up,
            leads: false,
            session: "1".to_owned(),
            lease_ms: 4_000,
            address: "127.0.0.1:1".to_owned(),
            cores: 2,
            version: "1".to_owned(),
            started: 0,
            holds: 0,
            leaving: false,
            faults: false,
            fault: None,
        }
    }

    fn task(index: u32, state: TaskState, started: i64, finished: Option<i64>) -> TaskView {
        let pod = Some("pod-2".parse().unwrap());
        TaskView { index, state, attempt: 1, strikes: 0, pod, started: Some(started), finished }
    }

    fn with(tasks: Vec<TaskView>) -> ClusterView {
        let done = tasks.iter().filter(|task| task.state == TaskState::Done).count() as u32;
        let phase = PhaseView { phase: Phase::Histograms, done, total: tasks.len() as u32, tasks };
        let image = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let job = JobView { job: job(), image, lane: Lane::Large, epoch: 1, started: 0, phases: vec![phase] };
        ClusterView { jobs: vec![job], ..view() }
    }

    fn said(view: &ClusterView) -> String {
        sentence(&picture(view, &[], 10_000))
    }

    #[test]
    fn an_idle_array_waits_for_nothing() {
        assert_eq!(said(&view()), "No jobs are waiting.");
    }

    #[test]
    fn one_slow_task_among_quick_ones_is_named_with_its_holder() {
        let done = |index| task(index, TaskState::Done, 0, Some(200));
        let view = with(vec![done(0), done(1), task(2, TaskState::Running, 1_000, None)]);
        assert_eq!(said(&view), "Counting, task 2: running on pod-2 for 9 s; the others took 200 ms.");
    }

    #[test]
    fn tasks_of_a_silent_pod_wait_for_its_lease() {
        let mut view = with(vec![task(0, TaskState::Running, 1_000, None)]);
        view.pods[1].fault = Some(shared::cluster::Fault::Frozen);
        assert!(said(&view).starts_with("1 task is held by pod-2, which is silent."), "{}", said(&view));
        assert!(said(&view).contains("at most 4 s"));
    }

    #[test]
    fn when_every_thread_is_busy_more_of_them_would_help() {
        let mut view = with(vec![task(0, TaskState::Running, 9_500, None)]);
        view.backlog.queued = 1_200;
        (view.pods[0].holds, view.pods[1].holds) = (1, 1);
        assert_eq!(said(&view), "All 2 threads are busy, and 1,200 jobs are queued. More pods or threads would help.");
        view.backlog.queued = 0;
        view.pods[0].holds = 0;
        assert_eq!(said(&view), "It isn't: 1 of 2 threads are busy, and no jobs are queued.");
    }

    #[test]
    fn a_task_that_is_tried_again_is_said() {
        let mut view = with(vec![task(0, TaskState::Running, 9_900, None)]);
        view.jobs[0].phases[0].tasks[0].strikes = 1;
        assert_eq!(said(&view), "1 task is being retried after a failed attempt.");
        view.jobs[0].phases[0].tasks[0].state = TaskState::Quarantined;
        assert!(said(&view).starts_with("1 task has failed three times"));
    }

    #[test]
    fn without_a_master_that_is_the_reason() {
        let view = ClusterView { health: Health::NoMaster, ..view() };
        assert!(said(&view).starts_with("There is no master."));
    }
}
