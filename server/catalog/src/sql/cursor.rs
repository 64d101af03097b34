//! Gallery cursors: a position in a sort order, which stays valid while images come and go.

use shared::gallery::Sort;
use shared::id::ImageId;

use crate::database::Arg;
use crate::error::{Invalid, Result};

/// The last image of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The page's sort key.
    pub key: Key,
    /// The image.
    pub image: ImageId,
}

/// Primary sort key; images with equal keys are sorted by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// Time of acceptance, latest first.
    Newest(i64),
    /// Time of acceptance, earliest first.
    Oldest(i64),
    /// Name in lower case.
    Name(String),
}

impl Key {
    fn sort(&self) -> Sort {
        match self {
            Key::Newest(_) => Sort::Newest,
            Key::Oldest(_) => Sort::Oldest,
            Key::Name(_) => Sort::Name,
        }
    }

    /// The SQL parameter to compare with.
    pub(super) fn arg(&self) -> Arg {
        match self {
            Key::Newest(created) | Key::Oldest(created) => Arg::Int(*created),
            Key::Name(name) => Arg::Text(Some(name.clone())),
        }
    }
}

impl Cursor {
    /// Encodes the cursor for a URL, as hexadecimal digits.
    pub(super) fn encode(&self) -> String {
        let text = match &self.key {
            Key::Newest(created) => format!("n{}{created}", self.image),
            Key::Oldest(created) => format!("o{}{created}", self.image),
            Key::Name(name) => format!("a{}{name}", self.image),
        };
        text.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Decodes the text of [`Cursor::encode`]; fails if it belongs to another sort order.
    pub(super) fn decode(text: &str, sort: Sort) -> Result<Self> {
        let cursor = parse(text).ok_or(Invalid::Cursor)?;
        if cursor.key.sort() == sort { Ok(cursor) } else { Err(Invalid::CursorOrder.into()) }
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    let pairs = digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair.get(1)?).ok());
    let plain = String::from_utf8(pairs.collect::<Option<_>>()?).ok()?;
    let (image, key) = (plain.get(1..33)?.parse().ok()?, plain.get(33..)?);
    let key = match plain.as_bytes().first()? {
        b'n' => Key::Newest(key.parse().ok()?),
        b'o' => Key::Oldest(key.parse().ok()?),
        b'a' if !key.contains('\0') => Key::Name(key.to_owned()),
        _ => return None,
    };
    Some(Cursor { key, image })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::error::Error;

    fn image() -> ImageId {
        "0123456789abcdef0123456789abcdef".parse().unwrap()
    }

    #[test]
    fn a_cursor_survives_its_way_through_a_url() {
        for key in [
            Key::Newest(-5),
            Key::Oldest(1_700_000_000_123),
            Key::Name("zürich\n日本%_'.png".into()),
            Key::Name("".into()),
        ] {
            let cursor = Cursor { key, image: image() };
            let text = cursor.encode();
            assert!(text.bytes().all(|b| b.is_ascii_hexdigit()));
            assert_eq!(Cursor::decode(&text, cursor.key.sort()).unwrap(), cursor);
        }
    }

    #[test]
    fn what_no_page_gave_is_refused_with_a_sentence() {
        let newest = Cursor { key: Key::Newest(7), image: image() }.encode();
        for bad in [
            "",
            "x",
            "abc",
            "6e",
            "ff",
            "é",
            &newest[..20],
            &format!("{newest}zz"),
            &format!("{newest}6"),
            &format!("{newest}61"),
        ] {
            let error = Cursor::decode(bad, Sort::Newest).unwrap_err();
            assert!(matches!(error, Error::Invalid(Invalid::Cursor)), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let newest = Cursor { key: Key::Newest(7), image: image() }.encode();
        assert!(matches!(Cursor::decode(&newest, Sort::Name), Err(Error::Invalid(Invalid::CursorOrder))));
    }
}
