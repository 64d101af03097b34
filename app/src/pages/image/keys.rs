//! Keyboard shortcuts of the image page, and their list.

use leptos::prelude::*;

/// Action of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// Go to the previous (−1) or next (1) image.
    Go(i8),
    /// Zoom by a factor.
    Zoom(f64),
    /// Show the whole picture.
    Whole,
    /// Pan by fractions of the stage.
    Move(f64, f64),
    /// Switch between the left and the right picture.
    Toggle,
    /// Delete the image; can be undone.
    Delete,
    /// Show the list of keys.
    Help,
}

/// Keys and their descriptions, as listed.
const KEYS: [(&str, &str); 8] = [
    ("← →", "Previous image, next image"),
    ("+ −", "Zoom in, zoom out"),
    ("0", "Fit the image"),
    ("Shift + ← → ↑ ↓", "Move the image"),
    ("Space or T", "Show before or after"),
    ("Delete", "Delete the image"),
    ("Esc", "Close"),
    ("?", "Show these keys"),
];

/// Returns the action of a key.
fn action(key: &str, shift: bool) -> Option<Action> {
    /// Distance of a pan step, as a fraction of the stage.
    const STEP: f64 = 0.2;
    Some(match (key, shift) {
        ("ArrowLeft", false) => Action::Go(-1),
        ("ArrowRight", false) => Action::Go(1),
        ("ArrowLeft", true) => Action::Move(STEP, 0.0),
        ("ArrowRight", true) => Action::Move(-STEP, 0.0),
        ("ArrowUp", true) => Action::Move(0.0, STEP),
        ("ArrowDown", true) => Action::Move(0.0, -STEP),
        ("+" | "=", _) => Action::Zoom(1.5),
        ("-" | "_" | "−", _) => Action::Zoom(1.0 / 1.5),
        ("0", _) => Action::Whole,
        (" " | "t" | "T", _) => Action::Toggle,
        ("Delete", _) => Action::Delete,
        ("?", _) => Action::Help,
        _ => return None,
    })
}

/// Calls `act` for each key pressed, unless another element handles it.
#[cfg(feature = "hydrate")]
pub fn listen(act: impl Fn(Action) + 'static) {
    use wasm_bindgen::JsCast;
    let heard = window_event_listener(leptos::ev::keydown, move |event| {
        if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let element = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
        let takes = |selector| element.as_ref().is_some_and(|it| it.closest(selector).ok().flatten().is_some());
        let key = event.key();
        // Fields handle typing; buttons and links handle the space bar. A dialog that has just been closed may still have the
        // focus.
        if takes("input, select, textarea, dialog[open]") || (key == " " && takes("button, a, summary")) {
            return;
        }
        if let Some(action) = action(&key, event.shift_key()) {
            event.prevent_default();
            act(action);
        }
    });
    on_cleanup(move || heard.remove());
}

#[cfg(not(feature = "hydrate"))]
pub fn listen(_act: impl Fn(Action) + 'static) {
    let _ = action;
}

/// Dialog that lists the keys.
#[component]
pub fn Help(open: RwSignal<bool>) -> impl IntoView {
    let dialog = NodeRef::<leptos::html::Dialog>::new();
    Effect::new(move || {
        if let (true, Some(dialog)) = (open.get(), dialog.get()) {
            // Fails only if it is already open.
            let _ = dialog.show_modal();
        }
    });
    let close = move |_| {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let rows = KEYS.map(|(keys, what)| {
        view! {
            <div>
                <dt class="mono">{keys}</dt>
                <dd>{what}</dd>
            </div>
        }
    });
    view! {
        <dialog class="keys" data-testid="keys" aria-labelledby="keys-title" node_ref=dialog on:close=move |_| open.set(false)>
            <h2 id="keys-title">"Keys"</h2>
            <dl class="facts">{rows.collect_view()}</dl>
            <button type="button" class="button" on:click=close>
                "Close"
            </button>
        </dialog>
        <button
            type="button"
            class="button quiet needs-script"
            aria-haspopup="dialog"
            aria-expanded=move || open.get().to_string()
            on:click=move |_| open.set(true)
        >
            "Keys (?)"
        </button>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_go_to_other_images_and_move_the_picture_with_shift() {
        assert_eq!(action("ArrowRight", false), Some(Action::Go(1)));
        assert!(matches!(action("ArrowRight", true), Some(Action::Move(x, _)) if x < 0.0));
        assert_eq!(action("ArrowDown", false), None);
        assert_eq!(action("Enter", false), None);
    }
}
