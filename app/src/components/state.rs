//! State and progress of a job.

use leptos::prelude::*;

use shared::cluster::JobProgress;
use shared::job::{JobState, Phase};

/// Returns the label of a phase.
pub const fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::Split => "Splitting",
        Phase::Mask => "Reading the mask",
        Phase::Reference => "Counting the reference",
        Phase::Ranges => "Looking for the range",
        Phase::Histograms => "Counting",
        Phase::Equalize => "Equalizing",
        Phase::Stitch => "Stitching",
        Phase::Pages => "Equalizing pages",
        Phase::Whole => "Equalizing",
    }
}

/// A job's state as a coloured chip.
#[component]
pub fn StateChip(
    /// The state.
    #[prop(into)]
    state: Signal<JobState>,
) -> impl IntoView {
    view! {
        <span class="chip" data-state=move || state.get().name()>
            {move || state.get().name()}
        </span>
    }
}

/// Finished tasks of the current phase, with its label.
#[component]
pub fn ProgressBar(
    /// Progress of the job.
    #[prop(into)]
    progress: Signal<Option<JobProgress>>,
) -> impl IntoView {
    let label = move || match progress.get() {
        Some(JobProgress { phase, done, total }) => format!("{} {done} of {total}", phase_label(phase)),
        None => "Waiting".to_owned(),
    };
    view! {
        <span class="progress">
            <progress
                max=move || progress.get().map_or(1, |progress| progress.total.max(1)).to_string()
                value=move || progress.get().map_or(0, |progress| progress.done).to_string()
                aria-label="Progress of the job"
            ></progress>
            <span class="progress-label">{label}</span>
        </span>
    }
}
