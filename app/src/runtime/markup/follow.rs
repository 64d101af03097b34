//! Auto-scrolling boxes: they stay scrolled to their end as content is added, until the reader scrolls up.
//!
//! Markup requests this with the attribute `data-follow`: `on`, or `off` to pause. That the reader has scrolled up is stored on
//! the element as `data-away`, an attribute that no markup writes. It can't be computed from positions when content changes,
//! because a box that was resized or recreated isn't at its end either. A button of class `to-end` after the box scrolls back
//! to the end.

use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{Element, Event};

/// Tolerance in pixels for being at the end: positions are rounded.
const NEAR: i32 = 2;

/// Event listener; must live as long as the element.
pub type Listener = Closure<dyn Fn(Event)>;

/// Listens to scrolling and clicks in all boxes within an element.
pub fn listen(root: &Element) -> Listener {
    let heard = Closure::<dyn Fn(Event)>::new(hear);
    let function = heard.as_ref().unchecked_ref();
    // Scroll events don't bubble; only capturing listeners receive them.
    for name in ["scroll", "click"] {
        let _ = root.add_event_listener_with_callback_and_bool(name, function, true);
    }
    heard
}

/// Scrolls boxes to their ends, except those where the reader has scrolled up.
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
        // The resulting scroll event then clears `data-away`.
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
