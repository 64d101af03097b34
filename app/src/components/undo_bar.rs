//! Bar that offers to undo a deletion.

use leptos::prelude::*;

use super::ProblemLine;
use crate::undo::Undo;

/// Bar that offers to undo the last deletion, with a button or Ctrl+Z.
#[component]
pub fn UndoBar() -> impl IntoView {
    let undo = Undo::expect();
    #[cfg(feature = "hydrate")]
    Effect::new(move || listen(undo));
    let some = Memo::new(move |_| !undo.deleted.read().is_empty());
    let sentence = move || match undo.deleted.read().len() {
        1 => "1 image deleted.".to_owned(),
        several => format!("{several} images deleted."),
    };
    view! {
        <div class="undo-place" role="status">
            <Show when=move || some.get()>
                <div class="undo" data-testid="undo-bar">
                    <span>{sentence}</span>
                    <button type="button" class="button" data-testid="undo" title="Ctrl+Z" on:click=move |_| undo.undo()>
                        "Undo"
                    </button>
                    <button
                        type="button"
                        class="button quiet"
                        aria-label="Dismiss"
                        on:click=move |_| undo.deleted.set(Vec::new())
                    >
                        "✕"
                    </button>
                </div>
            </Show>
            <ProblemLine problem=undo.problem />
        </div>
    }
}

#[cfg(feature = "hydrate")]
fn listen(undo: Undo) {
    use wasm_bindgen::JsCast;
    let pressed = window_event_listener(leptos::ev::keydown, move |event| {
        // In a text field, Ctrl+Z undoes typing.
        let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let typing =
            target.is_some_and(|it| it.matches("input:not([type=checkbox]), textarea, select").unwrap_or(false));
        let asked = (event.ctrl_key() || event.meta_key()) && !event.shift_key() && event.key() == "z";
        if asked && !typing && !undo.deleted.read_untracked().is_empty() {
            event.prevent_default();
            undo.undo();
        }
    });
    on_cleanup(move || pressed.remove());
}
