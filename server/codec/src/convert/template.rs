//! Short files without pixels that have the structure and metadata of a result.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use shared::decode::tiff::tag;
use shared::job::{Format, ImageInfo};
use shared::pixels::Layout;

use super::super::deflate::zlib;
use super::super::{Result, jpeg, png, refuse};
use super::carried::{Carried, JPEG_EXIF, JPEG_XMP};

/// Quality of a JPEG, from 1 to 100.
const QUALITY: u8 = 95;

/// Approximate bytes of a TIFF's strip.
const STRIP: u64 = 256 << 10;

/// Bytes of a JPEG's segment that hold a colour profile's part: less than the most, by the prefix and the numbers.
const ICC_PART: usize = 65_519;

/// Returns the format's name in sentences.
pub(super) const fn name(format: Format) -> &'static str {
    match format {
        Format::Png => "PNG",
        Format::Jpeg => "JPEG",
        Format::Tiff => "TIFF",
        Format::Webp => "WebP",
    }
}

/// Returns how many rows of the result belong together. A TIFF's strips are those of the original if it has some.
pub(super) fn unit_rows(result: &ImageInfo, original: &ImageInfo) -> u32 {
    match result.format {
        Format::Png | Format::Webp => 1,
        Format::Jpeg => 8,
        Format::Tiff if original.unit_rows > 1 => original.unit_rows.min(result.height),
        Format::Tiff => {
            let rows = (STRIP / result.row_bytes().max(1)).max(1);
            u32::try_from(rows).unwrap_or(u32::MAX).min(result.height)
        }
    }
}

/// Returns the file.
pub(super) fn file(result: &ImageInfo, carried: &Carried) -> Result<Vec<u8>> {
    match result.format {
        Format::Png => of_png(result, carried),
        Format::Jpeg => of_jpeg(result, carried),
        Format::Tiff => Ok(of_tiff(result, carried)),
        Format::Webp => Ok(of_webp(carried)),
    }
}

fn of_png(result: &ImageInfo, carried: &Carried) -> Result<Vec<u8>> {
    let mut file = png::start(result)?;
    if let Some(icc) = &carried.icc {
        png::put(&mut file, *b"iCCP", &[b"ICC profile\0\0", &zlib(icc)[..]].concat());
    }
    if let Some(exif) = &carried.exif {
        png::put(&mut file, *b"eXIf", exif);
    }
    if let Some(xmp) = &carried.xmp {
        png::put(&mut file, *b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", &xmp[..]].concat());
    }
    png::put(&mut file, *b"IDAT", &[0]);
    png::put(&mut file, *b"IEND", &[]);
    Ok(file)
}

fn of_jpeg(result: &ImageInfo, carried: &Carried) -> Result<Vec<u8>> {
    let (color, channels) = if result.layout == Layout::Gray { (ColorType::Luma, 1) } else { (ColorType::Rgb, 3) };
    let mut image = Vec::new();
    let mut encoder = Encoder::new(&mut image, QUALITY);
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    if let Err(error) = encoder.encode(&[0; 8 * 8 * 3][..64 * channels], 8, 8, color) {
        return refuse(format!("The JPEG's structure can't be made: {error}."));
    }
    let mut file = image[..2].to_vec();
    if let Some(exif) = &carried.exif {
        jpeg::put(&mut file, 0xe1, &[JPEG_EXIF, exif].concat());
    }
    if let Some(xmp) = &carried.xmp {
        jpeg::put(&mut file, 0xe1, &[JPEG_XMP, xmp].concat());
    }
    let parts = carried.icc.as_deref().unwrap_or_default().chunks(ICC_PART);
    let count = u8::try_from(parts.len()).map_err(|_| {
        super::super::Error::Refused(
            "This image's colour profile is too long for a JPEG. PNG, TIFF and WebP can hold it.".into(),
        )
    })?;
    for (part, number) in parts.zip(1..=count) {
        jpeg::put(&mut file, 0xe2, &[b"ICC_PROFILE\0", &[number, count][..], part].concat());
    }
    file.extend_from_slice(&image[2..]);
    Ok(file)
}

fn of_webp(carried: &Carried) -> Vec<u8> {
    let chunks = [(b"ICCP", &carried.icc), (b"EXIF", &carried.exif), (b"XMP ", &carried.xmp)];
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks.into_iter().filter_map(|(kind, data)| Some((kind, data.as_ref()?))) {
        body.extend_from_slice(kind);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// Types of fields (TIFF 6.0, page 15).
const BYTE: u16 = 1;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

fn of_tiff(result: &ImageInfo, carried: &Carried) -> Vec<u8> {
    let channels = result.layout.channels();
    let strips = result.height.div_ceil(result.unit_rows) as usize;
    let shorts = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let longs = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let bits = u16::from(result.depth.bits());
    let photometric = match result.layout {
        Layout::Cmyk => 5,
        layout if layout.bands().is_none() && layout.colors() == 3 => 2,
        _ => 1,
    };
    // In ascending order of tags: type, number of values, and their bytes.
    let mut fields = vec![
        (tag::IMAGE_WIDTH, LONG, 1, longs(&[result.width])),
        (tag::IMAGE_LENGTH, LONG, 1, longs(&[result.height])),
        (tag::BITS_PER_SAMPLE, SHORT, channels, shorts(&vec![bits; channels])),
        (tag::COMPRESSION, SHORT, 1, shorts(&[DEFLATE])),
        (tag::PHOTOMETRIC, SHORT, 1, shorts(&[photometric])),
        (tag::STRIP_OFFSETS, LONG, strips, longs(&vec![8; strips])),
        (tag::ORIENTATION, SHORT, 1, shorts(&[carried.orientation().into()])),
        (tag::SAMPLES_PER_PIXEL, SHORT, 1, shorts(&[channels as u16])),
        (tag::ROWS_PER_STRIP, LONG, 1, longs(&[result.unit_rows])),
        (tag::STRIP_BYTE_COUNTS, LONG, strips, longs(&vec![1; strips])),
        (tag::PREDICTOR, SHORT, 1, shorts(&[HORIZONTAL])),
    ];
    let mut extra = vec![0; result.layout.bands().map_or(0, |bands| usize::from(bands) - 1)];
    extra.extend(result.layout.has_alpha().then_some(UNASSOCIATED));
    if !extra.is_empty() {
        fields.push((tag::EXTRA_SAMPLES, SHORT, extra.len(), shorts(&extra)));
    }
    if let Some(xmp) = &carried.xmp {
        fields.push((tag::XMP, BYTE, xmp.len(), xmp.clone()));
    }
    if let Some(icc) = &carried.icc {
        fields.push((tag::ICC_PROFILE, UNDEFINED, icc.len(), icc.clone()));
    }
    let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
    let mut beyond = 8 + 2 + 12 * fields.len() + 4;
    file.extend((fields.len() as u16).to_le_bytes());
    let mut values = Vec::new();
    for (tag, kind, count, mut bytes) in fields {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend((count as u32).to_le_bytes());
        if bytes.len() <= 4 {
            bytes.resize(4, 0);
            file.extend(bytes);
        } else {
            file.extend((beyond as u32).to_le_bytes());
            bytes.resize(bytes.len().next_multiple_of(2), 0);
            beyond += bytes.len();
            values.extend(bytes);
        }
    }
    file.extend([0; 4]);
    file.extend(values);
    file
}

/// Compression by zlib, differences between pixels of a row, and alpha that the colours aren't multiplied by.
const DEFLATE: u16 = 8;
const HORIZONTAL: u16 = 2;
const UNASSOCIATED: u16 = 2;
