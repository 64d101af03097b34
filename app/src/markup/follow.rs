//! Boxes that show their end and follow it as content is added, until the reader scrolls up.
//!
//! Markup asks for it by the attribute `data-follow`: `on`, or `off` to hold still for now. That a reader has scrolled up is
//! kept at the element as `data-away`, which no markup writes, and not computed from positions when content changes: a box that
//! was made narrower, lower or anew isn't at its end either. A button of the class `to-end` after the box leads back.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, Event};

/// Within this many pixels of its end a box is at its end: positions are rounded.
const NEAR: i32 = 2;

/// What listens to the reader; it must live as long as the element.
pub type Listener = Closure<dyn Fn(Event)>;

/// Listens to the reader of all boxes within an element.
pub fn listen(root: &Element) -> Listener {
    let heard = Closure::<dyn Fn(Event)>::new(hear);
    let function = heard.as_ref().unchecked_ref();
    // Scroll events reach only listeners of the capturing phase.
    for name in ["scroll", "click"] {
        let _ = root.add_event_listener_with_callback_and_bool(name, function, true);
    }
    heard
}

/// Scrolls boxes to their ends where the reader hasn't scrolled up.
pub fn keep(root: &Element) {
    let Ok(boxes) = root.query_selector_all("[data-follow=on]:not([data-away])") else { return };
    for one in (0..boxes.length()).filter_map(|index| boxes.item(index)) {
        to_end(one.unchecked_ref());
    }
}

fn hear(event: Event) {
    let Some(target) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) else { return };
    if event.type_() == "click" {
        let button = target.closest(".to-end").ok().flatten();
        // Its scroll event then tells that the reader is at the end.
        if let Some(one) = button.and_then(|button| button.previous_element_sibling()) {
            to_end(&one);
        }
    } else if target.has_attribute("data-follow") {
        let is_at_end = target.scroll_top() + target.client_height() + NEAR >= target.scroll_height();
        let _ = target.toggle_attribute_with_force("data-away", !is_at_end);
    }
}

fn to_end(one: &Element) {
    one.set_scroll_top(one.scroll_height());
}
