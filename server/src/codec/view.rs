//! Pictures for browsers: the area average of what each of their pixels covers, 8 bits a sample, upright.

use jpeg_encoder::{ColorType, Encoder};
use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows, Samples};

use super::shown::Shown;
use super::{Error, Result, RowReader, View, refuse};

const QUALITY: u8 = 85;

/// About so many bytes are read at once.
const BAND_BYTES: u64 = 1 << 20;

/// See [`super::view`].
pub(super) fn view(reader: &mut dyn RowReader, info: &ImageInfo, max_side: u32) -> Result<View> {
    let (width, height) = fit(info.width, info.height, max_side.max(1));
    let unit = info.unit_rows.max(1);
    let units = u32::try_from(BAND_BYTES / (info.row_bytes() * u64::from(unit)).max(1)).unwrap_or(u32::MAX).max(1);
    let band = unit.saturating_mul(units);
    let shown = Shown::new(reader, info, band)?;
    let mut shrink = Shrink::new(info, shown.layout, width, height);
    let mut first = 0;
    while first < info.height {
        let end = first.saturating_add(band).min(info.height);
        shrink.add(&shown.rows(reader.read(first..end)?))?;
        first = end;
    }
    let picture =
        upright(Picture { width, height, channels: shown.layout.channels(), bytes: shrink.out }, info.orientation);
    encode(&picture, shown.layout)
}

/// The size of a picture whose longer side is at most `max`, never larger than the image.
fn fit(width: u32, height: u32, max: u32) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= max {
        return (width, height);
    }
    let scale = |side: u32| {
        let (side, max, longer) = (u64::from(side), u64::from(max), u64::from(longer));
        ((side * max + longer / 2) / longer).max(1) as u32
    };
    (scale(width), scale(height))
}

/// Averages rows as they come. A pixel of the image spreads over the one or two pixels of the picture that it
/// touches, by the length that it covers of them: across in units of 1/picture, down likewise, all in integers.
struct Shrink {
    layout: Layout,
    from: (u64, u64),
    to: (u64, u64),
    /// The next row of the image.
    row: u64,
    /// Sums across the row being added, then of the row of the picture being made.
    across: Vec<u64>,
    sums: Vec<u64>,
    out: Vec<u8>,
}

impl Shrink {
    fn new(info: &ImageInfo, layout: Layout, width: u32, height: u32) -> Self {
        let samples = width as usize * layout.channels();
        Self {
            layout,
            from: (info.width.into(), info.height.into()),
            to: (width.into(), height.into()),
            row: 0,
            across: vec![0; samples],
            sums: vec![0; samples],
            out: Vec::with_capacity(samples * height as usize),
        }
    }

    fn add(&mut self, rows: &Rows) -> Result<()> {
        let line = rows.width as usize * rows.layout.channels();
        if (rows.layout, u64::from(rows.width)) != (self.layout, self.from.0) {
            return refuse("The rows of the picture are not of the image that they are said to be of.");
        }
        let Samples::U8(samples) = &rows.samples else {
            return refuse("A picture has 8 bits a sample.");
        };
        samples.chunks_exact(line).for_each(|row| self.add_row(row.iter().copied()));
        Ok(())
    }

    fn add_row(&mut self, samples: impl Iterator<Item = u8>) {
        self.across.fill(0);
        match self.layout {
            Layout::Gray => self.spread::<1>(samples),
            Layout::GrayAlpha => self.spread::<2>(samples),
            Layout::Rgb => self.spread::<3>(samples),
            Layout::Rgba => self.spread::<4>(samples),
            // A picture has no bands.
            Layout::Bands(_) => {}
        }
        // The row covers [row × to, (row + 1) × to) where a row of the picture covers `from`.
        let (from, to) = (self.from.1, self.to.1);
        let (start, end) = (self.row * to, (self.row + 1) * to);
        let edge = (start / from + 1) * from;
        let now = end.min(edge) - start;
        self.sums.iter_mut().zip(&self.across).for_each(|(sum, across)| *sum += across * now);
        if end >= edge {
            self.finish_row();
            let rest = end - edge;
            self.sums.iter_mut().zip(&self.across).for_each(|(sum, across)| *sum = across * rest);
        }
        self.row += 1;
    }

    /// Sums a row across. Colours weigh as much as their alpha.
    fn spread<const N: usize>(&mut self, mut samples: impl Iterator<Item = u8>) {
        let alpha = self.layout.has_alpha();
        let (from, to) = (self.from.0, self.to.0);
        let (mut at, mut filled) = (0, 0);
        for _ in 0..from {
            let mut pixel = [0_u64; N];
            for value in &mut pixel {
                *value = samples.next().unwrap_or(0).into();
            }
            if alpha {
                let weight = pixel[N - 1];
                pixel[..N - 1].iter_mut().for_each(|value| *value *= weight);
            }
            // A pixel covers `to` where a pixel of the picture covers `from`.
            let now = to.min(from - filled);
            for (sum, value) in self.across[at..at + N].iter_mut().zip(pixel) {
                *sum += value * now;
            }
            filled += to;
            if filled >= from {
                filled -= from;
                at += N;
                if filled > 0 {
                    for (sum, value) in self.across[at..at + N].iter_mut().zip(pixel) {
                        *sum += value * filled;
                    }
                }
            }
        }
    }

    fn finish_row(&mut self) {
        let channels = self.layout.channels();
        let area = self.from.0 * self.from.1;
        for pixel in self.sums.chunks_exact(channels) {
            if !self.layout.has_alpha() {
                self.out.extend(pixel.iter().map(|sum| ((sum + area / 2) / area) as u8));
                continue;
            }
            let alpha = pixel[channels - 1];
            let color = |sum: &u64| (sum + alpha / 2).checked_div(alpha).unwrap_or(0) as u8;
            self.out.extend(pixel[..channels - 1].iter().map(color));
            self.out.push(((alpha + area / 2) / area) as u8);
        }
    }
}

struct Picture {
    width: u32,
    height: u32,
    channels: usize,
    bytes: Vec<u8>,
}

/// Turns and mirrors a picture as its EXIF orientation says (CIPA DC-008, 4.6.4 A).
fn upright(picture: Picture, orientation: u8) -> Picture {
    if orientation <= 1 {
        return picture;
    }
    let Picture { width, height, channels, bytes } = picture;
    let turned = orientation >= 5;
    let (out_width, out_height) = if turned { (height, width) } else { (width, height) };
    let mut out = Vec::with_capacity(bytes.len());
    for y in 0..out_height {
        for x in 0..out_width {
            let (right, below) = (out_width - 1 - x, out_height - 1 - y);
            let (from_x, from_y) = match orientation {
                2 => (right, y),
                3 => (right, below),
                4 => (x, below),
                5 => (y, x),
                6 => (y, right),
                7 => (below, right),
                _ => (below, x),
            };
            let at = (from_y as usize * width as usize + from_x as usize) * channels;
            out.extend_from_slice(&bytes[at..at + channels]);
        }
    }
    Picture { width: out_width, height: out_height, channels, bytes: out }
}

fn encode(picture: &Picture, layout: Layout) -> Result<View> {
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
                Layout::Bands(_) => return refuse("A picture has no bands."),
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
