//! What becomes of a page's fields in the result, and their names for users.

use shared::decode::tiff::{Compression, Directory, Document, Entry, Meaning, Structure, Subsampling, tag};
use shared::job::Keeping;
use shared::packed::Packed;
use shared::pixels::Depth;

/// What becomes of a field.
pub(super) enum Fate {
    /// Describes how pixels are stored: written anew.
    Rewritten,
    /// Copied; the name is for the report.
    Kept(Option<&'static str>),
    /// Dropped, with a sentence.
    Dropped(String),
}

/// Fields that describe how pixels are stored.
const STRUCTURAL: [u16; 29] = [
    tag::IMAGE_WIDTH,
    tag::IMAGE_LENGTH,
    tag::BITS_PER_SAMPLE,
    tag::COMPRESSION,
    tag::PHOTOMETRIC,
    tag::FILL_ORDER,
    tag::STRIP_OFFSETS,
    tag::SAMPLES_PER_PIXEL,
    tag::ROWS_PER_STRIP,
    tag::STRIP_BYTE_COUNTS,
    tag::PLANAR_CONFIGURATION,
    tag::FREE_OFFSETS,
    tag::FREE_BYTE_COUNTS,
    tag::T4_OPTIONS,
    tag::T6_OPTIONS,
    tag::PREDICTOR,
    tag::COLOR_MAP,
    tag::TILE_WIDTH,
    tag::TILE_LENGTH,
    tag::TILE_OFFSETS,
    tag::TILE_BYTE_COUNTS,
    tag::SUB_IFDS,
    tag::EXTRA_SAMPLES,
    tag::SAMPLE_FORMAT,
    tag::INDEXED,
    tag::IMAGE_DEPTH,
    tag::JPEG_TABLES,
    tag::Y_CB_CR_SUB_SAMPLING,
    tag::Y_CB_CR_POSITIONING,
];

/// Fields that the pages of further slices have, besides those that describe how pixels are stored.
const OF_SLICES: [u16; 6] =
    [tag::ORIENTATION, tag::X_RESOLUTION, tag::Y_RESOLUTION, tag::RESOLUTION_UNIT, tag::ICC_PROFILE, tag::GDAL_NODATA];

/// Types of fields that point to directories.
const IFD: u16 = 13;
const IFD8: u16 = 18;

/// Private fields that hold positions in the file under types of ordinary numbers or bytes.
const POSITIONS: [u16; 9] = [
    tag::GLOBAL_PARAMETERS_IFD,
    tag::JPEG_INTERCHANGE_FORMAT,
    tag::JPEG_INTERCHANGE_FORMAT_LENGTH,
    tag::KODAK_IFD,
    tag::UIC1,
    tag::UIC2,
    tag::UIC3,
    tag::UIC4,
    tag::LSM,
];

/// Returns what becomes of a page's field in a result with this structure.
pub(super) fn fate(entry: &Entry, original: &Structure, result: &Structure, loses_color: bool) -> Fate {
    let (promoted, tag) = (original.bits != result.bits, entry.tag);
    match tag {
        known if STRUCTURAL.contains(&known) => Fate::Rewritten,
        tag::MIN_SAMPLE_VALUE | tag::MAX_SAMPLE_VALUE | tag::S_MIN_SAMPLE_VALUE | tag::S_MAX_SAMPLE_VALUE => {
            Fate::Dropped(format!("The minimum or maximum value (field {tag}) was for the old pixels."))
        }
        // The slices behind a directory become pages; the first one keeps the metadata.
        _ if original.slice > 0 && !OF_SLICES.contains(&tag) => Fate::Rewritten,
        tag::EXIF_IFD | tag::GPS_IFD => Fate::Kept(name(tag)),
        _ if matches!(entry.kind, IFD | IFD8) || POSITIONS.contains(&tag) => Fate::Dropped(format!(
            "The field {tag} holds positions in the original file, which are others in the result."
        )),
        tag::PHOTOSHOP_LAYERS => Fate::Dropped("Photoshop's layers showed the old pixels.".to_owned()),
        tag::CREDENTIALS => Fate::Dropped("The Content Credentials (C2PA) were signed for the old pixels.".to_owned()),
        tag::THRESHHOLDING
        | tag::CELL_WIDTH
        | tag::CELL_LENGTH
        | tag::HALFTONE_HINTS
        | tag::GRAY_RESPONSE_UNIT
        | tag::GRAY_RESPONSE_CURVE
        | tag::TRANSFER_FUNCTION
            if promoted =>
        {
            Fate::Dropped(format!("The field {tag} was for samples of {} bits.", original.bits))
        }
        tag::GDAL_NODATA if original.meaning == Meaning::Palette => {
            Fate::Dropped("The value for no data (GDAL) was an index of the palette.".to_owned())
        }
        tag::GDAL_NODATA if original.meaning == Meaning::YCbCr => {
            Fate::Dropped("The value for no data (GDAL) was for YCbCr.".to_owned())
        }
        tag::GDAL_NODATA if promoted => {
            Fate::Dropped(format!("The value for no data (GDAL) was one of {} bits.", original.bits))
        }
        tag::ICC_PROFILE
        | tag::TRANSFER_FUNCTION
        | tag::WHITE_POINT
        | tag::PRIMARY_CHROMATICITIES
        | tag::REFERENCE_BLACK_WHITE
        | tag::INK_SET
        | tag::INK_NAMES
        | tag::NUMBER_OF_INKS
        | tag::DOT_RANGE
        | tag::TARGET_PRINTER
            if loses_color =>
        {
            let what = if tag == tag::ICC_PROFILE {
                "The colour profile (ICC)".to_owned()
            } else {
                format!("The field {tag}")
            };
            Fate::Dropped(format!("{what} is for colours; the result is gray."))
        }
        tag::REFERENCE_BLACK_WHITE | tag::Y_CB_CR_COEFFICIENTS
            if original.compression == Compression::Jpeg || original.meaning == Meaning::YCbCr =>
        {
            Fate::Rewritten
        }
        _ => Fate::Kept(name(tag)),
    }
}

/// Returns a field's name for users.
const fn name(tag: u16) -> Option<&'static str> {
    Some(match tag {
        tag::ICC_PROFILE => "the colour profile (ICC)",
        tag::EXIF_IFD => "EXIF",
        tag::GPS_IFD => "GPS (EXIF)",
        tag::XMP => "XMP",
        tag::IPTC => "IPTC",
        tag::PHOTOSHOP => "Photoshop's resources",
        tag::X_RESOLUTION => "the resolution",
        tag::MODEL_PIXEL_SCALE | tag::MODEL_TIE_POINTS | tag::MODEL_TRANSFORMATION | tag::GEO_KEYS => "GeoTIFF",
        tag::GDAL_METADATA => "GDAL's metadata",
        tag::GDAL_NODATA => "the value for no data (GDAL)",
        270 => "the description",
        271 | 272 => "the camera or scanner",
        306 => "the date",
        315 => "the author",
        33_432 => "the copyright",
        _ => return None,
    })
}

