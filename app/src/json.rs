//! Small JSON reader: one generic tree for all messages, and per record only the names of its fields.
//!
//! Every tab reads the event stream with it, several times a second. serde would generate a parser for each record, which would
//! make up a tenth of the page's module. Missing fields are read leniently, since the page may be older or newer than the
//! server.

use std::iter::Peekable;
use std::str::Chars;

use shared::number::parse;

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

/// Maximum nesting depth.
const DEEPEST: u32 = 32;

impl Json {
    /// Parses a text; returns `None` if it isn't JSON.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader(text.chars().peekable());
        let value = reader.value(0)?;
        reader.skip_blanks();
        reader.0.next().is_none().then_some(value)
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

struct Reader<'a>(Peekable<Chars<'a>>);

impl Reader<'_> {
    fn skip_blanks(&mut self) {
        while self.0.next_if(|next| matches!(next, ' ' | '\n' | '\r' | '\t')).is_some() {}
    }

    /// Skips blanks, and consumes the next character if it is `wanted`.
    fn takes(&mut self, wanted: char) -> bool {
        self.skip_blanks();
        self.0.next_if_eq(&wanted).is_some()
    }

    fn value(&mut self, depth: u32) -> Option<Json> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_blanks();
        match *self.0.peek()? {
            '"' => Some(Json::Text(self.text()?)),
            '[' => self.list(depth),
            '{' => self.map(depth),
            _ => self.word(),
        }
    }

    fn list(&mut self, depth: u32) -> Option<Json> {
        let mut values = Vec::new();
        self.0.next();
        while !self.takes(']') {
            if !values.is_empty() && !self.takes(',') {
                return None;
            }
            values.push(self.value(depth + 1)?);
        }
        Some(Json::List(values))
    }

    fn map(&mut self, depth: u32) -> Option<Json> {
        let mut fields = Vec::new();
        self.0.next();
        while !self.takes('}') {
            if !fields.is_empty() && !self.takes(',') {
                return None;
            }
            self.skip_blanks();
            let name = self.text()?;
            if !self.takes(':') {
                return None;
            }
            fields.push((name, self.value(depth + 1)?));
        }
        Some(Json::Map(fields))
    }

    fn word(&mut self) -> Option<Json> {
        let mut word = String::new();
        while let Some(next) = self.0.next_if(|next| next.is_ascii_alphanumeric() || matches!(next, '+' | '-' | '.')) {
            word.push(next);
        }
        match word.as_str() {
            "null" => Some(Json::Null),
            "true" => Some(Json::Bool(true)),
            "false" => Some(Json::Bool(false)),
            number if number.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                parse(number).map(Json::Number)
            }
            _ => None,
        }
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        if self.0.next()? != '"' {
            return None;
        }
        loop {
            match self.0.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.0.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => return self.code_point(),
            other => other,
        })
    }

    /// Reads four hexadecimal digits, or twice four if UTF-16 needs a surrogate pair.
    fn code_point(&mut self) -> Option<char> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        if self.0.next()? != '\\' || self.0.next()? != 'u' {
            return None;
        }
        let second = self.unit()?.checked_sub(0xdc00)?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + second)
    }

    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit * 16 + self.0.next()?.to_digit(16)?))
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
        impl $crate::json::Read for $text {
            fn read(json: &$crate::json::Json) -> Option<Self> {
                json.text()?.parse().ok()
            }
        }
    )+};
}
pub(crate) use texts;

/// Implements `Read` for records, by the names of their fields.
macro_rules! records {
    ($($record:ident { $($field:ident),+ $(,)? })+) => {$(
        impl $crate::json::Read for $record {
            fn read(json: &$crate::json::Json) -> Option<Self> {
                Some(Self { $($field: $crate::json::Read::read(json.field(stringify!($field)))?),+ })
            }
        }
    )+};
}
pub(crate) use records;

/// Implements `Read` for enums of fixed strings.
macro_rules! words {
    ($($record:ident { $($word:literal => $value:ident),+ $(,)? })+) => {$(
        impl $crate::json::Read for $record {
            fn read(json: &$crate::json::Json) -> Option<Self> {
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
        assert_eq!(Json::parse(r#""\u00e9\ud83d\ude00\/""#), Some(Json::Text("é😀/".to_owned())));
    }

    #[test]
    fn what_is_no_json_is_nothing() {
        for text in
            ["", "{", "[1 2]", "[1,]", "{\"a\"}", "\"a", "tru", "1 2", "\"\\ud83d\"", "\"\\u12\"", &"[".repeat(99)]
        {
            assert_eq!(Json::parse(text), None, "{text}");
        }
    }
}
