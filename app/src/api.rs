//! Data access of the pages: from the [`Backend`](crate::backend::Backend) on the server, from the JSON API in the browser.

use leptos::server::codee::{Decoder, Encoder};
#[cfg(not(feature = "hydrate"))]
use serde::Serialize;
use shared::equalize::MethodKind;
use shared::error::Problem;
use shared::gallery::ImageQuery;

#[cfg(feature = "hydrate")]
#[path = "api/browser.rs"]
mod side;
#[cfg(not(feature = "hydrate"))]
#[path = "api/server.rs"]
mod side;

pub use side::{
    act, add_job, delete_several, image, images, neighbours, restore, retry, sections, set_status, timeline,
};
#[cfg(feature = "hydrate")]
pub(crate) use side::{get, json, problem};

/// Serialization of a page's resources from the server to the hydrating browser: written by serde, read like all other API
/// responses.
pub struct Handed;

#[cfg(not(feature = "hydrate"))]
impl<T: Serialize> Encoder<Result<T, Problem>> for Handed {
    type Error = serde_json::Error;
    type Encoded = String;

    fn encode(value: &Result<T, Problem>) -> Result<String, serde_json::Error> {
        serde_json::to_string(value)
    }
}

/// Never called: only the server encodes.
#[cfg(feature = "hydrate")]
impl<T> Encoder<Result<T, Problem>> for Handed {
    type Error = std::convert::Infallible;
    type Encoded = String;

    fn encode(_value: &Result<T, Problem>) -> Result<String, std::convert::Infallible> {
        Ok(String::new())
    }
}

#[cfg(not(feature = "hydrate"))]
impl<T> Decoder<Result<T, Problem>> for Handed {
    type Error = String;
    type Encoded = str;

    fn decode(_text: &str) -> Result<Result<T, Problem>, String> {
        Err("only a browser is handed something".to_owned())
    }
}

#[cfg(feature = "hydrate")]
impl<T: crate::runtime::json::Read> Decoder<Result<T, Problem>> for Handed {
    type Error = String;
    type Encoded = str;

    fn decode(text: &str) -> Result<Result<T, Problem>, String> {
        let json = crate::runtime::json::Json::parse(text);
        let (done, failed) = json.map(|json| (json.field("Ok").to(), json.field("Err").to())).unwrap_or_default();
        done.map(Ok).or(failed.map(Err)).ok_or_else(|| "unexpected format".to_owned())
    }
}

/// Problem for a malformed image id in an address: no such image.
pub fn no_such_image() -> Problem {
    Problem::new(404, "Not Found", "Image not found. It may have been deleted, or the link is incomplete.")
}

/// Formats an [`ImageQuery`] as a query string, without `?`: `state=done&q=moon`.
pub fn query_string(query: &ImageQuery) -> String {
    let limit = query.limit.map(|limit| limit.to_string());
    let depth = query.depth.map(|depth| depth.to_string());
    let pairs = [
        ("limit", limit.as_deref()),
        ("cursor", query.cursor.as_deref()),
        ("state", query.state.map(|state| state.name())),
        ("format", query.format.map(|format| format.name())),
        ("depth", depth.as_deref()),
        ("method", query.method.map(|method| method.name())),
        ("q", query.q.as_deref()),
        ("sort", query.sort.map(sort_name)),
    ];
    let text: Vec<String> =
        pairs.iter().filter_map(|(key, value)| value.map(|value| format!("{key}={}", escape(value)))).collect();
    text.join("&")
}

/// Returns a sort order's name in addresses.
pub const fn sort_name(sort: shared::gallery::Sort) -> &'static str {
    match sort {
        shared::gallery::Sort::Newest => "newest",
        shared::gallery::Sort::Oldest => "oldest",
        shared::gallery::Sort::Name => "name",
    }
}

/// Parses a sort order's name.
pub fn sort_of(name: &str) -> Option<shared::gallery::Sort> {
    use shared::gallery::Sort;
    [Sort::Newest, Sort::Oldest, Sort::Name].into_iter().find(|sort| sort_name(*sort) == name)
}

/// Parses a method's name.
pub fn method_of(name: &str) -> Option<MethodKind> {
    MethodKind::ALL.into_iter().find(|method| method.name() == name)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::gallery::Sort;
    use shared::job::JobState;

    #[test]
    fn an_address_says_what_was_asked_and_nothing_else() {
        assert_eq!(query_string(&ImageQuery::default()), "");
        let query = ImageQuery {
            limit: Some(50),
            state: Some(JobState::Failed),
            q: Some("a&b = ü".to_owned()),
            sort: Some(Sort::Name),
            ..ImageQuery::default()
        };
        assert_eq!(query_string(&query), "limit=50&state=failed&q=a%26b%20%3D%20%C3%BC&sort=name");
    }

    #[test]
    fn every_order_is_found_by_its_name() {
        for sort in [Sort::Newest, Sort::Oldest, Sort::Name] {
            assert_eq!(sort_of(sort_name(sort)), Some(sort));
        }
        assert_eq!(sort_of("size"), None);
    }
}
