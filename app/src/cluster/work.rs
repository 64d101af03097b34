//! Active jobs and their tasks, locks, backlog and failures.

use shared::cluster::{ClusterView, Failure, JobView, PhaseView, TaskState, TaskView, UnexpectedZnode};
use shared::route;

use super::panel::{form, moment, panel, quiet, table};
use super::picture::Picture;
use crate::components::phase_label;
use crate::format;
use crate::runtime::markup::{Element, el, of};

/// Renders active jobs, with a square for each task of each phase, and the backlog.
pub fn jobs(picture: &Picture<'_>) -> Element {
    let jobs = &picture.view.jobs;
    let legend = ["waiting", "running", "done", "quarantined"]
        .map(|state| el("li").add(of("i", "task").attr("data-state", state)).text(state));
    panel("work", "Jobs", "")
        .add(backlog(picture))
        .add(of("ul", "work").all(jobs.iter().map(|job| one(picture, job))))
        .all(jobs.is_empty().then(|| quiet("No running jobs. Drop an image on the gallery to see one.")))
        .add(of("ul", "legend").attr("aria-label", "Task colours").all(legend))
}

fn backlog(picture: &Picture<'_>) -> Element {
    let backlog = picture.view.backlog;
    let waits = if backlog.queued == 1 { " job queued" } else { " jobs queued" };
    let oldest = backlog.oldest.filter(|_| backlog.queued > 0);
    let oldest = oldest.map(|at| format!(", the oldest for {}", format::span(picture.now - at))).unwrap_or_default();
    let quarantined = quarantined(picture.view);
    let quarantined =
        if quarantined == 0 { String::new() } else { format!(" {} quarantined.", format::count(quarantined)) };
    of("p", "backlog")
        .test("backlog")
        .add(el("strong").text(format::count(backlog.queued)))
        .text(format!("{waits}{oldest}, {} running.{quarantined}", format::count(backlog.running)))
}

/// Returns the number of quarantined tasks.
fn quarantined(view: &ClusterView) -> u64 {
    let tasks = view.jobs.iter().flat_map(|job| job.phases.iter().flat_map(|phase| &phase.tasks));
    tasks.filter(|task| task.state == TaskState::Quarantined).count() as u64
}

fn one(picture: &Picture<'_>, job: &JobView) -> Element {
    let line = of("div", "job-line")
        .add(
            of("a", "mono")
                .attr("href", route::image_page(&job.image))
                .attr("title", job.job.to_string())
                .text(job.job.short().to_owned()),
        )
        .text(" ")
        .add(of("span", "muted").text(format!("epoch {}, for {}", job.epoch, format::span(picture.now - job.started))));
    of("li", "work-job")
        .key(job.job.to_string())
        .test("cluster-job")
        .attr("data-job", job.job.to_string())
        .add(line)
        .all(job.phases.iter().map(phase))
}

fn phase(phase: &PhaseView) -> Element {
    let missing = phase.total.saturating_sub(u32::try_from(phase.tasks.len()).unwrap_or(u32::MAX));
    let name = phase_label(phase.phase);
    let tasks = of("ol", "tasks")
        .attr("aria-label", format!("{name}: {} of {} tasks done", phase.done, phase.total))
        .all(phase.tasks.iter().map(task))
        .all((missing > 0).then(|| of("li", "tasks-more muted").text(format!("{missing} to come"))));
    of("div", "phase")
        .add(of("span", "phase-name").text(name))
        .add(tasks)
        .add(of("span", "phase-count muted").text(format!("{} / {}", phase.done, phase.total)))
}

/// Returns a task state's name, as in JSON.
const fn state_name(state: TaskState) -> &'static str {
    match state {
        TaskState::Waiting => "waiting",
        TaskState::Running => "running",
        TaskState::Done => "done",
        TaskState::Quarantined => "quarantined",
    }
}

fn task(task: &TaskView) -> Element {
    let words = describe(task);
    of("li", "task")
        .test("task")
        .attr("data-state", state_name(task.state))
        .attr("title", words.clone())
        .add(of("span", "visually-hidden").text(words))
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

/// Renders the locks: which pod holds which task.
pub fn locks(picture: &Picture<'_>) -> Element {
    let rows: Vec<Element> = held(picture);
    let panel = panel("locks", "Locks", rows.len().to_string());
    if rows.is_empty() {
        return panel.add(quiet("No locks."));
    }
    panel.add(table(&["Task", "Holder", "Attempt", "For"], rows))
}

fn held(picture: &Picture<'_>) -> Vec<Element> {
    let tasks = picture.view.jobs.iter().flat_map(|job| {
        job.phases.iter().flat_map(move |phase| phase.tasks.iter().map(move |task| (job, phase, task)))
    });
    tasks
        .filter(|(_, _, task)| task.state == TaskState::Running)
        .filter_map(|(job, phase, task)| {
            let path = format!("{}/{}/{}", job.job.short(), phase.phase, task.index);
            let lasted = task.started.map(|at| format::span(picture.now - at)).unwrap_or_default();
            let row = el("tr")
                .key(path.clone())
                .test("lock")
                .add(of("td", "mono").text(path))
                .add(el("td").text(task.pod.as_ref()?.to_string()))
                .add(el("td").text(task.attempt.to_string()))
                .add(el("td").text(lasted));
            Some(row)
        })
        .collect()
}

/// Renders the images whose latest job failed, each with the reason and a retry button.
pub fn failures(picture: &Picture<'_>) -> Element {
    let failed = &picture.view.failed;
    let panel = panel("failed", "Failed", "");
    if failed.is_empty() {
        return panel.add(quiet("No failed jobs."));
    }
    let one = |failure: &Failure| {
        let again = of("button", "button quiet").test("retry-failed").text("Try again");
        let link = el("a").attr("href", route::image_page(&failure.image)).text(failure.name.clone());
        of("li", "failure")
            .key(failure.image.to_string())
            .test("failure")
            .add(of("p", "").add(link).text(" ").add(of("span", "muted").add(moment(failure.at, picture.zone))))
            .add(of("p", "bad").text(failure.reason.clone()))
            .add(form(route::retry_form(&failure.image), route::retry(&failure.image), again))
    };
    let all = of("button", "button quiet").test("retry-all").text("Retry all failed");
    let all = form(route::RETRY_FORM.to_owned(), route::API_RETRY.to_owned(), all);
    panel.add(of("ul", "failures").all(failed.iter().map(one))).add(all)
}

/// Renders unexpected znodes; `None` if there are none.
pub fn unexpected(picture: &Picture<'_>) -> Option<Element> {
    let found = &picture.view.unexpected;
    if found.is_empty() {
        return None;
    }
    let panel = panel("unexpected", "Unexpected znodes", found.len().to_string());
    let what = "These znodes weren't written by this array or are damaged. They are ignored and don't delay other jobs. \
                Find out what wrote them, then delete them.";
    let one = |znode: &UnexpectedZnode| {
        of("li", "failure")
            .key(znode.path.clone())
            .test("unexpected-znode")
            .add(of("p", "mono").text(znode.path.clone()))
            .add(of("p", "muted").text(znode.reason.clone()))
    };
    Some(panel.add(of("p", "quiet-note").text(what)).add(of("ul", "failures").all(found.iter().map(one))))
}
