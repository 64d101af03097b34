//! Images made and read with independent libraries (`image`, `tiff`), not with the code under test.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat};
use shared::pixels::{Layout, Rows, Samples};

pub fn as_rows(image: DynamicImage) -> Rows {
    let width = image.width();
    let (layout, samples) = match image {
        DynamicImage::ImageLuma8(image) => (Layout::Gray, Samples::U8(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (Layout::GrayAlpha, Samples::U8(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (Layout::Rgb, Samples::U8(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (Layout::Rgba, Samples::U8(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (Layout::Gray, Samples::U16(image.into_raw())),
        DynamicImage::ImageLumaA16(image) => (Layout::GrayAlpha, Samples::U16(image.into_raw())),
        DynamicImage::ImageRgb16(image) => (Layout::Rgb, Samples::U16(image.into_raw())),
        DynamicImage::ImageRgba16(image) => (Layout::Rgba, Samples::U16(image.into_raw())),
        other => panic!("unexpected layout {:?}", other.color()),
    };
    Rows { width, layout, samples }
}

/// Decodes the pixels of a file with an independent decoder.
pub fn decode(file: &[u8]) -> Rows {
    match image::guess_format(file).unwrap() {
        ImageFormat::Tiff => decode_tiff(file),
        _ => as_rows(image::load_from_memory(file).unwrap()),
    }
}

/// `image` doesn't support TIFFs of gray with alpha; every two-sample TIFF written here is one.
fn decode_tiff(file: &[u8]) -> Rows {
    use tiff::ColorType;
    use tiff::decoder::{Decoder, DecodingResult};

    let mut decoder = Decoder::new(Cursor::new(file)).unwrap();
    let layout = match decoder.colortype().unwrap() {
        ColorType::Gray(_) => Layout::Gray,
        ColorType::Multiband { num_samples: 2, .. } => Layout::GrayAlpha,
        ColorType::RGB(_) => Layout::Rgb,
        ColorType::RGBA(_) => Layout::Rgba,
        other => panic!("unexpected layout {other:?}"),
    };
    let samples = match decoder.read_image().unwrap() {
        DecodingResult::U8(samples) => Samples::U8(samples),
        DecodingResult::U16(samples) => Samples::U16(samples),
        other => panic!("unexpected samples {other:?}"),
    };
    Rows { width: decoder.dimensions().unwrap().0, layout, samples }
}

/// Decodes the pages of a TIFF with an independent decoder.
pub fn decode_pages(file: &[u8]) -> Vec<Rows> {
    use tiff::ColorType;
    use tiff::decoder::{Decoder, DecodingResult};

    let mut decoder = Decoder::new(Cursor::new(file)).unwrap();
    let mut pages = Vec::new();
    loop {
        let layout = match decoder.colortype().unwrap() {
            ColorType::RGB(_) => Layout::Rgb,
            _ => Layout::Gray,
        };
        let samples = match decoder.read_image().unwrap() {
            DecodingResult::U8(samples) => Samples::U8(samples),
            DecodingResult::U16(samples) => Samples::U16(samples),
            DecodingResult::F32(samples) => Samples::F32(samples),
            other => panic!("unexpected samples {other:?}"),
        };
        pages.push(Rows { width: decoder.dimensions().unwrap().0, layout, samples });
        if !decoder.more_images() {
            return pages;
        }
        decoder.next_image().unwrap();
    }
}

pub fn encode(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Like [`encode`], which doesn't mark the fourth sample of a TIFF as alpha.
pub fn encode_tiff_with_alpha(image: &DynamicImage) -> Vec<u8> {
    use tiff::encoder::{TiffEncoder, colortype};
    use tiff::tags::Tag;

    const UNASSOCIATED_ALPHA: u16 = 2;
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    let (width, height) = (image.width(), image.height());
    match image {
        DynamicImage::ImageRgba8(pixels) => {
            let mut image = encoder.new_image::<colortype::RGBA8>(width, height).unwrap();
            image.encoder().write_tag(Tag::ExtraSamples, UNASSOCIATED_ALPHA).unwrap();
            image.write_data(pixels).unwrap();
        }
        DynamicImage::ImageRgba16(pixels) => {
            let mut image = encoder.new_image::<colortype::RGBA16>(width, height).unwrap();
            image.encoder().write_tag(Tag::ExtraSamples, UNASSOCIATED_ALPHA).unwrap();
            image.write_data(pixels).unwrap();
        }
        other => panic!("unexpected layout {:?}", other.color()),
    }
    file.into_inner()
}

/// Generates a smooth image with noise, of about 1.25 MiB: two parts.
pub fn generated(layout: Layout, sixteen: bool) -> DynamicImage {
    let (width, channels) = (701u32, layout.channels() as u32);
    let height = (5 << 18) / (width * channels * (1 + u32::from(sixteen)));
    let mut noise = 0x2545_f491u32;
    let samples: Vec<u16> = (0..width * height * channels)
        .map(|i| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y, channel) = (i / channels % width, i / channels / width, i % channels);
            if layout.has_alpha() && channel == channels - 1 {
                return if (x / 100 + y / 100) % 3 == 0 { 0 } else { (x * 90) as u16 };
            }
            (9_000 + x * 20 + y * 11 * (channel + 1) / 2 + (noise >> 20)).min(65_535) as u16
        })
        .collect();
    let image = match (layout, samples) {
        (Layout::Gray, samples) => {
            DynamicImage::ImageLuma16(image::ImageBuffer::from_raw(width, height, samples).unwrap())
        }
        (Layout::GrayAlpha, samples) => {
            DynamicImage::ImageLumaA16(image::ImageBuffer::from_raw(width, height, samples).unwrap())
        }
        (Layout::Rgb, samples) => {
            DynamicImage::ImageRgb16(image::ImageBuffer::from_raw(width, height, samples).unwrap())
        }
        (Layout::Rgba, samples) => {
            DynamicImage::ImageRgba16(image::ImageBuffer::from_raw(width, height, samples).unwrap())
        }
        (Layout::Cmyk | Layout::Bands(_) | Layout::BandsAlpha(_), _) => unreachable!(),
    };
    match (layout, sixteen) {
        (_, true) => image,
        (Layout::Gray, false) => image.into_luma8().into(),
        (Layout::GrayAlpha, false) => image.into_luma_alpha8().into(),
        (Layout::Rgb, false) => image.into_rgb8().into(),
        (Layout::Rgba, false) => image.into_rgba8().into(),
        (Layout::Cmyk | Layout::Bands(_) | Layout::BandsAlpha(_), false) => unreachable!(),
    }
}
