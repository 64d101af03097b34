//! Conditional and partial requests (RFC 9110 §13 and §14) for content with a strong entity tag that never changes.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// How to answer a request for some content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Want {
    /// 200: the whole content.
    All,
    /// 206: this range of bytes.
    Part(Range<u64>),
    /// 304: the client has it.
    NotModified,
    /// 416: the range lies outside the content.
    Unsatisfiable,
}

/// Evaluates `If-None-Match`, `Range` and `If-Range`. `etag` is quoted; `length` is in bytes. Several ranges, or an
/// invalid header, get the whole content (as RFC 9110 §14.2 allows).
pub fn want(headers: &HeaderMap, etag: &str, length: u64) -> Want {
    if if_none_match(headers, etag) {
        return Want::NotModified;
    }
    let Some(range) = headers.get(header::RANGE).and_then(|value| value.to_str().ok()) else {
        return Want::All;
    };
    // A date in If-Range never matches, as the server sends no Last-Modified.
    if headers.get(header::IF_RANGE).is_some_and(|expected| expected.as_bytes() != etag.as_bytes()) {
        return Want::All;
    }
    bytes_range(range, length)
}

/// Whether the client has the content already: weak comparison, as RFC 9110 §13.1.2 requires.
pub fn if_none_match(headers: &HeaderMap, etag: &str) -> bool {
    let ours = etag.trim_start_matches("W/");
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == ours)
}

fn bytes_range(range: &str, length: u64) -> Want {
    let Some((unit, set)) = range.split_once('=') else { return Want::All };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Want::All;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Want::All };
    match (number(first), number(last)) {
        (Some(Some(first)), Some(Some(last))) if first <= last => within(first, last.saturating_add(1), length),
        (Some(Some(first)), Some(None)) => within(first, length, length),
        (Some(None), Some(Some(0))) => Want::Unsatisfiable,
        (Some(None), Some(Some(suffix))) => within(length.saturating_sub(suffix), length, length),
        _ => Want::All,
    }
}

/// Returns `None` if it isn't a number, `Some(None)` if it is omitted.
fn number(digits: &str) -> Option<Option<u64>> {
    match digits {
        "" => Some(None),
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(Some(digits.parse().unwrap_or(u64::MAX))),
        _ => None,
    }
}

fn within(first: u64, end: u64, length: u64) -> Want {
    if first < length { Want::Part(first..end.min(length)) } else { Want::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn ask(pairs: &[(header::HeaderName, &'static str)]) -> Want {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        want(&headers, "\"abc\"", 100)
    }

    #[test]
    fn a_range_is_first_to_last_inclusive_open_or_a_suffix() {
        assert_eq!(ask(&[(header::RANGE, "bytes=0-0")]), Want::Part(0..1));
        assert_eq!(ask(&[(header::RANGE, "bytes=90-")]), Want::Part(90..100));
        assert_eq!(ask(&[(header::RANGE, "bytes=-30")]), Want::Part(70..100));
        assert_eq!(ask(&[(header::RANGE, "bytes=-300")]), Want::Part(0..100));
        assert_eq!(ask(&[(header::RANGE, "bytes=10-99999999999999999999")]), Want::Part(10..100));
    }

    #[test]
    fn a_range_beyond_the_end_is_unsatisfiable() {
        assert_eq!(ask(&[(header::RANGE, "bytes=100-")]), Want::Unsatisfiable);
        assert_eq!(ask(&[(header::RANGE, "bytes=-0")]), Want::Unsatisfiable);
    }

    #[test]
    fn several_ranges_and_nonsense_get_the_whole() {
        for odd in ["bytes=0-1,4-5", "bytes=5-1", "bytes=a-b", "lines=1-2", "bytes", "bytes=-"] {
            assert_eq!(ask(&[(header::RANGE, odd)]), Want::All, "{odd}");
        }
    }

    #[test]
    fn a_range_of_content_that_changed_gets_the_whole() {
        assert_eq!(ask(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"abc\"")]), Want::Part(0..2));
        assert_eq!(ask(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "\"old\"")]), Want::All);
        assert_eq!(ask(&[(header::RANGE, "bytes=0-1"), (header::IF_RANGE, "W/\"abc\"")]), Want::All);
    }

    #[test]
    fn content_that_the_client_has_is_not_sent_again() {
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "\"x\", W/\"abc\"")]), Want::NotModified);
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "*")]), Want::NotModified);
        assert_eq!(ask(&[(header::IF_NONE_MATCH, "\"x\"")]), Want::All);
    }
}
