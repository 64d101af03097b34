//! Decimal formatting and parsing of numbers. In a browser, both are delegated to JavaScript: the tables of Rust's own
//! implementation would make up a twelfth of the page's module.

use std::fmt;

/// A number to format: `{}` with the shortest digits that round-trip, `{:.2}` with two decimal places.
#[derive(Debug, Clone, Copy)]
pub struct Decimal(pub f64);

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match formatter.precision() {
            Some(places) => formatter.write_str(&by::rounded(self.0, places)),
            None => formatter.write_str(&by::shortest(self.0)),
        }
    }
}

/// Parses a finite number of digits, sign, point and exponent. Returns `None` for anything else.
pub fn parse(text: &str) -> Option<f64> {
    // Fast path: most numbers are short whole numbers, which need no call into the browser.
    if (1..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.bytes().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0')) as f64);
    }
    let plain = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    if plain { by::read(text).filter(|number| number.is_finite()) } else { None }
}

#[cfg(not(all(target_arch = "wasm32", feature = "browser")))]
mod by {
    pub(super) fn shortest(number: f64) -> String {
        number.to_string()
    }

    pub(super) fn rounded(number: f64, places: usize) -> String {
        format!("{number:.places$}")
    }

    pub(super) fn read(text: &str) -> Option<f64> {
        text.parse().ok()
    }
}

#[cfg(all(target_arch = "wasm32", feature = "browser"))]
mod by {
    use wasm_bindgen::JsValue;

    pub(super) fn shortest(number: f64) -> String {
        js_sys::Number::from(number).to_string_with_radix(10).map(String::from).unwrap_or_default()
    }

    /// JavaScript supports at most 100 decimal places.
    pub(super) fn rounded(number: f64, places: usize) -> String {
        js_sys::Number::from(number).to_fixed(places.min(100) as u8).map(String::from).unwrap_or_default()
    }

    /// JavaScript's unary `+` returns NaN for invalid text. On the characters let through by [`super::parse`], it accepts the
    /// same forms as Rust.
    pub(super) fn read(text: &str) -> Option<f64> {
        Some(JsValue::from_str(text).unchecked_into_f64()).filter(|number| !number.is_nan())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_rust_writes_them() {
        for number in [0.0, -9999.0, 0.05, 1e-7, f64::from(f32::MAX), 0.1 + 0.2, 1e300] {
            assert_eq!(Decimal(number).to_string(), number.to_string());
            assert_eq!(format!("{:.2}", Decimal(number)), format!("{number:.2}"));
            assert_eq!(parse(&number.to_string()), Some(number));
        }
    }

    #[test]
    fn what_is_no_finite_number_is_none() {
        for text in
            ["", "-", ".", "e5", "1e", "1e999", "inf", "NaN", "0x10", " 1", "1 ", "1,5", "1_000", "--1", "1.2.3"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(["+5", ".5", "5.", "-1e2", "1E-2"].map(parse), [5.0, 0.5, 5.0, -100.0, 0.01].map(Some));
    }
}
