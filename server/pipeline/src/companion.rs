//! Companions: the mask, decoded once for all tasks, and the reference, whose histogram is counted once.

use base::causes::SharedError;
use catalog::Gallery;
use codec::{Limits, PartHash, RowReader};
use shared::equalize::{Color, Histogram, Mask, Nodata, NodataRule, Recipe, output_layout};
use shared::job::{Companion, Cut, ImageInfo, Job, Pointer};
use shared::pixels::Layout;

use super::failure::Failure;
use super::masked_image::{mask_info, same_size};
use super::stage::{Hashed, TaskContext, gone, part_bytes};

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

/// Writes the mask's rows, one byte per pixel, in the image's parts; then the parts' hashes.
pub(super) async fn mask(context: &TaskContext, job: &Job, key: String) -> Result<Pointer, Failure> {
    let companion = named(job.mask.as_ref())?;
    let original = context.companion(companion);
    let (info, cut, to) = (companion.info.clone(), job.cut, job.info.clone());
    let hash = PartHash::of(job.algo);
    let memory = decoder_bytes(&companion.info, job.cut) + 2 * part_bytes(job);
    let writing = context.write(key, memory, Hashed::Parts(hash), move |emit| {
        same_size(&to, &info).map_err(codec::Error::Refused)?;
        let mut reader = codec::open(Box::new(original.open()?), &info)?;
        for part in 0..cut.parts {
            emit(Mask::image(&reader.read(cut.rows_of(part, mask_info(&to).height))?))?;
        }
        Ok(())
    });
    context.with_checked_companion("mask", companion, writing).await
}

/// Writes the histogram of the reference.
pub(super) async fn reference(context: &TaskContext, job: &Job, key: String) -> Result<Pointer, Failure> {
    let companion = named(job.reference.as_ref())?;
    let original = context.companion(companion);
    let (info, recipe, layout) = (companion.info.clone(), job.pinned_recipe(), job.info.layout);
    let counting = async {
        let counted = context.pixels.run(reference_bytes(&companion.info), move || {
            let mut reader = codec::open(Box::new(original.open()?), &info)?;
            Ok::<_, codec::Error>(count(&mut *reader, &info, &recipe, layout)?.to_bytes())
        });
        Ok::<_, Failure>(counted.await??)
    };
    let bytes = context.with_checked_companion("reference", companion, counting).await?;
    context.put(key, bytes).await
}

/// Counts the reference for an image with layout `image`. The reference's own nodata value is left out.
pub(super) fn count(
    reader: &mut dyn RowReader,
    info: &ImageInfo,
    recipe: &Recipe,
    image: Layout,
) -> codec::Result<Histogram> {
    let cut = Cut::new(info, 1);
    let mut histogram = Histogram::for_reference(recipe, image, info.layout, info.depth);
    // The reference's own intensity, which may differ from the image's.
    let intensity = histogram.intensity();
    let missing = info.more.nodata.and_then(Nodata::new).map(|nodata| NodataRule::new(nodata, intensity));
    for part in 0..cut.parts {
        let rows = reader.read(cut.rows_of(part, info.height))?;
        match Mask::of(&rows, missing, None) {
            None => histogram.count(&rows),
            Some(mask) => histogram.count_masked(&rows, &mask),
        }
    }
    Ok(histogram)
}

/// Memory for counting a reference, in bytes.
pub(super) fn reference_bytes(info: &ImageInfo) -> u64 {
    let cut = Cut::new(info, 1);
    decoder_bytes(info, cut) + 2 * u64::from(cut.part_rows) * info.row_bytes()
}

fn decoder_bytes(info: &ImageInfo, cut: Cut) -> u64 {
    if info.whole_decode { codec::decoder_memory(info) } else { u64::from(cut.part_rows) * info.row_bytes() }
}

fn named(companion: Option<&Companion>) -> Result<&Companion, Failure> {
    companion.ok_or_else(|| Failure::Trouble(SharedError::new("the job doesn't name the image that this task reads")))
}
