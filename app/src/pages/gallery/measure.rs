//! Measurement of the gallery in the browser.

use leptos::prelude::*;
use shared::number::parse;
use web_sys::Element;

use super::window::Measured;

/// Measures the container as laid out by the style sheet.
pub fn measure(element: &Element) -> Option<Measured> {
    let style = window().get_computed_style(element).ok().flatten()?;
    let number =
        |name: &str| -> Option<f64> { parse(style.get_property_value(name).ok()?.trim().trim_end_matches("px")) };
    let place = element.get_bounding_client_rect();
    Some(Measured {
        columns: number("--n")? as usize,
        width: place.width(),
        gap: number("--gap")?,
        caption: number("--caption")?,
        top: place.top() + window().scroll_y().ok()?,
        view: window().inner_height().ok()?.as_f64()?,
    })
}
