//! Where images come in. Without scripts it is a plain form that the server answers with the gallery.

use leptos::prelude::*;
use shared::equalize::{Color, Recipe};

use crate::dynamic::dynamic;
use crate::upload::Uploads;

/// All ways to treat colour, the default first.
const COLORS: [Color; 5] = Color::ALL;

/// How a way to treat colour is called on pages.
pub const fn color_label(color: Color) -> &'static str {
    match color {
        Color::Luma => "Lightness only",
        Color::Channels => "Each channel",
        Color::Oklab => "Lightness as eyes see it",
        Color::Hsv => "Value of HSV",
        Color::Gray => "To gray",
    }
}

fn json(color: Color) -> String {
    // A recipe is made of enums: it has no part that JSON couldn't hold.
    serde_json::to_string(&Recipe::global(color)).unwrap_or_default()
}

/// Chooses how colour is treated. Its value is the recipe as JSON, as the API wants it.
#[component]
pub fn RecipeSelect(
    /// What is chosen.
    color: RwSignal<Color>,
) -> impl IntoView {
    view! {
        <select
            name="recipe"
            data-testid="recipe"
            on:change:target=move |event| {
                if let Ok(chosen) = serde_json::from_str::<Recipe>(&event.target().value()) {
                    color.set(chosen.color);
                }
            }
        >
            {COLORS
                .map(|option| {
                    view! {
                        <option value=json(option) selected=dynamic(move || color.get() == option)>
                            {color_label(option)}
                        </option>
                    }
                })
                .collect_view()}
        </select>
    }
}

/// Where images come in.
#[component]
pub fn UploadPanel() -> impl IntoView {
    let uploads = Uploads::expect();
    view! {
        <form
            class="upload-panel"
            method="post"
            action=shared::route::API_IMAGES
            enctype="multipart/form-data"
            data-testid="drop-target"
            aria-label="Upload"
        >
            <div class="upload-words">
                <p class="upload-title">"Drop images anywhere on this page"</p>
                <p class="muted">"TIFF, PNG or JPEG, 8 or 16 bit, of any size. What comes out keeps format and depth."</p>
            </div>
            <div class="upload-controls">
                <label class="field">
                    <span class="field-label">"Equalize"</span>
                    <RecipeSelect color=uploads.color />
                </label>
                <label class="button primary file">
                    <span>"Choose images"</span>
                    <input
                        type="file"
                        name="image"
                        accept="image/png,image/jpeg,image/tiff,.tif,.tiff"
                        prop:multiple=true
                        data-testid="file-input"
                        on:change=move |event| choose(uploads, &event)
                    />
                </label>
                <button class="button without-script">"Upload"</button>
            </div>
        </form>
    }
}

/// Sends what was chosen, and empties the input so that the same file can be chosen again.
#[cfg(feature = "hydrate")]
fn choose(uploads: Uploads, event: &leptos::ev::Event) {
    let input: web_sys::HtmlInputElement = event_target(event);
    uploads.add(input.files());
    input.set_value("");
}

#[cfg(not(feature = "hydrate"))]
fn choose(_uploads: Uploads, _event: &leptos::ev::Event) {}
