//! Static files of the site (scripts, styles, WebAssembly): embedded in a release, read from the disk in development.
//!
//! Pages refer to them by names that contain a hash of the content (`pkg/evenlight.0f3a91c2d4e5b6a7.js`), which
//! browsers cache forever. The plain names work too, with revalidation on each use.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::downloads::range::if_none_match;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../target/site"]
struct Site;

/// A file and the SHA-256 of its content.
struct Asset {
    bytes: Cow<'static, [u8]>,
    sha256: [u8; 32],
}

fn embedded(name: &str) -> Option<Asset> {
    Site::get(name).map(|file| Asset { sha256: file.metadata.sha256_hash(), bytes: file.data })
}

/// Returns the file at a path of the site, in brotli if the client accepts it; `None` if there is none.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    find(path, headers, embedded)
}

fn find(path: &str, headers: &HeaderMap, get: impl Fn(&str) -> Option<Asset>) -> Option<Response> {
    let name = path.trim_start_matches('/');
    let plain = !name.is_empty() && !name.ends_with(".br") && !name.split('/').any(|part| part == "..");
    if !plain {
        return None;
    }
    let (name, cache) = match without_hash(name) {
        // A hash of another version isn't found: its content isn't here, and this version's wouldn't fit the rest of
        // the page.
        Some((plain, hash)) => (plain.clone(), (digits(&get(&plain)?) == hash).then_some(FOR_EVER)?),
        None => (name.to_owned(), ASK_EACH_TIME),
    };
    let compressed = takes_brotli(headers).then(|| get(&format!("{name}.br"))).flatten();
    match compressed {
        Some(asset) => Some(serve(&name, asset, Some("br"), cache, headers)),
        None => Some(serve(&name, get(&name)?, None, cache, headers)),
    }
}

const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_EACH_TIME: &str = "no-cache";
/// Length of the hash in a name, in hexadecimal digits.
const DIGITS: usize = 16;

/// Returns the path of a file of the site for use in pages: with its hash, or the plain name if the file is missing (in
/// tests).
pub(super) fn address(name: &str) -> String {
    match (embedded(name), name.rsplit_once('.')) {
        (Some(asset), Some((stem, extension))) => format!("/{stem}.{}.{extension}", digits(&asset)),
        _ => format!("/{name}"),
    }
}

fn digits(asset: &Asset) -> String {
    asset.sha256.iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// Splits a name with a hash into the plain name and the hash.
fn without_hash(name: &str) -> Option<(String, &str)> {
    let (rest, extension) = name.rsplit_once('.')?;
    let (stem, hash) = rest.rsplit_once('.')?;
    let is_hash =
        hash.len() == DIGITS && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    is_hash.then(|| (format!("{stem}.{extension}"), hash))
}

fn serve(
    name: &str,
    asset: Asset,
    encoding: Option<&'static str>,
    cache: &'static str,
    headers: &HeaderMap,
) -> Response {
    let etag = etag(&asset);
    let mut response = if if_none_match(headers, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let body = match asset.bytes {
            Cow::Borrowed(bytes) => Body::from(bytes),
            Cow::Owned(bytes) => Body::from(bytes),
        };
        let mut response = Response::new(body);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
        if let Some(encoding) = encoding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    };
    if is_worker(name) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(WORKERS_POLICY));
    }
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    fields.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        fields.insert(header::ETAG, etag);
    }
    response
}

fn etag(asset: &Asset) -> String {
    let digits: String = asset.sha256.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let refused =
        |parameters: &str| matches!(parameters.trim().strip_prefix("q="), Some("0" | "0.0" | "0.00" | "0.000"));
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|coding| coding.split_once(';').unwrap_or((coding, "")))
        .any(|(coding, parameters)| coding.trim().eq_ignore_ascii_case("br") && !refused(parameters))
}

/// Content-Security-Policy of Web Workers: modules of this site. A worker has the policy of its own script, not that of
/// the page that starts it.
const WORKERS_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/// Whether the name is that of a Web Worker's script.
fn is_worker(name: &str) -> bool {
    name.ends_with("-worker.js")
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A site of two files, one of which also exists in brotli.
    fn asset(name: &str) -> Option<Asset> {
        let asset = |bytes: &'static [u8], hash| Some(Asset { bytes: bytes.into(), sha256: [hash; 32] });
        match name {
            "pkg/evenlight.js" => asset(b"script", 1),
            "pkg/evenlight.js.br" => asset(b"brotli", 2),
            "favicon.svg" => asset(b"<svg/>", 3),
            _ => None,
        }
    }

    #[test]
    fn a_file_comes_compressed_typed_and_once() {
        let ask = |path: &str, pairs: &[(header::HeaderName, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            find(path, &pairs.collect(), asset)
        };
        let plain = ask("/pkg/evenlight.js", &[]).unwrap();
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-cache");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        let small = ask("/pkg/evenlight.js", &[(header::ACCEPT_ENCODING, "gzip, br")]).unwrap();
        assert_eq!(small.headers()[header::CONTENT_ENCODING], "br");
        assert_ne!(small.headers()[header::ETAG], plain.headers()[header::ETAG]);
        let tag = "\"01010101010101010101010101010101\"";
        assert_eq!(ask("/pkg/evenlight.js", &[(header::IF_NONE_MATCH, tag)]).unwrap().status(), 304);
        let icon = ask("/favicon.0303030303030303.svg", &[(header::ACCEPT_ENCODING, "br")]).unwrap();
        assert_eq!(icon.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        let script = ask("/pkg/evenlight.0101010101010101.js", &[(header::ACCEPT_ENCODING, "br")]).unwrap();
        assert!(script.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(script.headers()[header::CONTENT_ENCODING], "br");
        assert!(ask("/favicon.0303030303030304.svg", &[]).is_none(), "the content of another version");
        assert_eq!(ask("/favicon.svg", &[]).unwrap().headers()[header::CACHE_CONTROL], "no-cache");
        assert!(ask("/pkg/evenlight.js.br", &[]).is_none() && ask("/", &[]).is_none());
    }

    #[test]
    fn brotli_is_sent_to_those_who_take_it() {
        let takes = |value: &'static str| {
            takes_brotli(&[(header::ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect())
        };
        assert!(takes("gzip, deflate, br") && takes("br;q=0.5"));
        assert!(!takes("gzip") && !takes("br;q=0, gzip"));
    }

    #[test]
    fn nothing_outside_the_site_is_served() {
        for path in ["/", "/../Cargo.toml", "/pkg/../../x", "/pkg/evenlight.js.br"] {
            assert!(file(path, &HeaderMap::new()).is_none(), "{path}");
        }
    }
}
