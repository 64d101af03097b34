//! The two pictures being compared, and a link to this view.

use leptos::prelude::*;
use shared::gallery::{Image, JobSummary};
use shared::job::JobState;
use shared::route;

use crate::components::{Side, recipe_label};
use crate::zoom::Sight;

/// State of the comparison.
#[derive(Clone, Copy)]
pub struct Sides {
    /// Left picture; by default the original.
    pub left: RwSignal<Side>,
    /// Right picture; by default the latest result.
    pub right: RwSignal<Side>,
    /// Position of the line, in percent.
    pub split: RwSignal<f64>,
    /// Visible part.
    pub sight: RwSignal<Sight>,
}

impl Sides {
    /// Parses the state from an address: `?job=…&left=…&at=…`.
    pub fn from_address(get: impl Fn(&str) -> Option<String>) -> Self {
        let job = |name| get(name).and_then(|text| text.parse().ok());
        Self {
            left: RwSignal::new(job("left")),
            right: RwSignal::new(job("job")),
            split: RwSignal::new(50.0),
            sight: RwSignal::new(get("at").map(|text| Sight::from_address(&text)).unwrap_or_default()),
        }
    }

    /// Returns an address that shows this view; `right` is the picture on the right.
    pub fn address(self, image: &Image, right: &Side) -> String {
        let sight = self.sight.get();
        let parts = [
            right.as_ref().map(|job| format!("job={job}")),
            self.left.read().as_ref().map(|job| format!("left={job}")),
            (sight != Sight::default()).then(|| format!("at={}", sight.to_address())),
        ];
        let query: Vec<String> = parts.into_iter().flatten().collect();
        let page = route::image_page(&image.id);
        if query.is_empty() { page } else { format!("{page}?{}", query.join("&")) }
    }
}

/// Selects both pictures, once there is more than one result, and links to the view.
#[component]
pub fn Choice(
    /// The image.
    image: RwSignal<Image>,
    /// State of the comparison.
    sides: Sides,
    /// Right picture.
    #[prop(into)]
    right: Signal<Side>,
) -> impl IntoView {
    let several = Memo::new(move |_| done(&image.read()).count() > 1);
    let copied = RwSignal::new(false);
    let address = Memo::new(move |_| sides.address(&image.read(), &right.read()));
    let share = move |event: leptos::ev::MouseEvent| {
        event.prevent_default();
        publish(&address.read_untracked(), copied);
    };
    Effect::new(move || {
        address.track();
        copied.set(false);
    });
    view! {
        <div class="sides">
            <span class="sides-fields" hidden=move || !several.get()>
                <Select image label="Left" test="left" original=true chosen=sides.left.into() choose=sides.left />
                <Select image label="Right" test="right" original=false chosen=right choose=sides.right />
            </span>
            <a class="button quiet" data-testid="share" href=address on:click=share>
                {move || if copied.get() { "Link copied" } else { "Link to this view" }}
            </a>
        </div>
    }
}

fn done(image: &Image) -> impl Iterator<Item = &JobSummary> {
    image.jobs.iter().filter(|job| job.state == JobState::Done)
}

/// Selects one of the pictures.
#[component]
fn Select(
    image: RwSignal<Image>,
    label: &'static str,
    test: &'static str,
    original: bool,
    chosen: Signal<Side>,
    choose: RwSignal<Side>,
) -> impl IntoView {
    let options = move || {
        let image = image.read();
        let count = done(&image).count();
        let of_original = original.then(|| (None, "Original".to_owned()));
        let of_results = done(&image)
            .enumerate()
            .map(|(index, job)| (Some(job.id.clone()), format!("{}. {}", count - index, recipe_label(&job.recipe))));
        let all: Vec<(Side, String)> = of_original.into_iter().chain(of_results).collect();
        let option = |(side, words): (Side, String)| {
            let selected = *chosen.read() == side;
            let value = side.map(|job| job.to_string()).unwrap_or_default();
            view! {
                <option value=value selected=selected>
                    {words}
                </option>
            }
        };
        all.into_iter().map(option).collect_view()
    };
    view! {
        <label class="field">
            <span class="field-label">{label}</span>
            <select data-testid=test autocomplete="off" on:change:target=move |event| choose.set(event.target().value().parse().ok())>
                {options}
            </select>
        </label>
    }
}

/// Puts the link into the address bar, and into the clipboard if the browser allows it.
#[cfg(feature = "hydrate")]
fn publish(address: &str, copied: RwSignal<bool>) {
    use wasm_bindgen::{JsCast, JsValue};
    if let Ok(history) = window().history() {
        // Fails only for another origin's address.
        let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(address));
    }
    let text = window().location().href().unwrap_or_default();
    // There is no clipboard on plain HTTP.
    let get = |of: &JsValue, name: &str| js_sys::Reflect::get(of, &name.into()).ok();
    let clipboard = get(&window(), "navigator").and_then(|navigator| get(&navigator, "clipboard"));
    let write = clipboard.filter(|it| it.is_object()).and_then(|clipboard| {
        let write = get(&clipboard, "writeText")?;
        write.dyn_ref::<js_sys::Function>()?.call1(&clipboard, &text.into()).ok()?.dyn_into::<js_sys::Promise>().ok()
    });
    if let Some(written) = write {
        leptos::task::spawn_local(async move {
            let written = wasm_bindgen_futures::JsFuture::from(written).await.is_ok();
            let _ = copied.try_set(written);
        });
    }
}

#[cfg(not(feature = "hydrate"))]
fn publish(_address: &str, _copied: RwSignal<bool>) {}
