//! JSON readers: the browser parses a text into one generic tree, from which each record is read by the names of its fields.
//!
//! serde would generate a parser for each record. Missing fields are read leniently, since the page may be older or newer than the
//! server.

mod api;
mod live;
pub mod write;

/// JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// Null, or a missing field.
    Null,
    /// Boolean.
    Bool(bool),
    /// Number; integers are exact up to 2⁵³.
    Number(f64),
    /// String.
    Text(String),
    /// Array.
    List(Vec<Json>),
    /// Object, in source order.
    Map(Vec<(String, Json)>),
}

impl Json {
    /// Parses a text; returns `None` if it isn't JSON.
    pub fn parse(text: &str) -> Option<Self> {
        side::parse(text)
    }

    /// Returns a field; null if there is none.
    pub fn field(&self, name: &str) -> &Json {
        let Json::Map(fields) = self else { return &Json::Null };
        fields.iter().find(|(other, _)| other == name).map_or(&Json::Null, |(_, value)| value)
    }

    /// Converts the value to a type.
    #[cfg(feature = "hydrate")]
    pub fn to<T: Read>(&self) -> Option<T> {
        T::read(self)
    }

    /// Returns the string, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }
}

/// The browser's parser.
#[cfg(feature = "hydrate")]
mod side {
    use js_sys::{Array, JSON, Object};
    use wasm_bindgen::{JsCast, JsValue};

    use super::Json;

    pub fn parse(text: &str) -> Option<Json> {
        JSON::parse(text).ok().map(convert)
    }

    fn convert(value: JsValue) -> Json {
        if let Some(number) = value.as_f64() {
            return Json::Number(number);
        }
        if let Some(text) = value.as_string() {
            return Json::Text(text);
        }
        if let Some(list) = value.dyn_ref::<Array>() {
            return Json::List(list.iter().map(convert).collect());
        }
        if let Some(object) = value.dyn_ref::<Object>() {
            let (names, values) = (Object::keys(object), Object::values(object));
            let names = names.iter().filter_map(|name| name.as_string());
            return Json::Map(names.zip(values.iter().map(convert)).collect());
        }
        value.as_bool().map_or(Json::Null, Json::Bool)
    }
}

/// serde's parser, for the tests.
#[cfg(not(feature = "hydrate"))]
mod side {
    use serde_json::Value;

    use super::Json;

    pub fn parse(text: &str) -> Option<Json> {
        serde_json::from_str(text).ok().map(convert)
    }

    fn convert(value: Value) -> Json {
        match value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(value),
            Value::Number(number) => number.as_f64().map_or(Json::Null, Json::Number),
            Value::String(text) => Json::Text(text),
            Value::Array(values) => Json::List(values.into_iter().map(convert).collect()),
            Value::Object(fields) => {
                Json::Map(fields.into_iter().map(|(name, value)| (name, convert(value))).collect())
            }
        }
    }
}

/// Type that can be read from a JSON value.
pub trait Read: Sized {
    /// Reads the value; returns `None` if it doesn't fit the type.
    fn read(json: &Json) -> Option<Self>;
}

impl Read for String {
    fn read(json: &Json) -> Option<Self> {
        json.text().map(str::to_owned)
    }
}

impl Read for bool {
    fn read(json: &Json) -> Option<Self> {
        Some(matches!(json, Json::Bool(true)))
    }
}

impl<T: Read> Read for Option<T> {
    fn read(json: &Json) -> Option<Self> {
        if *json == Json::Null { Some(None) } else { T::read(json).map(Some) }
    }
}

impl<T: Read> Read for [T; 2] {
    fn read(json: &Json) -> Option<Self> {
        Vec::read(json)?.try_into().ok()
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(json: &Json) -> Option<Self> {
        match json {
            Json::List(values) => values.iter().map(T::read).collect(),
            Json::Null => Some(Vec::new()),
            _ => None,
        }
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl Read for $number {
            fn read(json: &Json) -> Option<Self> {
                if let Json::Number(number) = json { Some(*number as $number) } else { None }
            }
        }
    )+};
}
numbers!(i64, u64, u32, u16, u8, usize, f64);

/// Implements `Read` for types that parse from a string.
macro_rules! texts {
    ($($text:ty),+ $(,)?) => {$(
        impl $crate::runtime::json::Read for $text {
            fn read(json: &$crate::runtime::json::Json) -> Option<Self> {
                json.text()?.parse().ok()
            }
        }
    )+};
}
pub(crate) use texts;

/// Implements `Read` for records, by the names of their fields.
macro_rules! records {
    ($($record:ident { $($field:ident),+ $(,)? })+) => {$(
        impl $crate::runtime::json::Read for $record {
            fn read(json: &$crate::runtime::json::Json) -> Option<Self> {
                Some(Self { $($field: $crate::runtime::json::Read::read(json.field(stringify!($field)))?),+ })
            }
        }
    )+};
}
pub(crate) use records;

/// Implements `Read` for enums of fixed strings.
macro_rules! words {
    ($($record:ident { $($word:literal => $value:ident),+ $(,)? })+) => {$(
        impl $crate::runtime::json::Read for $record {
            fn read(json: &$crate::runtime::json::Json) -> Option<Self> {
                match json.text()? {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }
    )+};
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_serde_writes_is_read_alike() {
        let texts = ["", "a\"\\\n\u{1}\u{8}ü€😀</script>", "\u{2028}"];
        let value = serde_json::json!({
            "texts": texts, "numbers": [0, -1, 1.5, 1e21, 9_007_199_254_740_991_i64], "none": null, "yes": true, "empty": {}, "list": [],
        });
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap_or_default()] {
            let json = Json::parse(&text).unwrap_or(Json::Null);
            assert_eq!(Vec::<String>::read(json.field("texts")), Some(texts.map(str::to_owned).to_vec()));
            let numbers = [0.0, -1.0, 1.5, 1e21, 9_007_199_254_740_991.0].map(Json::Number).to_vec();
            assert_eq!(json.field("numbers"), &Json::List(numbers));
            assert_eq!(json.field("empty"), &Json::Map(Vec::new()));
            assert_eq!((bool::read(json.field("yes")), bool::read(json.field("not there"))), (Some(true), Some(false)));
        }
    }
}
