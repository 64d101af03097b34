//! Search, filters and sort order of the gallery, kept in the address. A plain form, which works without scripts.

use leptos::prelude::*;

use leptos_router::NavigateOptions;
use leptos_router::hooks::use_navigate;
use shared::equalize::MethodKind;
use shared::gallery::{ImageQuery, Sort};
use shared::job::{Format, JobState};

use super::recipe_fields::method_label;
use crate::api::sort_name;

/// Search, filters and sort order of the gallery.
#[component]
pub fn Filters(
    /// Query in the address.
    #[prop(into)]
    query: Signal<ImageQuery>,
) -> impl IntoView {
    let states = vec![
        ("", "All states".to_owned()),
        (JobState::Queued.name(), "Queued".to_owned()),
        (JobState::Running.name(), "Running".to_owned()),
        (JobState::Done.name(), "Done".to_owned()),
        (JobState::Failed.name(), "Failed".to_owned()),
    ];
    let formats = any("All formats", Format::ALL.map(|format| (format.name(), format.name().to_ascii_uppercase())));
    let depths = any("All depths", ["8", "16", "32", "64"].map(|bits| (bits, format!("{bits} bits"))));
    let methods = any("All methods", MethodKind::ALL.map(|method| (method.name(), method_label(method).to_owned())));
    let sorts = vec![
        (sort_name(Sort::Newest), "Newest first".to_owned()),
        (sort_name(Sort::Oldest), "Oldest first".to_owned()),
        (sort_name(Sort::Name), "By name".to_owned()),
    ];
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
                        prop:value=move || query.get().q.unwrap_or_default()
                    />
                </label>
                <Select label="State" name="state" options=states chosen=Callback::new(move |()| value(query, "state")) />
                <Select label="Format" name="format" options=formats chosen=Callback::new(move |()| value(query, "format")) />
                <Select label="Depth" name="depth" options=depths chosen=Callback::new(move |()| value(query, "depth")) />
                <Select label="Method" name="method" options=methods chosen=Callback::new(move |()| value(query, "method")) />
                <Select label="Order" name="sort" options=sorts chosen=Callback::new(move |()| value(query, "sort")) />
                <button class="button without-script">"Show"</button>
            </form>
        </div>
    }
}

/// Options: value in the address and label.
type Options = Vec<(&'static str, String)>;

/// Returns options for all, or for one of the given values.
fn any(all: &str, each: impl IntoIterator<Item = (&'static str, String)>) -> Options {
    std::iter::once(("", all.to_owned())).chain(each).collect()
}

/// Returns a field's value in the address.
fn value(query: Signal<ImageQuery>, field: &str) -> String {
    let query = query.read();
    match field {
        "state" => query.state.map(|state| state.name().to_owned()),
        "format" => query.format.map(|format| format.name().to_owned()),
        "depth" => query.depth.map(|depth| depth.to_string()),
        "method" => query.method.map(|method| method.name().to_owned()),
        _ => Some(sort_name(query.sort.unwrap_or_default()).to_owned()),
    }
    .unwrap_or_default()
}

/// Select field; the label is only for screen readers.
#[component]
fn Select(label: &'static str, name: &'static str, options: Options, chosen: Callback<(), String>) -> impl IntoView {
    view! {
        <label class="field">
            <span class="visually-hidden">{label}</span>
            <select name=name>
                {options
                    .into_iter()
                    .map(|(name, label)| {
                        view! {
                            <option value=name selected={move || chosen.run(()) == name}>
                                {label}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
        </label>
    }
}

/// Returns the address for the form's values.
#[cfg(feature = "hydrate")]
fn chosen() -> Option<String> {
    use wasm_bindgen::JsCast;
    let form = document().get_element_by_id("filters")?.dyn_into::<web_sys::HtmlFormElement>().ok()?;
    let data = web_sys::FormData::new_with_form(&form).ok()?;
    let text = |name| data.get(name).as_string().filter(|text| !text.trim().is_empty());
    let query = ImageQuery {
        q: text("q"),
        state: text("state").and_then(|state| state.parse().ok()),
        format: text("format").and_then(|format| format.parse().ok()),
        depth: text("depth").and_then(|depth| depth.parse().ok()),
        method: text("method").and_then(|method| crate::api::method_of(&method)),
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
