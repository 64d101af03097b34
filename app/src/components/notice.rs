//! Error messages.

use leptos::prelude::*;
use shared::error::Problem;

/// Error shown in place of content that can't be loaded.
#[component]
pub fn ProblemNotice(
    /// The error.
    problem: Problem,
    /// Retries, if that can help.
    #[prop(optional)]
    again: Option<Callback<()>>,
) -> impl IntoView {
    view! {
        <section class="empty" role="alert">
            <h2>{problem.title.clone()}</h2>
            <p>{problem.to_string()}</p>
            {again
                .map(|again| {
                    view! {
                        <p>
                            <button type="button" class="button needs-script" on:click=move |_| again.run(())>
                                "Try again"
                            </button>
                        </p>
                    }
                })}
        </section>
    }
}

/// Error of an action on this page; hidden while there is none.
#[component]
pub fn ProblemLine(
    /// The error.
    problem: RwSignal<Option<Problem>>,
) -> impl IntoView {
    view! {
        <p class="bad" role="alert" hidden=move || problem.read().is_none()>
            {move || problem.get().map(|problem| problem.to_string()).unwrap_or_default()}
        </p>
    }
}
