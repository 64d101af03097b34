//! Views for browsers: each pixel is the area average of the pixels that it covers; 8 bits per sample, upright, sRGB.

use jpeg_encoder::{ColorType, Encoder};
use shared::job::ImageInfo;
use shared::pixels::Layout;
use shared::shrink::{Picture, Shrink, fit, upright};

use super::shown::Shown;
use super::{Error, Result, RowReader, View, refuse};

const QUALITY: u8 = 85;

/// Approximate number of bytes to read at once.
pub(super) const BAND_BYTES: u64 = 1 << 20;

/// See [`super::view`].
pub(super) fn view(
    reader: &mut dyn RowReader,
    info: &ImageInfo,
    profile: Option<&[u8]>,
    max_side: u32,
) -> Result<View> {
    let (width, height) = fit(info.width, info.height, max_side.max(1));
    let unit = info.unit_rows.max(1);
    let units = u32::try_from(BAND_BYTES / (info.row_bytes() * u64::from(unit)).max(1)).unwrap_or(u32::MAX).max(1);
    let band = unit.saturating_mul(units);
    let shown = Shown::new(reader, info, profile, band)?;
    let mut shrink = Shrink::new(shown.layout, (info.width, info.height), (width, height));
    let mut first = 0;
    while first < info.height {
        let end = first.saturating_add(band).min(info.height);
        shrink.add(&shown.rows(reader.read(first..end)?)?).or_else(refuse)?;
        first = end;
    }
    let (channels, bytes) = (shown.layout.channels(), shrink.into_samples());
    encode(&upright(Picture { width, height, channels, bytes }, info.orientation), shown.layout)
}

/// Encodes a picture as JPEG, or as PNG if it has alpha or is too large for a JPEG.
pub(super) fn encode(picture: &Picture, layout: Layout) -> Result<View> {
    let (width, height) = (picture.width, picture.height);
    let mut bytes = Vec::new();
    let sizes = (u16::try_from(width), u16::try_from(height));
    let media_type = match (layout.has_alpha(), sizes) {
        (false, (Ok(width), Ok(height))) => {
            let color = if layout == Layout::Gray { ColorType::Luma } else { ColorType::Rgb };
            Encoder::new(&mut bytes, QUALITY)
                .encode(&picture.bytes, width, height, color)
                .map_err(|error| Error::Refused(format!("{error}.")))?;
            "image/jpeg"
        }
        _ => {
            let mut encoder = png::Encoder::new(&mut bytes, width, height);
            encoder.set_depth(png::BitDepth::Eight);
            encoder.set_color(match layout {
                Layout::Gray => png::ColorType::Grayscale,
                Layout::GrayAlpha => png::ColorType::GrayscaleAlpha,
                Layout::Rgb => png::ColorType::Rgb,
                Layout::Rgba => png::ColorType::Rgba,
                Layout::Cmyk | Layout::Bands(_) | Layout::BandsAlpha(_) => {
                    return refuse("A picture has no bands and no inks.");
                }
            });
            let failed = |error: png::EncodingError| Error::Refused(format!("{error}."));
            let mut writer = encoder.write_header().map_err(failed)?;
            writer.write_image_data(&picture.bytes).map_err(failed)?;
            writer.finish().map_err(failed)?;
            "image/png"
        }
    };
    Ok(View { bytes, media_type, width, height })
}
