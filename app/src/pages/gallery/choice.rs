//! Selection of images and batch operations. Without scripts it is a form with a checkbox in each tile.

use std::collections::BTreeSet;

use leptos::prelude::*;
use shared::error::Problem;
use shared::gallery::Chosen;
use shared::id::ImageId;
use shared::route;

use super::shelf::Shelf;
use crate::undo::Undo;

/// Selected images.
#[derive(Clone, Copy)]
pub struct Choice {
    /// Ids of the selected images.
    pub images: RwSignal<BTreeSet<ImageId>>,
    /// Index of the last image selected or deselected: the start of a range.
    last: StoredValue<Option<usize>>,
    shelf: Shelf,
}

impl Choice {
    /// Creates an empty selection.
    pub fn new(shelf: Shelf) -> Self {
        Self { images: RwSignal::default(), last: StoredValue::new(None), shelf }
    }

    /// Selects or deselects an image; with `range`, all from the last one to this one.
    pub fn choose(self, image: &ImageId, index: usize, chosen: bool, range: bool) {
        let from = self.last.get_value().filter(|_| range);
        self.last.set_value(Some(index));
        self.images.update(|images| {
            if chosen {
                images.insert(image.clone())
            } else {
                images.remove(image)
            };
        });
        let Some(from) = from else { return };
        let places = from.min(index)..from.max(index) + 1;
        if places.len() > Chosen::MAX_IMAGES {
            let sentence = format!("At most {} images can be selected at once.", Chosen::MAX_IMAGES);
            return self.shelf.problem.set(Some(Problem::new(400, "Bad Request", sentence)));
        }
        leptos::task::spawn_local(async move {
            match self.shelf.ids(places).await {
                Ok(ids) => drop(self.images.try_update(|images| {
                    for id in ids {
                        if chosen {
                            images.insert(id)
                        } else {
                            images.remove(&id)
                        };
                    }
                })),
                Err(problem) => drop(self.shelf.problem.try_set(Some(problem))),
            }
        });
    }

    /// Deletes the selected images; if there are none, `otherwise`.
    pub fn delete(self, undo: Undo, otherwise: Option<ImageId>) {
        let mut images: Vec<ImageId> = self.images.get_untracked().into_iter().collect();
        if images.is_empty() {
            images.extend(otherwise);
        }
        if !images.is_empty() {
            undo.delete(images);
            self.clear();
        }
    }

    /// Clears the selection.
    pub fn clear(self) {
        self.images.update(BTreeSet::clear);
        self.last.set_value(None);
    }
}

/// Number of selected images, and the batch operations.
#[component]
pub fn ChoiceBar(choice: Choice) -> impl IntoView {
    let undo = Undo::expect();
    let none = move || choice.images.read().is_empty();
    let sentence = move || match choice.images.read().len() {
        1 => "1 image selected".to_owned(),
        several => format!("{several} images selected"),
    };
    let download = move |what: &'static str| {
        move |event: leptos::ev::MouseEvent| {
            event.prevent_default();
            send(what, &choice.images.read_untracked());
        }
    };
    view! {
        <div class="choice" class:none=none data-testid="choice" role="group" aria-label="Selected images">
            <span class="choice-count needs-script" role="status">{sentence}</span>
            <button class="button" formaction=route::API_ZIP name="what" value="result" on:click=download("result")>
                "Download results"
            </button>
            <button class="button" formaction=route::API_ZIP name="what" value="original" on:click=download("original")>
                "Download originals"
            </button>
            <button
                class="button danger"
                formaction=route::DELETE_FORM
                data-testid="delete-chosen"
                on:click=move |event| {
                    event.prevent_default();
                    choice.delete(undo, None);
                }
            >
                "Delete"
            </button>
            <button type="button" class="button quiet needs-script" on:click=move |_| choice.clear()>
                "Clear"
            </button>
        </div>
    }
}

/// Submits a form that downloads a ZIP file. A form is created because some of the selected images may not be in the document.
#[cfg(feature = "hydrate")]
fn send(what: &str, images: &BTreeSet<ImageId>) {
    use wasm_bindgen::JsCast;
    let field = |form: &web_sys::Element, name: &str, value: &str| -> Option<()> {
        let input = document().create_element("input").ok()?;
        for (attribute, text) in [("type", "hidden"), ("name", name), ("value", value)] {
            input.set_attribute(attribute, text).ok()?;
        }
        form.append_child(&input).ok().map(drop)
    };
    let made = || -> Option<web_sys::HtmlFormElement> {
        let form = document().create_element("form").ok()?;
        form.set_attribute("method", "post").ok()?;
        form.set_attribute("action", route::API_ZIP).ok()?;
        field(&form, "what", what)?;
        images.iter().try_for_each(|image| field(&form, "image", image.as_str()))?;
        document().body()?.append_child(&form).ok()?;
        form.dyn_into().ok()
    };
    if let Some(form) = made() {
        if form.submit().is_err() {
            leptos::logging::warn!("the browser didn't send the form");
        }
        form.remove();
    }
}

#[cfg(not(feature = "hydrate"))]
fn send(_what: &str, _images: &BTreeSet<ImageId>) {}
