//! Deletion of images, one or several, and its undo.

use axum::Json;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use catalog::Write;
use serde::Deserialize;
use shared::gallery::Chosen;
use shared::id::ImageId;
use shared::route;

use super::no_image;
use crate::WebState;
use crate::problem::{ApiError, Path, Query, Result};

/// Query of a deletion: `?forever=true` for one that can't be undone.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct How {
    #[serde(default)]
    forever: bool,
}

/// `DELETE /api/images/{id}`.
pub(crate) async fn delete(
    State(state): State<WebState>,
    Path(id): Path<ImageId>,
    Query(how): Query<How>,
) -> Result<StatusCode> {
    if how.forever {
        delete_for_good(&state, &id).await?;
    } else {
        delete_one(&state, id).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /images/{id}/delete`: as [`delete`], for a form.
pub(crate) async fn delete_form(State(state): State<WebState>, Path(id): Path<ImageId>) -> Result<Redirect> {
    delete_one(&state, id).await?;
    Ok(Redirect::to(route::GALLERY))
}

/// `POST /images/delete`: deletes several images, for a form.
pub(crate) async fn delete_several_form(
    State(state): State<WebState>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Redirect> {
    delete_several(&state, &chosen_of_form(&fields)?).await?;
    Ok(Redirect::to(route::GALLERY))
}

/// `POST /api/images/delete`: deletes several images; answers with those that were deleted.
pub(crate) async fn delete_chosen(
    State(state): State<WebState>,
    chosen: Result<Json<Chosen>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<Chosen>> {
    let images = delete_several(&state, &checked(chosen)?).await?;
    Ok(Json(Chosen { images }))
}

/// `POST /api/images/restore`: undoes deletions; answers with the images that were restored.
pub(crate) async fn restore_chosen(
    State(state): State<WebState>,
    chosen: Result<Json<Chosen>, axum::extract::rejection::JsonRejection>,
) -> Result<Json<Chosen>> {
    let images = state.catalog.restore(&checked(chosen)?).await?;
    if !images.is_empty() {
        tracing::info!(images = images.len(), "deletion undone");
        (state.accept.doorbell)();
    }
    Ok(Json(Chosen { images }))
}

/// Parses the `image` fields of a form.
pub(crate) fn chosen_of_form(fields: &[(String, String)]) -> Result<Vec<ImageId>> {
    let named = fields.iter().filter(|(name, _)| name == "image");
    let images: Result<Vec<ImageId>, _> = named.map(|(_, id)| id.parse()).collect();
    some(images.map_err(|error| ApiError::bad_request(format!("The field `image`: {error}.")))?)
}

fn checked(chosen: Result<Json<Chosen>, axum::extract::rejection::JsonRejection>) -> Result<Vec<ImageId>> {
    let Json(chosen) = chosen.map_err(|rejection| ApiError::bad_request(rejection.body_text()))?;
    some(chosen.images)
}

pub(crate) fn some(images: Vec<ImageId>) -> Result<Vec<ImageId>> {
    match images.len() {
        0 => Err(ApiError::bad_request("Expected at least one image; none was chosen.")),
        1..=Chosen::MAX_IMAGES => Ok(images),
        all => {
            Err(ApiError::bad_request(format!("Expected at most {} images at once, got {all}.", Chosen::MAX_IMAGES)))
        }
    }
}

async fn delete_several(state: &WebState, images: &[ImageId]) -> Result<Vec<ImageId>> {
    let gone = state.catalog.trash(images).await?;
    if !gone.is_empty() {
        tracing::info!(images = gone.len(), "images moved to the trash");
        (state.accept.doorbell)();
    }
    Ok(gone)
}

async fn delete_one(state: &WebState, id: ImageId) -> Result<()> {
    let gone = delete_several(state, std::slice::from_ref(&id)).await?;
    if gone.is_empty() { Err(no_image(&id)) } else { Ok(()) }
}

async fn delete_for_good(state: &WebState, id: &ImageId) -> Result<()> {
    match state.catalog.delete_image(id).await? {
        Write::Applied => {
            tracing::info!(image = %id, "image scheduled for deletion");
            (state.accept.doorbell)();
            Ok(())
        }
        Write::NoChange | Write::NotMine => Err(no_image(id)),
    }
}
