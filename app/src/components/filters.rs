//! Search, state and order of the gallery, kept in the address. A plain form: it works without scripts.

use leptos::prelude::*;
use leptos_router::components::Form;
use shared::gallery::{ImageQuery, Sort};
use shared::job::JobState;

/// Search, state and order of the gallery.
#[component]
pub fn Filters(
    /// What the address says.
    #[prop(into)]
    query: Signal<ImageQuery>,
) -> impl IntoView {
    let states = [
        ("", "All states"),
        (JobState::Queued.name(), "Queued"),
        (JobState::Running.name(), "Running"),
        (JobState::Done.name(), "Done"),
        (JobState::Failed.name(), "Failed"),
    ];
    let sorts = [Sort::Newest, Sort::Oldest, Sort::Name].map(|sort| {
        let label = match sort {
            Sort::Newest => "Newest first",
            Sort::Oldest => "Oldest first",
            Sort::Name => "By name",
        };
        (sort, label)
    });
    let submit = |_| submit_filters();
    view! {
        <div class="filters" role="search">
            <Form method="GET" action=shared::route::GALLERY attr:id="filters" noscroll=true>
                <label class="field search">
                    <span class="visually-hidden">"Search by name"</span>
                    <input
                        type="search"
                        name="q"
                        placeholder="Search by name"
                        autocomplete="off"
                        value=query.get_untracked().q
                        prop:value=move || query.get().q.unwrap_or_default()
                        on:change=submit
                    />
                </label>
                <label class="field">
                    <span class="visually-hidden">"State"</span>
                    <select name="state" on:change=submit>
                        {states
                            .map(|(name, label)| {
                                let chosen = move || query.get().state.map_or("", JobState::name) == name;
                                view! {
                                    <option value=name selected=chosen>
                                        {label}
                                    </option>
                                }
                            })
                            .collect_view()}
                    </select>
                </label>
                <label class="field">
                    <span class="visually-hidden">"Order"</span>
                    <select name="sort" on:change=submit>
                        {sorts
                            .map(|(sort, label)| {
                                let chosen = move || query.get().sort.unwrap_or_default() == sort;
                                view! {
                                    <option value=crate::api::sort_name(sort) selected=chosen>
                                        {label}
                                    </option>
                                }
                            })
                            .collect_view()}
                    </select>
                </label>
                <button class="button without-script">"Show"</button>
            </Form>
        </div>
    }
}

#[cfg(feature = "hydrate")]
fn submit_filters() {
    use wasm_bindgen::JsCast;
    let form =
        document().get_element_by_id("filters").and_then(|form| form.dyn_into::<web_sys::HtmlFormElement>().ok());
    if let Some(form) = form {
        let _ = form.request_submit();
    }
}

#[cfg(not(feature = "hydrate"))]
fn submit_filters() {}
