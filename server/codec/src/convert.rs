//! Results in another format, or with fewer bits, than the original: only on request.
//!
//! The result's structure isn't the original's but this module's: PNG, TIFF in strips with Deflate, lossless WebP, or JPEG of
//! quality 95 without subsampling. It is written as a short file without pixels ([`template`]), from which the format's own head
//! is read as from an original. Of the metadata, colour profile, EXIF and XMP are carried over; what isn't is reported.

mod carried;
mod template;

use std::io::Cursor;

use shared::equalize::{Target, inks_to_rgb};
use shared::for_samples;
use shared::job::{Format, ImageExtras, ImageInfo, Keeping};
use shared::pixels::{Depth, Layout, Rows, Samples};

use self::carried::Carried;
use super::head::{FileHead, Head};
use super::join::join_memory;
use super::read::Source;
use super::refusal::{contain, refuse};
use super::{Limits, Result, jpeg, png, tiff, webp};

/// Conversion of a result's rows: fewer bits, no alpha, colours in place of inks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    depth: Depth,
    layout: Layout,
}

/// Returns the header of a result, as far as it is known without its original's bytes. `layout` is that of the equalized rows: the
/// original's, or its gray counterpart.
pub fn result_info(target: Target, info: &ImageInfo, layout: Layout) -> ImageInfo {
    if !target.changes(info) {
        return ImageInfo { layout, ..info.clone() };
    }
    let format = target.format_of(info.format);
    let depth = match (format, target.depth) {
        (Format::Jpeg | Format::Webp, _) => Depth::Eight,
        // More bits than there are would hold nothing more.
        (_, Some(Depth::Eight)) => Depth::Eight,
        _ => info.depth,
    };
    let result = ImageInfo {
        format,
        layout: held(layout, format),
        depth,
        unit_rows: 1,
        regions: false,
        whole_decode: matches!(format, Format::Jpeg | Format::Webp),
        more: ImageExtras::default(),
        ..info.clone()
    };
    ImageInfo { unit_rows: template::unit_rows(&result, info), ..result }
}

/// Returns the header of an image, with the rows that belong together in both the original and the result: parts are cut
/// at multiples of them.
pub fn info_to_cut(target: Target, info: &ImageInfo, layout: Layout) -> ImageInfo {
    let (original, result) = (info.unit_rows.max(1), result_info(target, info, layout).unit_rows.max(1));
    let (mut larger, mut smaller) = (original, result);
    while smaller > 0 {
        (larger, smaller) = (smaller, larger % smaller);
    }
    ImageInfo { unit_rows: original.saturating_mul(result / larger), ..info.clone() }
}

/// Checks that a result can be what `target` names. `layout` is that of the equalized rows: the original's, or its gray
/// counterpart.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) with a sentence for the user.
pub fn check_target(target: Target, info: &ImageInfo, layout: Layout, limits: &Limits) -> Result<()> {
    if !target.changes(info) {
        return Ok(());
    }
    let name = template::name(target.format_of(info.format));
    let is_other =
        target.format_of(info.format) != Format::Tiff || target.depth.is_some_and(|depth| depth != info.depth);
    if !info.depth.has_levels() && is_other {
        return refuse(format!(
            "This image has {}, whose range isn't that of a {name} of 8 or 16 bits. Scale them first, as with `gdal_translate -ot \
             UInt16 -scale LOW HIGH 0 65535 in.tif out.tif`.",
            info.depth.noun()
        ));
    }
    fits(&result_info(target, info, layout), info, limits)
}

/// Checks the target of a page of a file that has several: pages stay what they are.
///
/// # Errors
/// [`Error::Refused`](super::Error::Refused) with a sentence for the user.
pub fn check_target_of_page(target: Target, page: &ImageInfo, pages: u32) -> Result<()> {
    if pages > 1 && target.changes(page) { refuse(pages_sentence(pages)) } else { Ok(()) }
}

/// As [`head`](super::head()), of a result in another format or with fewer bits, with the conversion of its rows; `None` if `target`
/// keeps format and depth.
///
/// # Errors
/// Those of [`head`](super::head()) and [`check_target`].
pub fn head_as(
    target: Target,
    source: &mut dyn Source,
    info: &ImageInfo,
    layout: Layout,
    limits: &Limits,
) -> Result<(Head, Option<Conversion>)> {
    if !target.changes(info) {
        return Ok((super::head(source, info, layout)?, None));
    }
    let (head, conversion) = contain(|| head(target, source, info, layout, limits))?;
    Ok((head, Some(conversion)))
}

