//! Image downscaling by area averaging, and rotation by EXIF orientation.

use crate::pixels::{Layout, Rows, Samples};

/// Integer sample that can be averaged exactly.
pub trait Level: Copy + Into<u32> {
    /// Widens the value to 64 bits.
    fn wide(self) -> u64;
    /// The inverse of [`Level::wide`]; `value` must be in the sample's range.
    fn narrow(value: u64) -> Self;
}

impl Level for u8 {
    fn wide(self) -> u64 {
        self.into()
    }
    fn narrow(value: u64) -> Self {
        value as u8
    }
}

impl Level for u16 {
    fn wide(self) -> u64 {
        self.into()
    }
    fn narrow(value: u64) -> Self {
        value as u16
    }
}

/// Returns the size scaled down so that the longer side is at most `max`; never enlarges.
pub fn fit(width: u32, height: u32, max: u32) -> (u32, u32) {
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

/// Converts a 16-bit sample to 8 bits, rounded: 65,535 = 255 × 257.
pub fn eight(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

/// Streaming area averaging, row by row. Each source pixel is distributed over the one or two output pixels it overlaps in each
/// direction, weighted by the overlap. Lengths are integers: a source pixel is `to` long, an output pixel `from`.
pub struct Shrink<S> {
    layout: Layout,
    from: (u64, u64),
    to: (u64, u64),
    /// Index of the next source row.
    row: u64,
    /// Horizontal sums of the current source row, then the sums of the current output row.
    across: Vec<u64>,
    sums: Vec<u64>,
    out: Vec<S>,
}

impl<S: Level> Shrink<S> {
    /// Creates a shrinker from one size (width, height) to another that is nowhere larger. 16-bit images may have at most 2³²
    /// pixels.
    pub fn new(layout: Layout, (width, height): (u32, u32), to: (u32, u32)) -> Self {
        let samples = to.0 as usize * layout.channels();
        Self {
            layout,
            from: (width.into(), height.into()),
            to: (to.0.into(), to.1.into()),
            row: 0,
            across: vec![0; samples],
            sums: vec![0; samples],
            out: Vec::with_capacity(samples * to.1 as usize),
        }
    }

    /// Returns the output samples finished so far; complete once every source row was added.
    pub fn into_samples(self) -> Vec<S> {
        self.out
    }

    /// Adds the next source row.
    pub fn add_row(&mut self, samples: &[S]) {
        match self.layout {
            Layout::Gray => self.spread::<1>(samples),
            Layout::GrayAlpha => self.spread::<2>(samples),
            Layout::Rgb => self.spread::<3>(samples),
            Layout::Rgba | Layout::Cmyk => self.spread::<4>(samples),
            // Bands can't be shown as a picture.
            Layout::Bands(_) | Layout::BandsAlpha(_) => self.across.fill(0),
        }
        // The source row covers [row × to, (row + 1) × to), and each output row `from`.
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

    /// Sums a row horizontally. An output pixel gets the rest of a source pixel begun earlier, whole source pixels, and the
    /// first part of the next one.
    fn spread<const N: usize>(&mut self, row: &[S]) {
        let sum = if self.layout.has_alpha() { weighted::<S, N> } else { plain::<S, N> };
        // A source pixel is `to` long, an output pixel `from`.
        let (from, to) = (self.from.0, self.to.0);
        let mut pixels = row.as_chunks::<N>().0;
        let (mut begun, mut rest) = ([0; N], 0);
        for across in self.across.as_chunks_mut::<N>().0 {
            let (whole, part) = ((from - rest) / to, (from - rest) % to);
            let (run, after) = pixels.split_at((whole as usize).min(pixels.len()));
            let (next, after) = after.split_at(usize::from(part > 0).min(after.len()));
            let (inside, end) = (sum(run), sum(next));
            for (channel, across) in across.iter_mut().enumerate() {
                *across = begun[channel] * rest + inside[channel] * to + end[channel] * part;
            }
            (pixels, begun, rest) = (after, end, if part > 0 { to - part } else { 0 });
        }
    }

    fn finish_row(&mut self) {
        let channels = self.layout.channels();
        let area = self.from.0 * self.from.1;
        for pixel in self.sums.chunks_exact(channels) {
            if !self.layout.has_alpha() {
                self.out.extend(pixel.iter().map(|sum| S::narrow((sum + area / 2) / area)));
                continue;
            }
            let alpha = pixel[channels - 1];
            let color = |sum: &u64| S::narrow((sum + alpha / 2).checked_div(alpha).unwrap_or(0));
            self.out.extend(pixel[..channels - 1].iter().map(color));
            self.out.push(S::narrow((alpha + area / 2) / area));
        }
    }
}

/// Sums the samples of pixels.
fn plain<S: Level, const N: usize>(pixels: &[[S; N]]) -> [u64; N] {
    /// This many 16-bit samples can be summed in 32 bits without overflow.
    const FITS: usize = 1 << 16;
    let mut sum = [0; N];
    for pixels in pixels.chunks(FITS) {
        let mut few = [0_u32; N];
        for pixel in pixels {
            few.iter_mut().zip(pixel).for_each(|(few, sample)| *few += (*sample).into());
        }
        sum.iter_mut().zip(few).for_each(|(sum, few)| *sum += u64::from(few));
    }
    sum
}

/// Like [`plain`] for pixels with alpha: colours are weighted by alpha.
fn weighted<S: Level, const N: usize>(pixels: &[[S; N]]) -> [u64; N] {
    let mut sum = [0; N];
    for pixel in pixels {
        let alpha = pixel[N - 1].wide();
        sum[..N - 1].iter_mut().zip(pixel).for_each(|(sum, sample)| *sum += sample.wide() * alpha);
        sum[N - 1] += alpha;
    }
    sum
}

impl Shrink<u8> {
    /// Adds the next source rows; 16-bit samples are converted to 8 bits.
    ///
    /// # Errors
    /// A sentence if the rows have another width or layout, or samples without levels.
    pub fn add(&mut self, rows: &Rows) -> Result<(), &'static str> {
        let line = self.line(rows)?;
        match &rows.samples {
            Samples::U8(samples) => samples.chunks_exact(line).for_each(|row| self.add_row(row)),
            Samples::U16(samples) => {
                let samples: Vec<u8> = samples.iter().copied().map(eight).collect();
                samples.chunks_exact(line).for_each(|row| self.add_row(row));
            }
            _ => return Err("A picture has 8 bits a sample."),
        }
        Ok(())
    }
}

impl<S> Shrink<S> {
    /// Returns the number of samples per row, after checking width and layout.
    fn line(&self, rows: &Rows) -> Result<usize, &'static str> {
        if (rows.layout, u64::from(rows.width)) == (self.layout, self.from.0) {
            Ok(rows.width as usize * rows.layout.channels())
        } else {
            Err("The rows belong to another image.")
        }
    }
}

/// Shrinker that keeps the samples' depth.
pub enum Shrinker {
    /// 8-bit samples.
    U8(Shrink<u8>),
    /// 16-bit samples.
    U16(Shrink<u16>),
}

impl Shrinker {
    /// Adds the next source rows.
    ///
    /// # Errors
    /// A sentence if the rows have another width, layout or depth.
    pub fn add(&mut self, rows: &Rows) -> Result<(), &'static str> {
        match (self, &rows.samples) {
            (Self::U8(shrink), Samples::U8(_)) => shrink.add(rows),
            (Self::U16(shrink), Samples::U16(samples)) => {
                let line = shrink.line(rows)?;
                samples.chunks_exact(line).for_each(|row| shrink.add_row(row));
                Ok(())
            }
            _ => Err("The rows have another depth than their image."),
        }
    }

    /// Returns the downscaled image.
    pub fn into_rows(self) -> Rows {
        match self {
            Self::U8(shrink) => {
                Rows { width: shrink.to.0 as u32, layout: shrink.layout, samples: Samples::U8(shrink.out) }
            }
            Self::U16(shrink) => {
                Rows { width: shrink.to.0 as u32, layout: shrink.layout, samples: Samples::U16(shrink.out) }
            }
        }
    }
}

