//! `POST /api/images`: uploads an image in a form, streamed to [`accept`](pipeline::intake::accept).
//!
//! The images that its recipe names may precede it as files: each becomes an image of its own, as if it had been
//! uploaded before.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use pipeline::intake;
use pipeline::intake::accept::{Accept, Offer, Upload};
use pipeline::intake::full::Full;
use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::id::ImageId;
use shared::route;

use super::multipart::{Field, Form};
use crate::WebState;
use crate::connections::connection::Caller;
use crate::problem::{ApiError, Result};

/// Maximum size of a recipe, in bytes.
const RECIPE_BYTES: usize = 16 << 10;

/// Maximum number of recipe fields in a form.
const MOST_FIELDS: usize = 64;

/// Recipe fields that name images, which may be sent as files instead.
const COMPANIONS: [&str; 2] = ["reference", "mask"];

/// How many images a form may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    /// One: a program sends one image and gets its ids.
    One,
    /// Several: for people without JavaScript.
    Many,
}

/// `POST /api/images`: 202 with the ids; a browser's own form is redirected to the pages.
pub(crate) async fn create(State(state): State<WebState>, request: Request) -> Result<Response> {
    if prefers_html(request.headers()) {
        let accepted = receive(&state, request, Images::Many).await?;
        return Ok(match accepted.as_slice() {
            [one] => Redirect::to(&route::image_page(&one.image_id)),
            _ => Redirect::to(route::GALLERY),
        }
        .into_response());
    }
    let accepted = receive(&state, request, Images::One).await?;
    accepted.into_iter().next().map(taken).ok_or_else(missing_image)
}

/// 202 with the image's location.
pub(crate) fn taken(accepted: Accepted) -> Response {
    let headers = [(header::LOCATION, route::image(&accepted.image_id)), (header::CACHE_CONTROL, "no-store".into())];
    (StatusCode::ACCEPTED, headers, Json(accepted)).into_response()
}

/// Receives the images of a form; fails if there are none.
pub(crate) async fn receive(state: &WebState, request: Request, images: Images) -> Result<Vec<Accepted>> {
    let key = idempotency_key(request.headers())?;
    let most = state.accept.max_upload_bytes;
    // An image may come with two others.
    let all = most.saturating_mul(1 + COMPANIONS.len() as u64).saturating_add(1 << 20);
    if content_length(request.headers()).is_some_and(|length| length > all) {
        return Err(intake::Error::TooLarge(most).into());
    }
    let accept = state.accept.of(Caller::of(request.extensions()).client());
    let mut form = Form::new(request).await?;
    let received = read(&accept, &mut form, key, images).await;
    if received.is_err() {
        form.drain().await;
    }
    received
}

async fn read(accept: &Accept, form: &mut Form, key: Option<String>, images: Images) -> Result<Vec<Accepted>> {
    let mut asked = Asked::default();
    let mut accepted = Vec::new();
    let mut pending: Option<Upload> = None;
    while let Some(field) = form.next().await? {
        match field.name() {
            "image" if pending.is_some() && images == Images::One => {
                return Err(ApiError::bad_request("There is more than one field `image`; send one image per request."));
            }
            "image" => {
                if let Some(upload) = pending.take() {
                    accepted.push(upload.finish().await?);
                }
                let key = key.clone().filter(|_| accepted.is_empty());
                let offer = Offer { name: file_name(field.file_name()), recipe: asked.recipe()?, idempotency_key: key };
                let mut upload = accept.begin(offer).await?;
                stream(&mut upload, field).await?;
                pending = Some(upload);
            }
            name if pending.is_some() && is_of_recipe(name) => {
                let detail = format!("The field `{name}` must come before the field `image`.");
                return Err(ApiError::bad_request(detail));
            }
            name if COMPANIONS.contains(&name) && field.file_name().is_some() => {
                let name = name.to_owned();
                if asked.images.iter().any(|(role, _)| *role == name) {
                    return Err(twice(&name));
                }
                if let Some(image) = companion(accept, field, &name, key.as_deref()).await? {
                    asked.images.push((name, image));
                }
            }
            name if is_of_recipe(name) => {
                let name = name.to_owned();
                asked.add(name, field.text(RECIPE_BYTES).await?)?;
            }
            other => {
                let detail = format!(
                    "Expected the field `image`, before it `recipe` or the fields of a recipe ({}), got {other:?}.",
                    Recipe::FORM.join(", ")
                );
                return Err(ApiError::bad_request(detail));
            }
        }
    }
    accepted.push(pending.ok_or_else(missing_image)?.finish().await?);
    Ok(accepted)
}

