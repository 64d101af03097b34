//! Active jobs with their tasks, the locks on them, and what waits.

use leptos::prelude::*;
use shared::cluster::{ClusterView, JobView, PhaseView, TaskState, TaskView};
use shared::id::JobId;
use shared::route;

use super::{Elapsed, phase_label};
use crate::dynamic::dynamic;
use crate::format;

/// How many jobs wait, and since when.
#[component]
pub fn BacklogLine(
    /// The array.
    #[prop(into)]
    view: Signal<ClusterView>,
) -> impl IntoView {
    let queued = Memo::new(move |_| view.read().backlog.queued);
    let oldest = Memo::new(move |_| view.read().backlog.oldest);
    let seen = Signal::derive(move || view.read().at);
    view! {
        <p class="backlog" data-testid="backlog">
            <strong>{dynamic(move || format::count(queued.get()))}</strong>
            {dynamic(move || if queued.get() == 1 { " job waits" } else { " jobs wait" })}
            {dynamic(move || {
                oldest.get().filter(|_| queued.get() > 0).map(|since| view! { ", the oldest for " <Elapsed since seen /> })
            })}
            ", "
            {dynamic(move || format::count(view.read().backlog.running))}
            " at work."
        </p>
    }
}

/// Active jobs: each phase with its tasks as squares.
#[component]
pub fn Work(
    /// The array.
    #[prop(into)]
    view: Signal<ClusterView>,
) -> impl IntoView {
    let jobs = Memo::new(move |_| view.read().jobs.iter().map(|job| job.job.clone()).collect::<Vec<_>>());
    view! {
        <section class="panel" aria-labelledby="work-title">
            <h2 id="work-title">"Jobs"</h2>
            <BacklogLine view />
            <ul class="work">
                <For each=move || jobs.get() key=|job| job.clone() let:job>
                    <JobWork job view />
                </For>
            </ul>
            <p class="quiet-note" hidden=dynamic(move || !jobs.read().is_empty())>
                "Nothing is being worked on. Drop an image on the gallery and watch this place."
            </p>
            <ul class="legend" aria-label="Colours of tasks">
                <li>
                    <i class="task" data-state="waiting"></i>
                    "waiting"
                </li>
                <li>
                    <i class="task" data-state="running"></i>
                    "running"
                </li>
                <li>
                    <i class="task" data-state="done"></i>
                    "done"
                </li>
                <li>
                    <i class="task" data-state="quarantined"></i>
                    "quarantined"
                </li>
            </ul>
        </section>
    }
}

#[component]
fn JobWork(job: JobId, view: Signal<ClusterView>) -> impl IntoView {
    let short = job.short().to_owned();
    let now = Memo::new({
        let job = job.clone();
        // A job that has ended keeps its last look until its item is taken away.
        move |before: Option<&Option<JobView>>| view.read().job(&job).cloned().or_else(|| before.cloned().flatten())
    });
    let seen = Signal::derive(move || view.read().at);
    let since = Signal::derive(move || now.read().as_ref().map_or(0, |job| job.started));
    let image = move || now.read().as_ref().map(|job| route::image_page(&job.image));
    let epoch = move || now.read().as_ref().map_or(0, |job| job.epoch);
    view! {
        <li class="work-job" data-testid="cluster-job" data-job=job.to_string()>
            <div class="job-line">
                <a class="mono" href=image title=job.to_string()>
                    {short}
                </a>
                <span class="muted">"epoch " {epoch} ", for " <Elapsed since seen /></span>
            </div>
            {dynamic(move || {
                now.read().as_ref().map(|job| job.phases.iter().map(phase).collect_view())
            })}
        </li>
    }
}

fn phase(phase: &PhaseView) -> impl IntoView + use<> {
    let missing = phase.total.saturating_sub(u32::try_from(phase.tasks.len()).unwrap_or(u32::MAX));
    view! {
        <div class="phase">
            <span class="phase-name">{phase_label(phase.phase)}</span>
            <ol class="tasks" aria-label=format!("{}: {} of {} tasks done", phase_label(phase.phase), phase.done, phase.total)>
                {phase.tasks.iter().map(task).collect_view()}
                {(missing > 0)
                    .then(|| view! { <li class="tasks-more muted">{format!("{missing} to come")}</li> })}
            </ol>
            <span class="phase-count muted">{format!("{} / {}", phase.done, phase.total)}</span>
        </div>
    }
}

/// A task's state as in JSON.
const fn state_name(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::Running => "running",
        TaskState::Done => "done",
        TaskState::Quarantined => "quarantined",
    }
}

fn task(task: &TaskView) -> impl IntoView + use<> {
    let words = describe(task);
    view! { <li class="task" data-testid="task" data-state=state_name(task.state) title=words.clone() aria-label=words></li> }
}

fn describe(task: &TaskView) -> String {
    let mut words = format!("task {}: {}", task.index, state_name(task.state));
    if let Some(pod) = &task.pod {
        words += &format!(" by {pod}");
    }
    if task.attempt > 0 {
        words += &format!(", attempt {}", task.attempt);
    }
    if let (Some(started), Some(finished)) = (task.started, task.finished) {
        words += &format!(", {} ms", (finished - started).max(0));
    }
    if task.strikes > 0 {
        words += &format!(", {} strikes", task.strikes);
    }
    words
}

/// Which pod holds which task.
#[component]
pub fn Locks(
    /// The array.
    #[prop(into)]
    view: Signal<ClusterView>,
) -> impl IntoView {
    let locks = Memo::new(move |_| view.with(held));
    view! {
        <section class="panel" aria-labelledby="locks-title">
            <h2 id="locks-title">"Locks " <span class="muted">{dynamic(move || locks.read().len().to_string())}</span></h2>
            <p class="quiet-note" hidden=dynamic(move || !locks.read().is_empty())>
                "No task is held."
            </p>
                <table class="table" hidden=dynamic(move || locks.read().is_empty())>
                    <thead>
                        <tr>
                            <th scope="col">"Task"</th>
                            <th scope="col">"Holder"</th>
                            <th scope="col">"Attempt"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {dynamic(move || {
                            locks
                                .get()
                                .into_iter()
                                .map(|(task, pod, attempt)| {
                                    view! {
                                        <tr data-testid="lock">
                                            <td class="mono">{task}</td>
                                            <td>{pod}</td>
                                            <td>{attempt}</td>
                                        </tr>
                                    }
                                })
                                .collect_view()
                        })}
                    </tbody>
                </table>
        </section>
    }
}

/// Task (as the end of its znode's path), holder and attempt of each lock.
fn held(view: &ClusterView) -> Vec<(String, String, u32)> {
    let tasks = view.jobs.iter().flat_map(|job| {
        job.phases.iter().flat_map(move |phase| phase.tasks.iter().map(move |task| (job, phase, task)))
    });
    tasks
        .filter(|(_, _, task)| task.state == TaskState::Running)
        .filter_map(|(job, phase, task)| {
            let path = format!("{}/{}/{}", job.job.short(), phase.phase, task.index);
            Some((path, task.pod.as_ref()?.to_string(), task.attempt))
        })
        .collect()
}