/// Returns how the result is stored: like the original, as far as that can hold the equalized pixels.
pub(super) fn result(original: &Structure, keeping: &mut Keeping) -> Structure {
    let mut result = original.clone();
    result.bits = original.packed().map_or(original.depth.bits(), Packed::bits);
    result.reversed = false;
    if original.slice == 0 && original.directory.find(tag::PHOTOMETRIC).is_none() {
        keeping.change("The TIFF has no PhotometricInterpretation; its samples were read as gray.");
    }
    let bits = original.bits;
    match original.meaning {
        Meaning::Palette => {
            result.meaning = Meaning::Same;
            result.channels = 3;
            let depth = if original.depth == Depth::Eight { 8 } else { 16 };
            keeping.change(format!(
                "The palette of {bits} bits became colours (RGB of {depth} bits): an equalized image has more colours than \
                 a palette."
            ));
        }
        Meaning::YCbCr => {
            result.meaning = Meaning::Same;
            result.subsampling = Subsampling::NONE;
            keeping.change("YCbCr became RGB: an equalized image has colours that YCbCr can't hold without loss.");
        }
        _ if bits < 8 => {
            let bits = if bits == 1 { "1 bit".to_owned() } else { format!("{bits} bits") };
            keeping.change(format!("Samples of {bits} became 8 bits, so that an equalized image has all its shades."));
        }
        _ => {}
    }
    let was = match original.compression {
        compression if compression.is_fax() => "fax (CCITT), which is for black and white",
        Compression::Jpeg => "JPEG, which would lose more each time",
        Compression::Webp => "WebP, which isn't written",
        _ => return result,
    };
    result.compression = Compression::Deflate;
    keeping.change(format!("The compression was {was}; the result uses Deflate, which is lossless."));
    result
}

/// Reports on the whole file.
pub(super) fn of_file(document: &Document, keeping: &mut Keeping) {
    match (document.pages.len(), document.pages.iter().any(|page| page.slice > 0)) {
        (1, _) => {}
        (slices, true) => {
            keeping.keep(format!("{slices} slices, each equalized separately"));
            keeping.change(format!(
                "The {slices} slices lay behind one page, as ImageJ writes large stacks; each became a page of its own."
            ));
        }
        (pages, false) => keeping.keep(format!("{pages} pages, each equalized separately")),
    }
    if document.dangling {
        keeping.change(
            "The TIFF points to a further page beyond its end, which was left out. If a page is missing, the file was cut short.",
        );
    }
}

/// Reports on the layout of a cloud-optimized file: what keeps the result from having it, if anything does.
pub(super) fn of_cloud_optimized(obstacle: Option<&str>, keeping: &mut Keeping) {
    match obstacle {
        None => keeping.keep("the cloud-optimized layout (COG)"),
        Some(obstacle) => keeping.change(format!(
            "The TIFF is a cloud-optimized GeoTIFF (COG); the result isn't, because {obstacle}. `gdal_translate -of COG result.tif \
             cog.tif` makes it one."
        )),
    }
}

/// Reports on a page's overviews and on those of its mask.
pub(super) fn overviews(remade: usize, of_mask: usize, lost: usize, keeping: &mut Keeping) {
    match lost {
        0 => {}
        1 => {
            keeping.change("A smaller picture in this TIFF (an overview) showed the old pixels, and can't be rebuilt.")
        }
        n => keeping.change(format!(
            "{n} smaller pictures in this TIFF (overviews) showed the old pixels, and can't be rebuilt."
        )),
    }
    match remade {
        0 => {}
        1 => keeping.keep("an overview, rebuilt"),
        n => keeping.keep(format!("{n} overviews, rebuilt")),
    }
    match of_mask {
        0 => {}
        1 => keeping.keep("an overview of the mask"),
        n => keeping.keep(format!("{n} overviews of the mask")),
    }
}

/// Reports a directory's fields that can't be read.
pub(super) fn unreadable(directory: &Directory, keeping: &mut Keeping) {
    for tag in &directory.unreadable {
        keeping.change(format!(
            "The field {tag} can't be read: its values lie beyond the end of the file, or are of an unknown type."
        ));
    }
}

/// Reports a directory of metadata that can't be read.
pub(super) fn lost_directory(tag: u16, keeping: &mut Keeping) {
    let what = name(tag).map_or_else(|| format!("the field {tag}"), str::to_owned);
    keeping
        .change(format!("The metadata of {what} can't be read: the TIFF points beyond its end, or to something else."));
}