/// Reads the head of a result that differs from what its original is, and the conversion of its rows, which before it have
/// the given layout and the original's depth.
fn head(
    target: Target,
    source: &mut dyn Source,
    info: &ImageInfo,
    layout: Layout,
    limits: &Limits,
) -> Result<(Head, Conversion)> {
    check_target(target, info, layout, limits)?;
    let result = result_info(target, info, layout);
    let format = result.format;
    let mut keeping = Keeping::default();
    report_pixels(&mut keeping, info, layout, &result);
    let loses_color = layout != info.layout;
    let original = super::head(source, info, layout)?;
    let (carried, lost) = Carried::read(source, info, original.keeping(), format, loses_color)?;
    if !lost.is_empty() {
        let name = template::name(format);
        keeping
            .change(format!("Of the original's metadata, this isn't carried over to a {name}: {}.", lost.join(", ")));
    }
    let file = template::file(&result, &carried)?;
    let mut file = Cursor::new(file);
    let head = match format {
        Format::Png => FileHead::Png(png::Head::read(&mut file, &result, false, &mut keeping)?),
        Format::Jpeg => FileHead::Jpeg(jpeg::Head::read(&mut file, &result, false, &mut keeping)?),
        Format::Tiff => FileHead::Tiff(Box::new(tiff::Head::read(&mut file, &result, false, &mut keeping)?)),
        Format::Webp => FileHead::Webp(webp::Head::read(&mut file, false, &mut keeping)?),
    };
    let conversion = Conversion { depth: result.depth, layout: result.layout };
    Ok((Head { info: result, keeping, file: head }, conversion))
}

/// Returns the sentence that refuses another format for a file of several pages.
fn pages_sentence(pages: u32) -> String {
    format!(
        "This TIFF has {pages} pages, which can only be kept as they are. Split it first, as with `tiffsplit in.tif`."
    )
}

/// Checks that the format can hold the result.
fn fits(result: &ImageInfo, original: &ImageInfo, limits: &Limits) -> Result<()> {
    let (format, name) = (result.format, template::name(result.format));
    if original.pages() > 1 {
        return refuse(pages_sentence(original.pages()));
    }
    if let (Some(bands), true) = (result.layout.bands(), format != Format::Tiff) {
        return refuse(format!("This image has {bands} bands, which a {name} can't hold; a TIFF can."));
    }
    let most = match format {
        Format::Jpeg => 65_535,
        Format::Webp => 16_383,
        Format::Png | Format::Tiff => u32::MAX,
    };
    if result.width.max(result.height) > most {
        return refuse(format!(
            "This image has {} × {} pixels; a {name} has at most {most} a side. PNG and TIFF have no such limit.",
            result.width, result.height
        ));
    }
    if format == Format::Webp {
        limits.whole("A WebP must be encoded", result, join_memory(result))?;
    }
    Ok(())
}

/// Reports what the pixels lose.
fn report_pixels(keeping: &mut Keeping, info: &ImageInfo, layout: Layout, result: &ImageInfo) {
    if result.bits() != info.bits() {
        keeping.change(format!("Samples of {} bits became {} bits.", info.bits(), result.bits()));
    }
    if layout.has_alpha() && !result.layout.has_alpha() {
        keeping.change("The alpha channel was left out: a JPEG has none.");
    }
    if layout == Layout::Cmyk && result.layout != layout {
        keeping.change(
            "The inks (CMYK) became red, green and blue by the simple formula, not by a colour profile. For a conversion by the \
             profile: `vips icc_transform in.jpg out.tif srgb --embedded --input-profile cmyk`.",
        );
    }
    if result.format == Format::Jpeg {
        keeping.change("The result is a JPEG of quality 95, which is lossy.");
    }
    if !info.more.overviews.is_empty() {
        keeping.change("The overviews were left out.");
    }
}

/// Returns the layout that a format has for this one: a JPEG has no alpha, and only a TIFF of ours has inks.
const fn held(layout: Layout, format: Format) -> Layout {
    match (layout, format) {
        (Layout::Cmyk, Format::Png | Format::Jpeg | Format::Webp) => Layout::Rgb,
        (_, Format::Jpeg) => layout.without_alpha(),
        _ => layout,
    }
}

impl Conversion {
    /// Converts rows.
    pub fn rows(self, rows: Rows) -> Rows {
        let rows = if self.layout == Layout::Rgb { inks_to_rgb(rows) } else { rows };
        let Rows { width, layout, mut samples } = rows;
        if self.layout != layout {
            let channels = layout.channels();
            samples = for_samples!(samples, samples => colors_of(&samples, channels).into());
        }
        if let (Depth::Eight, Samples::U16(wide)) = (self.depth, &samples) {
            samples = Samples::U8(wide.iter().map(|sample| eight_bits(*sample)).collect());
        }
        Rows { width, layout: self.layout, samples }
    }
}

/// Drops the last sample of each pixel.
fn colors_of<T: Copy>(samples: &[T], channels: usize) -> Vec<T> {
    samples.chunks_exact(channels).flat_map(|pixel| &pixel[..channels - 1]).copied().collect()
}

/// Rounds 16 bits to 8, so that the ends of the range stay its ends (PNG, section 13.12).
const fn eight_bits(sample: u16) -> u8 {
    ((sample as u32 * 255 + 32_767) / 65_535) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_rounded_to_the_nearest_of_eight() {
        for sample in 0..=u16::MAX {
            assert_eq!(eight_bits(sample), (f64::from(sample) / 257.0).round() as u8, "{sample}");
        }
    }

    #[test]
    fn alpha_is_dropped_and_colours_stay() {
        let rows =
            Rows { width: 2, layout: Layout::Rgba, samples: Samples::U16(vec![0, 257, 514, 9, 771, 65_535, 128, 9]) };
        let converted = Conversion { depth: Depth::Eight, layout: Layout::Rgb }.rows(rows);
        assert_eq!((converted.layout, converted.samples), (Layout::Rgb, Samples::U8(vec![0, 1, 2, 3, 255, 0])));
    }
}
