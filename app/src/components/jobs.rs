//! All jobs of an image: recipe, state, and what came of each.

use leptos::prelude::*;
use shared::equalize::Recipe;
use shared::gallery::{Image, JobSummary};
use shared::id::JobId;
use shared::job::JobState;
use shared::route;

use super::{Ago, ProgressBar, StateChip, color_label};
use crate::dynamic::dynamic;
use crate::format;
use crate::live::Live;

/// All jobs of an image, latest first.
#[component]
pub fn Jobs(
    /// The image.
    image: RwSignal<Image>,
    /// The job whose result is shown; `None` shows the latest.
    shown: RwSignal<Option<JobId>>,
) -> impl IntoView {
    view! {
        <ul class="jobs">
            <For each=move || image.with(|image| image.jobs.clone()) key=|job| job.id.clone() let:job>
                <JobItem job image shown />
            </For>
        </ul>
    }
}

#[component]
fn JobItem(job: JobSummary, image: RwSignal<Image>, shown: RwSignal<Option<JobId>>) -> impl IntoView {
    let live = Live::expect();
    let id = StoredValue::new(job.id.clone());
    let first = job.clone();
    let job = Memo::new(move |_| {
        let now = image.with(|image| image.jobs.iter().find(|other| id.with_value(|id| *id == other.id)).cloned());
        now.unwrap_or_else(|| first.clone())
    });
    let progress = Signal::derive(move || {
        let job = job.get();
        live.progress.with(|jobs| jobs.get(&job.id).copied()).or(job.progress).filter(|_| !job.state.has_ended())
    });
    let state = Signal::derive(move || match job.with(|job| job.state) {
        JobState::Queued if progress.with(Option::is_some) => JobState::Running,
        state => state,
    });
    let Recipe::Global { color } = job.with_untracked(|job| job.recipe);
    let is_shown = Memo::new(move |_| id.with_value(|id| shown.with(|shown| shown.as_ref() == Some(id))));
    let several =
        Memo::new(move |_| image.with(|image| image.jobs.iter().filter(|job| job.state == JobState::Done).count() > 1));
    let created = job.with_untracked(|job| job.created);
    let download =
        move || image.with(|image| format!("{}?job={}", route::result(&image.id), id.with_value(ToString::to_string)));
    view! {
        <li class="job" data-testid="job" data-state=dynamic(move || state.get().name())>
            <div class="job-line">
                <strong>{color_label(color)}</strong>
                <StateChip state />
                <span class="muted job-time">
                    <Ago at=created />
                </span>
            </div>
            {dynamic(move || match state.get() {
                JobState::Running => view! { <ProgressBar progress /> }.into_any(),
                JobState::Queued => {
                    view! { <p class="muted">"Waiting for a master and a free slot."</p> }.into_any()
                }
                JobState::Failed => {
                    view! {
                        <p class="bad" data-testid="reason">
                            {job.with(|job| job.reason.clone())}
                        </p>
                    }
                        .into_any()
                }
                JobState::Done => {
                    view! {
                        <div class="job-line">
                            <button
                                type="button"
                                class="button quiet needs-script"
                                hidden=dynamic(move || !several.get())
                                aria-pressed=dynamic(move || is_shown.get().to_string())
                                on:click=move |_| shown.set(Some(id.get_value()))
                            >
                                "Compare"
                            </button>
                            <a class="button quiet" href=download download rel="external">
                                "Download"
                            </a>
                            <span class="muted job-time">
                                {dynamic(move || job.with(|job| job.result_bytes.map(format::bytes)))}
                                {dynamic(move || job.with(|job| job.finished.map(|end| format!(" · took {}", took(end - job.created)))))}
                            </span>
                        </div>
                    }
                        .into_any()
                }
            })}
        </li>
    }
}

/// A job's duration, finer than [`format::span`] while it is short.
fn took(ms: i64) -> String {
    if (0..10_000).contains(&ms) { format!("{:.1} s", ms as f64 / 1_000.0) } else { format::span(ms) }
}