/// Image of 8-bit samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Samples per pixel.
    pub channels: usize,
    /// The samples, row by row.
    pub bytes: Vec<u8>,
}

/// Rotates and mirrors a picture upright according to its EXIF orientation (CIPA DC-008, 4.6.4 A).
pub fn upright(picture: Picture, orientation: u8) -> Picture {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reference implementation by definition: weights each source pixel by its overlap with the output pixel.
    fn averages(image: &[u8], layout: Layout, from: (u32, u32), to: (u32, u32)) -> Vec<u8> {
        let channels = layout.channels();
        let overlap = |pixel: u32, covers: (u32, u32), (from, to): (u32, u32)| {
            let (a, b) = (u64::from(pixel * to), u64::from((pixel + 1) * to));
            let (c, d) = (u64::from(covers.0 * from), u64::from(covers.1 * from));
            b.min(d).saturating_sub(a.max(c))
        };
        let mut picture = Vec::new();
        for y in 0..to.1 {
            for x in 0..to.0 {
                let (mut sums, mut area) = (vec![0_u64; channels], 0);
                for (at, pixel) in image.chunks_exact(channels).enumerate() {
                    let (column, row) = (at as u32 % from.0, at as u32 / from.0);
                    let covered =
                        overlap(column, (x, x + 1), (from.0, to.0)) * overlap(row, (y, y + 1), (from.1, to.1));
                    area += covered;
                    for (channel, sample) in pixel.iter().enumerate() {
                        let color = layout.has_alpha() && channel + 1 < channels;
                        let weight = if color { u64::from(pixel[channels - 1]) } else { 1 };
                        sums[channel] += u64::from(*sample) * weight * covered;
                    }
                }
                for (channel, sum) in sums.iter().enumerate() {
                    let color = layout.has_alpha() && channel + 1 < channels;
                    let of = if color { sums[channels - 1] } else { area };
                    picture.push((sum + of / 2).checked_div(of).unwrap_or(0) as u8);
                }
            }
        }
        picture
    }

    fn cases() -> impl Strategy<Value = (Layout, (u32, u32), (u32, u32), Vec<u8>)> {
        let layout =
            prop::sample::select(vec![Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba, Layout::Cmyk]);
        (layout, 1_u32..24, 1_u32..12).prop_flat_map(|(layout, width, height)| {
            let samples = (width * height) as usize * layout.channels();
            let sample = prop_oneof![any::<u8>(), Just(0), Just(255)];
            let image = prop::collection::vec(sample, samples);
            (Just(layout), Just((width, height)), (1..=width, 1..=height), image)
        })
    }

    proptest! {
        #[test]
        fn each_pixel_of_the_picture_is_the_average_of_what_it_covers((layout, from, to, image) in cases()) {
            let mut shrink = Shrink::new(layout, from, to);
            let rows = Rows { width: from.0, layout, samples: Samples::U8(image.clone()) };
            prop_assert_eq!(shrink.add(&rows), Ok(()));
            prop_assert_eq!(shrink.into_samples(), averages(&image, layout, from, to));
        }
    }

    #[test]
    fn a_row_of_the_brightest_samples_is_as_bright_however_wide_it_is() {
        let mut shrink = Shrink::<u16>::new(Layout::Gray, (200_000, 1), (1, 1));
        shrink.add_row(&vec![u16::MAX; 200_000]);
        assert_eq!(shrink.into_samples(), [u16::MAX]);
    }
}
