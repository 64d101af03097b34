//! Companions: the reference and mask images that a recipe names, and whether they fit the image.

use catalog::Gallery;
use codec::Limits;
use shared::equalize::{Color, Recipe, output_layout};
use shared::id::ImageId;
use shared::job::{Companion, ImageInfo};
use shared::pixels::Layout;

/// The companions that a recipe names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Companions {
    /// Reference whose histogram the image is matched to.
    pub reference: Option<Companion>,
    /// The mask.
    pub mask: Option<Companion>,
}

/// Why a companion can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// A companion is missing or doesn't fit; a sentence for the user.
    #[error("{0}")]
    Refused(String),
    /// The catalog is unavailable.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

/// Looks up the companions that a recipe names, and checks that the recipe fits the image.
///
/// # Errors
/// [`Missing::Refused`] if the recipe doesn't fit the image, or a companion is missing or doesn't fit.
pub async fn find(
    catalog: &dyn Gallery,
    recipe: &Recipe,
    info: &ImageInfo,
    limits: &Limits,
) -> Result<Companions, Missing> {
    check(recipe, info, limits).map_err(Missing::Refused)?;
    let mut found = Companions::default();
    for (role, image, place) in
        [("reference", recipe.reference(), &mut found.reference), ("mask", recipe.mask.as_ref(), &mut found.mask)]
    {
        let Some(image) = image else { continue };
        let files = catalog.files(image, None).await?.ok_or_else(|| Missing::Refused(gone(role, image)))?;
        *place = Some(Companion {
            image: image.clone(),
            original: files.original,
            bytes: files.original_bytes,
            sha256: files.original_sha256,
            info: files.info,
        });
    }
    if let Some(reference) = &found.reference {
        single("reference", &reference.info).map_err(Missing::Refused)?;
        comparable(recipe, info, &reference.info).map_err(Missing::Refused)?;
    }
    if let Some(mask) = &found.mask {
        single("mask", &mask.info).map_err(Missing::Refused)?;
        same_size(info, &mask.info).map_err(Missing::Refused)?;
    }
    Ok(found)
}

/// Checks that a recipe can be applied to an image, and its format hold the result.
///
/// # Errors
/// A sentence for the user.
pub fn check(recipe: &Recipe, info: &ImageInfo, limits: &Limits) -> Result<(), String> {
    recipe.check(info)?;
    let layout = output_layout(recipe, info.layout);
    codec::check_target(recipe.target, info, layout, limits).map_err(|error| error.to_string())
}

/// Checks that an image can serve as a companion.
///
/// # Errors
/// A sentence for the user.
pub fn single(role: &str, info: &ImageInfo) -> Result<(), String> {
    match (role, info.pages(), info.depth, info.layout) {
        (_, pages @ 2.., ..) => Err(format!("Expected a {role} image of a single page, got a TIFF of {pages} pages.")),
        ("reference", _, depth, _) if !depth.has_levels() => {
            Err(format!("Expected a reference image with samples of 8 or 16 bits, got one of {}.", depth.noun()))
        }
        ("reference", _, _, Layout::Bands(bands) | Layout::BandsAlpha(bands)) => {
            Err(format!("Expected a gray or colour reference image, got one with {bands} bands."))
        }
        _ => Ok(()),
    }
}

/// Checks that the reference has the channels that the image's are matched with.
///
/// # Errors
/// A sentence for the user.
pub fn comparable(recipe: &Recipe, image: &ImageInfo, reference: &ImageInfo) -> Result<(), String> {
    let (inks, of_reference) = (image.layout == Layout::Cmyk, reference.layout == Layout::Cmyk);
    if recipe.color == Color::Channels && image.layout.colors() > 1 && inks != of_reference {
        let [image, other] = if inks { ["inks (CMYK)", "none"] } else { ["no inks", "inks (CMYK)"] };
        return Err(format!(
            "With the colour channels, each channel is matched with that of the reference; this image has {image}, its reference \
             {other}. Choose another colour, such as luma."
        ));
    }
    Ok(())
}

/// Checks that a mask has the size of its image.
///
/// # Errors
/// A sentence for the user.
pub fn same_size(image: &ImageInfo, mask: &ImageInfo) -> Result<(), String> {
    if (image.width, image.height) == (mask.width, mask.height) {
        return Ok(());
    }
    Err(format!(
        "The mask must be as large as the image, {} × {} pixels as stored; it is {} × {}.",
        image.width, image.height, mask.width, mask.height
    ))
}

/// Checks that a recipe fits a page of a multi-page file, which is only known once the page is read.
///
/// # Errors
/// A sentence for the user.
pub fn check_page(recipe: &Recipe, page: &ImageInfo, pages: u32) -> Result<(), String> {
    codec::check_target_of_page(recipe.target, page, pages).map_err(|error| error.to_string())?;
    recipe.check(page).map_err(|sentence| match page.more.page {
        0 => sentence,
        further => format!("Page {} of this TIFF: {sentence}", further + 1),
    })
}

/// Returns the sentence for a companion that no longer exists.
pub fn gone(role: &str, image: &ImageId) -> String {
    format!("The {role} image {image} doesn't exist or was deleted. Upload it again, and name the new one.")
}