fn is_of_recipe(name: &str) -> bool {
    name == "recipe" || Recipe::FORM.contains(&name)
}

/// The recipe of a form: as JSON, as programs send it, or field by field, as a page does.
#[derive(Default)]
struct Asked {
    json: Option<String>,
    fields: Vec<(String, String)>,
    /// Images that were sent as files, with the recipe field that each belongs to.
    images: Vec<(String, ImageId)>,
}

impl Asked {
    fn add(&mut self, name: String, text: String) -> Result<()> {
        if name != "recipe" {
            if self.fields.len() == MOST_FIELDS {
                let detail =
                    format!("Expected at most {MOST_FIELDS} fields of a recipe before the field `image`, got more.");
                return Err(ApiError::bad_request(detail));
            }
            self.fields.push((name, text));
        } else if self.json.replace(text).is_some() {
            return Err(ApiError::bad_request("There is more than one field `recipe`."));
        }
        Ok(())
    }

    fn recipe(&self) -> Result<Recipe> {
        match &self.json {
            Some(_) if !self.fields.is_empty() => {
                let detail = "Expected either the field `recipe` or the fields of a recipe, got both.";
                Err(ApiError::bad_request(detail))
            }
            Some(json) => recipe_of_json(json, &self.images),
            None => {
                let mut fields = self.fields.clone();
                for (name, image) in &self.images {
                    if fields.iter().any(|(other, text)| other == name && !text.trim().is_empty()) {
                        return Err(twice(name));
                    }
                    fields.push((name.clone(), image.to_string()));
                }
                recipe_of_form(&fields)
            }
        }
    }
}

/// 400: an image was both named and sent, or sent twice.
fn twice(name: &str) -> ApiError {
    ApiError::bad_request(format!("Expected one image as `{name}`, named or sent as a file; got more than one."))
}

/// Parses a recipe from a form's fields.
pub(crate) fn recipe_of_form(fields: &[(String, String)]) -> Result<Recipe> {
    let fields = fields.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Recipe::from_form(fields).map_err(|error| ApiError::bad_request(format!("The recipe can't be used: {error}.")))
}

/// Receives an image that a recipe names; `None` if the user chose no file.
async fn companion(accept: &Accept, mut field: Field<'_>, role: &str, key: Option<&str>) -> Result<Option<ImageId>> {
    let first = field.chunk().await?.filter(|bytes| !bytes.is_empty());
    if first.is_none() && field.file_name().is_none_or(str::is_empty) {
        return Ok(None);
    }
    // A repeated request gets the same companion, and so has the same recipe.
    let offer = Offer {
        name: file_name(field.file_name()),
        recipe: Recipe::default(),
        idempotency_key: key.map(|key| format!("{key} {role}")),
    };
    let mut upload = accept.begin(offer).await?;
    if let Some(bytes) = first {
        upload.append(0, bytes).await?;
    }
    stream(&mut upload, field).await?;
    let said = |error: intake::Error| match error {
        intake::Error::Refused(sentence) => intake::Error::Refused(format!("The {role} image: {sentence}")),
        error => error,
    };
    Ok(Some(upload.finish().await.map_err(said)?.image_id))
}

/// Appends the rest of a field's content.
async fn stream(upload: &mut Upload, mut field: Field<'_>) -> Result<()> {
    while let Some(bytes) = field.chunk().await? {
        upload.append(upload.offset(), bytes).await?;
    }
    Ok(())
}

/// Parses a recipe from JSON; `method` defaults to `global`.
pub(crate) fn parse_recipe(json: &str) -> Result<Recipe> {
    recipe_of_json(json, &[])
}

/// As [`parse_recipe`], with companions that were sent as files.
fn recipe_of_json(json: &str, images: &[(String, ImageId)]) -> Result<Recipe> {
    let wrong = |error: serde_json::Error| ApiError::bad_request(format!("The recipe can't be used: {error}."));
    let mut value: serde_json::Value = serde_json::from_str(json).map_err(wrong)?;
    if let Some(fields) = value.as_object_mut() {
        fields.entry("method").or_insert_with(|| "global".into());
        for (name, image) in images {
            if fields.insert(name.clone(), image.to_string().into()).is_some() {
                return Err(twice(name));
            }
        }
    }
    serde_json::from_value(value).map_err(wrong)
}

/// Returns the `Idempotency-Key`, if there is one.
///
/// # Errors
/// 400 if it isn't 1 to 255 visible ASCII characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    match key.to_str() {
        Ok(key) if (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic() || b == b' ') => {
            Ok(Some(key.to_owned()))
        }
        _ => Err(ApiError::bad_request("Expected an Idempotency-Key of 1 to 255 visible ASCII characters.")),
    }
}

