//! Upload form. Without scripts it is a plain form, to which the server responds with the gallery.

use leptos::prelude::*;

use super::RecipeFields;
use crate::upload::Uploads;

/// Upload form.
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
                <p class="upload-title">"Drop images or folders anywhere on this page"</p>
                <p class="muted">"TIFF, PNG, JPEG or WebP, 8 or 16 bit, of any size. Results keep format and depth, unless you choose another."</p>
            </div>
            <div class="upload-controls">
                <RecipeFields entered=uploads.entered />
                <label class="button primary file">
                    <span>"Choose images"</span>
                    <input
                        type="file"
                        name="image"
                        accept="image/png,image/jpeg,image/tiff,image/webp,.tif,.tiff,.webp"
                        multiple
                        data-testid="file-input"
                        on:change=move |event| choose(uploads, &event)
                    />
                </label>
                <label class="button file needs-script">
                    <span>"Choose a folder"</span>
                    <input
                        type="file"
                        prop:webkitdirectory=true
                        data-testid="folder-input"
                        on:change=move |event| choose_folder(uploads, &event)
                    />
                </label>
                <label class="check needs-script">
                    <input
                        type="checkbox"
                        data-testid="look-first"
                        autocomplete="off"
                        prop:checked=uploads.look_first
                        on:change:target=move |event| uploads.look_first.set(event.target().checked())
                    />
                    "Preview first"
                </label>
                <button class="button without-script">"Upload"</button>
            </div>
        </form>
    }
}

/// Adds the chosen files, and clears the input so that the same file can be chosen again.
#[cfg(feature = "hydrate")]
fn choose(uploads: Uploads, event: &leptos::ev::Event) {
    uploads.add(chosen(event));
}

/// Adds the images of a folder.
#[cfg(feature = "hydrate")]
fn choose_folder(uploads: Uploads, event: &leptos::ev::Event) {
    uploads.add_folder(chosen(event));
}

#[cfg(feature = "hydrate")]
fn chosen(event: &leptos::ev::Event) -> Vec<crate::upload::File> {
    let input: web_sys::HtmlInputElement = event_target(event);
    let files = crate::upload::listed(input.files());
    input.set_value("");
    files
}

#[cfg(not(feature = "hydrate"))]
fn choose(_uploads: Uploads, _event: &leptos::ev::Event) {}

#[cfg(not(feature = "hydrate"))]
fn choose_folder(_uploads: Uploads, _event: &leptos::ev::Event) {}
