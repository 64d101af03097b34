//! What went wrong, as a sentence.

use leptos::prelude::*;
use shared::error::Problem;

use crate::dynamic::dynamic;

/// A problem in the place of what can't be shown.
#[component]
pub fn ProblemNotice(
    /// What went wrong.
    problem: Problem,
    /// Tries again, where that can help.
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

/// What went wrong with something that was asked from this page; nothing while nothing did.
#[component]
pub fn ProblemLine(
    /// What went wrong.
    problem: RwSignal<Option<Problem>>,
) -> impl IntoView {
    view! {
        <p class="bad" role="alert" hidden=dynamic(move || problem.read().is_none())>
            {dynamic(move || problem.get().map(|problem| problem.to_string()).unwrap_or_default())}
        </p>
    }
}
