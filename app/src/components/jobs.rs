//! All jobs of an image, each with recipe, state and result.

use leptos::prelude::*;
use shared::gallery::{Image, JobSummary};
use shared::id::JobId;
use shared::job::JobState;
use shared::number::Decimal;
use shared::route;

use super::{Ago, ProgressBar, StateChip, recipe_label};
use crate::format;
use crate::live::Live;
use crate::runtime::settled::IntoSettled;

/// All jobs of an image, latest first.
#[component]
pub fn Jobs(
    /// The image.
    image: RwSignal<Image>,
    /// Job whose result is shown; `None` for the latest.
    shown: RwSignal<Option<JobId>>,
) -> impl IntoView {
    view! {
        <ul class="jobs">
            <For each=move || image.read().jobs.clone() key=|job| job.id.clone() let:job>
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
        let now = image.read().jobs.iter().find(|other| *id.read_value() == other.id).cloned();
        now.unwrap_or_else(|| first.clone())
    });
    let progress = Signal::derive(move || {
        let job = job.get();
        live.progress.read().get(&job.id).copied().or(job.progress).filter(|_| !job.state.has_ended())
    });
    let state = Signal::derive(move || match job.read().state {
        JobState::Queued if progress.read().is_some() => JobState::Running,
        state => state,
    });
    let label = recipe_label(&job.read_untracked().recipe);
    let is_shown = Memo::new(move |_| shown.read().as_ref() == Some(&*id.read_value()));
    let several = Memo::new(move |_| image.read().jobs.iter().filter(|job| job.state == JobState::Done).count() > 1);
    let created = job.read_untracked().created;
    let download = move || format!("{}?job={}", route::result(&image.read().id), id.read_value());
    view! {
        <li class="job" data-testid="job" data-state=move || state.get().name()>
            <div class="job-line">
                <strong>{label}</strong>
                <StateChip state />
                <span class="muted job-time">
                    <Ago at=created />
                </span>
            </div>
            {move || match state.get() {
                JobState::Running => view! { <ProgressBar progress /> }.settle(),
                JobState::Queued => {
                    view! { <p class="muted">"Waiting for a master and a free slot."</p> }.settle()
                }
                JobState::Failed => {
                    view! {
                        <p class="bad" data-testid="reason">
                            {job.read().reason.clone()}
                        </p>
                    }
                        .settle()
                }
                JobState::Done => {
                    view! {
                        <div class="job-line">
                            <button
                                type="button"
                                class="button quiet needs-script"
                                hidden=move || !several.get()
                                aria-pressed=move || is_shown.get().to_string()
                                on:click=move |_| shown.set(Some(id.get_value()))
                            >
                                "Compare"
                            </button>
                            <a class="button quiet" href=download download rel="external">
                                "Download"
                            </a>
                            <span class="muted job-time">
                                {move || job.read().result_bytes.map(format::bytes)}
                                {move || job.read().finished.map(|end| format!(" · took {}", took(end - created)))}
                            </span>
                        </div>
                    }
                        .settle()
                }
            }}
        </li>
    }
}

/// Formats a job's duration, finer than [`format::span`] for short ones.
fn took(ms: i64) -> String {
    if (0..10_000).contains(&ms) { format!("{:.1} s", Decimal(ms as f64 / 1_000.0)) } else { format::span(ms) }
}