/// Whether the client is a browser navigating to a page, rather than a program reading JSON.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split([',', ';']).next().is_some_and(|first| first.trim().eq_ignore_ascii_case("text/html"))
}

/// Returns the part of a file name after the last separator, without control and bidirectional characters and leading
/// dots, cut to a limit; `image` if nothing is left.
pub(crate) fn file_name(sent: Option<&str>) -> String {
    const LONGEST: usize = 200;
    let deceives = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let last = sent.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control() && !deceives(*c)).collect();
    let clean = clean.trim().trim_start_matches('.');
    if clean.is_empty() {
        return "image".to_owned();
    }
    let (stem, extension) = clean.rsplit_once('.').filter(|(_, e)| e.len() <= 8).unwrap_or((clean, ""));
    if clean.len() <= LONGEST {
        return clean.to_owned();
    }
    let mut end = LONGEST;
    while !stem.is_char_boundary(end.min(stem.len())) {
        end -= 1;
    }
    let stem = &stem[..end.min(stem.len())];
    if extension.is_empty() { stem.to_owned() } else { format!("{stem}.{extension}") }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn missing_image() -> ApiError {
    ApiError::bad_request("Expected an image in the field `image`; there is none.")
}

impl From<Full> for ApiError {
    fn from(full: Full) -> Self {
        let status = match full {
            Full::Share(_) | Full::Unfinished { own: true, .. } => StatusCode::TOO_MANY_REQUESTS,
            Full::Announced { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        ApiError::new(status, full.to_string()).retry_after(full.retry_after())
    }
}

impl From<intake::Error> for ApiError {
    fn from(error: intake::Error) -> Self {
        use intake::Error;
        let sentence = error.to_string();
        match error {
            Error::Empty => ApiError::bad_request(sentence),
            Error::NotAnImage(_) => ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, sentence),
            Error::TooLarge(_) => ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, sentence),
            Error::Refused(_) | Error::Overran(_) | Error::KeyReused(_) => {
                ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
            }
            Error::Abandoned => ApiError::new(StatusCode::GONE, sentence),
            Error::Deleted | Error::TakenOver | Error::Offset { .. } => ApiError::conflict(sentence),
            Error::Busy(_) => ApiError::unavailable_for(5, sentence),
            Error::NoRoom(full) => full.into(),
            Error::Full => ApiError::new(StatusCode::INSUFFICIENT_STORAGE, sentence),
            Error::Store(error) => error.into(),
            Error::Catalog(error) => error.into(),
            Error::Pixels(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use shared::equalize::Color;

    use super::*;

    #[test]
    fn a_files_name_is_its_last_part_without_tricks() {
        let cases = [
            (Some("moon.png"), "moon.png"),
            (Some("C:\\photos\\moon.png"), "moon.png"),
            (Some("../../etc/passwd"), "passwd"),
            (Some("a\u{202e}gnp.exe\r\n"), "agnp.exe"),
            (Some("Mond über Köln.TIF"), "Mond über Köln.TIF"),
            (Some(".."), "image"),
            (Some("  "), "image"),
            (None, "image"),
        ];
        for (sent, kept) in cases {
            assert_eq!(file_name(sent), kept, "{sent:?}");
        }
        let long = file_name(Some(&format!("{}.png", "ü".repeat(500))));
        assert!(long.len() <= 210 && long.ends_with("ü.png"));
    }

    #[test]
    fn a_recipe_has_defaults_and_says_what_it_expects() {
        assert_eq!(parse_recipe("{}").unwrap(), Recipe::default());
        assert_eq!(parse_recipe(r#"{"method":"global"}"#).unwrap(), Recipe::default());
        assert_eq!(parse_recipe(r#"{"color":"hsv"}"#).unwrap(), Recipe::global(Color::Hsv));
        for (wrong, expected) in [
            (r#"{"method":"magic"}"#, "`global`"),
            (r#"{"method":"global","colour":"hsv"}"#, "`color`"),
            (r#"{"color":"sepia"}"#, "`luma`"),
            ("nonsense", "line 1"),
        ] {
            let sentence = parse_recipe(wrong).unwrap_err().problem().to_string();
            assert!(sentence.contains(expected), "{sentence}");
        }
    }

    #[test]
    fn only_a_browser_that_navigates_gets_pages() {
        let prefers = |accept: &'static str| {
            prefers_html(&[(header::ACCEPT, axum::http::HeaderValue::from_static(accept))].into_iter().collect())
        };
        assert!(prefers("text/html,application/xhtml+xml,*/*;q=0.8"));
        assert!(!prefers("*/*") && !prefers("application/json, text/html"));
    }
}
