//! Browser side of the gallery: scrolling, keys and history.

use std::time::Duration;

use leptos::ev::{offline, online, resize, scroll};
use leptos::leptos_dom::helpers::{TimeoutHandle, WindowListenerHandle};
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use shared::masonry::Direction;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlElement, KeyboardEvent, ResizeObserver};

use super::shelf::Shelf;
use super::spot::Spot;

/// Debounce of storing the reader's place after scrolling: browsers limit how often the history may change.
const SCROLL_ENDED: Duration = Duration::from_millis(100);

/// Follows the window until the current owner is disposed of.
pub fn attach(shelf: Shelf) {
    let Some(element) = shelf.element.get() else { return };
    let asked = StoredValue::new(false);
    // Several events may arrive per frame; they cause one update.
    let soon = move || {
        if asked.try_get_value() == Some(false) {
            asked.set_value(true);
            request_animation_frame(move || {
                if asked.try_set_value(false).is_none() {
                    shelf.update();
                }
            });
        }
    };
    let scrolled = window_event_listener(scroll, move |_| soon());
    follow_reader(shelf);
    let resized = window_event_listener(resize, move |_| soon());
    let changed = Closure::<dyn Fn()>::new(soon);
    let observer = ResizeObserver::new(changed.as_ref().unchecked_ref()).ok();
    if let Some(observer) = &observer {
        observer.observe(&element);
    }
    let observed = SendWrapper::new((observer, changed));
    shelf.update();
    shelf.awaited.set_value(stored_spot().filter(|_| shelf.is_asked_for()));
    // The gallery may not be in the document yet, and so can't be scrolled before the next frame.
    request_animation_frame(move || {
        if shelf.awaited.try_get_value().flatten().is_some() {
            shelf.update();
            shelf.return_to_awaited();
        }
    });
    on_cleanup(move || {
        scrolled.remove();
        resized.remove();
        if let Some(observer) = &observed.0 {
            observer.disconnect();
        }
    });
}

/// Stores the reader's place in the history, and stops restoring it once the reader scrolls, until the current owner is
/// disposed of.
fn follow_reader(shelf: Shelf) {
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let scrolled = window_event_listener(scroll, move |_| {
        let next = set_timeout_with_handle(move || store_spot(shelf), SCROLL_ENDED).ok();
        if let Some(before) = timer.try_update_value(|timer| std::mem::replace(timer, next)).flatten() {
            before.clear();
        }
    });
    let left = window_event_listener_untyped("pagehide", move |_| store_spot(shelf));
    let moves = ["wheel", "touchmove", "keydown", "mousedown"]
        .map(|name| window_event_listener_untyped(name, move |_| drop(shelf.awaited.try_update_value(Option::take))));
    on_cleanup(move || {
        scrolled.remove();
        left.remove();
        moves.into_iter().for_each(WindowListenerHandle::remove);
    });
}

/// Stores the reader's place in the current history entry, if that entry is of this gallery. A page being left may still be
/// visible after the address has changed to another page's.
pub fn store_spot(shelf: Shelf) {
    let in_gallery = window().location().pathname().is_ok_and(|path| path == shared::route::GALLERY);
    if !in_gallery || !shelf.is_asked_for() {
        return;
    }
    shelf.update();
    let (Some(spot), Ok(history)) = (shelf.spot(), window().history()) else { return };
    if let Err(error) = history.replace_state(&JsValue::from_str(&spot.to_string()), "") {
        leptos::logging::warn!("gallery position not stored: {error:?}");
    }
}

/// Returns the place stored in the current history entry.
fn stored_spot() -> Option<Spot> {
    Spot::read(&window().history().ok()?.state().ok()?.as_string()?)
}

/// Returns the index of the tile around an element.
pub fn index_of(target: Option<web_sys::EventTarget>) -> Option<usize> {
    let tile = target?.dyn_into::<Element>().ok()?.closest("[data-index]").ok()??;
    tile.get_attribute("data-index")?.parse().ok()
}

/// Handles keys: arrows move the focus to the visually adjacent tile, Home and End to the first and the last.
pub fn pressed(shelf: Shelf, event: &KeyboardEvent) {
    let Some(from) = index_of(event.target()) else { return };
    if event.ctrl_key() || event.meta_key() || event.alt_key() {
        return;
    }
    let from_right = document()
        .body()
        .and_then(|body| window().get_computed_style(&body).ok().flatten())
        .and_then(|style| style.get_property_value("direction").ok())
        .is_some_and(|direction| direction == "rtl");
    let (left, right) =
        if from_right { (Direction::After, Direction::Before) } else { (Direction::Before, Direction::After) };
    let to = match event.key().as_str() {
        "ArrowLeft" => shelf.go(from, Some(left), false),
        "ArrowRight" => shelf.go(from, Some(right), false),
        "ArrowUp" => shelf.go(from, Some(Direction::Up), false),
        "ArrowDown" => shelf.go(from, Some(Direction::Down), false),
        "Home" => shelf.go(from, None, false),
        "End" => shelf.go(from, None, true),
        _ => return,
    };
    event.prevent_default();
    if let Some(to) = to {
        request_animation_frame(move || focus(shelf, to, 50));
    }
}

/// Focuses a tile's link, once its image is fetched.
fn focus(shelf: Shelf, index: usize, tries: u32) {
    let link = document().query_selector(&format!("[data-index='{index}'] a")).ok().flatten();
    match link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
        Some(link) => {
            let options = web_sys::FocusOptions::new();
            options.set_prevent_scroll(true);
            let _ = link.focus_with_options(&options);
        }
        None if tries > 0 => {
            let again = move || {
                if shelf.book.try_with_untracked(|_| ()).is_some() {
                    focus(shelf, index, tries - 1);
                }
            };
            set_timeout(again, Duration::from_millis(100));
        }
        None => {}
    }
}

/// Tracks whether this device is offline, until the current owner is disposed of.
pub fn watch_connection(off: RwSignal<bool>) {
    off.set(!window().navigator().on_line());
    let gone = window_event_listener(offline, move |_| off.set(true));
    let back = window_event_listener(online, move |_| off.set(false));
    on_cleanup(move || {
        gone.remove();
        back.remove();
    });
}
