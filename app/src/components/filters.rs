//! Search, state and order of the gallery, kept in the address. A plain form: it works without scripts.

use leptos::prelude::*;

use crate::dynamic::dynamic;
use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
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
    let navigate = use_navigate();
    let submit = move |_| {
        if let Some(address) = chosen() {
            navigate(&address, NavigateOptions { scroll: false, ..NavigateOptions::default() });
        }
    };
    view! {
        <div class="filters" role="search">
            <form
                id="filters"
                method="get"
                action=shared::route::GALLERY
                on:change=submit.clone()
                on:submit=move |event| {
                    event.prevent_default();
                    submit(leptos::ev::Event::from(event));
                }
            >
                <label class="field search">
                    <span class="visually-hidden">"Search by name"</span>
                    <input
                        type="search"
                        name="q"
                        placeholder="Search by name"
                        autocomplete="off"
                        value=query.get_untracked().q
                        prop:value=dynamic(move || query.get().q.unwrap_or_default())
                    />
                </label>
                <label class="field">
                    <span class="visually-hidden">"State"</span>
                    <select name="state">
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
                    <select name="sort">
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
            </form>
        </div>
    }
}

/// The address that the form stands for.
#[cfg(feature = "hydrate")]
fn chosen() -> Option<String> {
    use wasm_bindgen::JsCast;
    let form = document().get_element_by_id("filters")?.dyn_into::<web_sys::HtmlFormElement>().ok()?;
    let data = web_sys::FormData::new_with_form(&form).ok()?;
    let text = |name| data.get(name).as_string().filter(|text| !text.trim().is_empty());
    let query = ImageQuery {
        q: text("q"),
        state: text("state").and_then(|state| state.parse().ok()),
        sort: text("sort").and_then(|sort| crate::api::sort_of(&sort)).filter(|sort| *sort != Sort::default()),
        ..ImageQuery::default()
    };
    let search = crate::api::query_string(&query);
    Some(if search.is_empty() {
        shared::route::GALLERY.to_owned()
    } else {
        format!("{}?{search}", shared::route::GALLERY)
    })
}

#[cfg(not(feature = "hydrate"))]
fn chosen() -> Option<String> {
    None
}
