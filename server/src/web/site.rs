//! The site's files (scripts, styles, WebAssembly), embedded in a release, read from the disk in development.

use std::borrow::Cow;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::range::if_none_match;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../target/site"]
struct Site;

/// A file, and the hash of its content.
struct Asset {
    bytes: Cow<'static, [u8]>,
    sha256: [u8; 32],
}

fn embedded(name: &str) -> Option<Asset> {
    Site::get(name).map(|file| Asset { sha256: file.metadata.sha256_hash(), bytes: file.data })
}

/// The file at a path of the site, in brotli where the client takes it; `None` if there is none.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    find(path, headers, embedded)
}

fn find(path: &str, headers: &HeaderMap, get: impl Fn(&str) -> Option<Asset>) -> Option<Response> {
    let name = path.trim_start_matches('/');
    let plain = !name.is_empty() && !name.ends_with(".br") && !name.split('/').any(|part| part == "..");
    if !plain {
        return None;
    }
    let compressed = takes_brotli(headers).then(|| get(&format!("{name}.br"))).flatten();
    match compressed {
        Some(asset) => Some(serve(name, asset, Some("br"), headers)),
        None => Some(serve(name, get(name)?, None, headers)),
    }
}

fn serve(name: &str, asset: Asset, encoding: Option<&'static str>, headers: &HeaderMap) -> Response {
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
    let cache = if is_hashed(name) { "public, max-age=31536000, immutable" } else { "no-cache" };
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

/// What a Web Worker may load: modules of this site. It has the policy of its own script, not of the page that starts it.
const WORKERS_POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

/// Whether a name is that of a Web Worker's script.
fn is_worker(name: &str) -> bool {
    name.ends_with("-worker.js")
}

/// Whether a name carries a hash of the content (`app.0f3a91c2.js`), so that the content under it never changes.
fn is_hashed(name: &str) -> bool {
    let hash = |part: &str| part.len() >= 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let file = name.rsplit('/').next().unwrap_or(name);
    let parts: Vec<&str> = file.split('.').collect();
    parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| hash(part))
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

    #[test]
    fn only_names_with_a_hash_are_kept_for_long() {
        assert!(is_hashed("pkg/app.0f3a91c2.js"));
        for name in ["pkg/evenlight.js", "pkg/evenlight.wasm", "theme.min.js", "deadbeef.js"] {
            assert!(!is_hashed(name), "{name}");
        }
    }

    /// A site of two files, one of which is there in brotli too.
    fn asset(name: &str) -> Option<Asset> {
        let asset = |bytes: &'static [u8], hash| Some(Asset { bytes: bytes.into(), sha256: [hash; 32] });
        match name {
            "pkg/evenlight.js" => asset(b"script", 1),
            "pkg/evenlight.js.br" => asset(b"brotli", 2),
            "favicon.0123abcd.svg" => asset(b"<svg/>", 3),
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
        let icon = ask("/favicon.0123abcd.svg", &[(header::ACCEPT_ENCODING, "br")]).unwrap();
        assert!(icon.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
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
