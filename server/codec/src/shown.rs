//! Conversion of samples for display: 8 bits, gray or colour, sRGB.

use shared::equalize::inks_to_rgb;
use shared::job::ImageInfo;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::colors::Colors;
use super::{Result, RowReader};

/// Conversion of an image's samples to those of a view.
pub(super) struct Shown {
    /// Layout of the view. Of several bands, the first three are shown as red, green and blue, or the first one as gray; with their
    /// alpha if they have it. Inks are shown as red, green and blue.
    pub(super) layout: Layout,
    /// Minimum and maximum floating-point value.
    range: (f32, f32),
    colors: Colors,
}

impl Shown {
    /// Creates the conversion. For floating-point samples this reads all rows, `band` at a time, to find their range.
    pub(super) fn new(reader: &mut dyn RowReader, info: &ImageInfo, profile: Option<&[u8]>, band: u32) -> Result<Self> {
        let layout = match info.layout {
            Layout::Bands(0..=2) => Layout::Gray,
            Layout::Bands(_) | Layout::Cmyk => Layout::Rgb,
            Layout::BandsAlpha(0..=2) => Layout::GrayAlpha,
            Layout::BandsAlpha(_) => Layout::Rgba,
            layout => layout,
        };
        let range = if info.depth == Depth::Float { range(reader, info, band)? } else { (0.0, 1.0) };
        // A profile is that of the inks.
        let stored = if info.layout == Layout::Cmyk { Layout::Cmyk } else { layout };
        Ok(Self { layout, range, colors: Colors::new(profile, stored, info.depth) })
    }

    /// Converts rows.
    pub(super) fn rows(&self, rows: Rows) -> Result<Rows> {
        let rows = if matches!(self.colors, Colors::Same) { inks_to_rgb(rows) } else { rows };
        let Rows { width, layout, samples } = rows;
        let samples = match samples {
            Samples::U8(samples) => self.colors.eight(self.kept(layout, samples), self.layout)?,
            Samples::U16(samples) => self.colors.sixteen(self.kept(layout, samples), self.layout)?,
            Samples::F32(samples) => self.floats(&self.kept(layout, samples)),
        };
        Ok(Rows { width, layout: self.layout, samples: Samples::U8(samples) })
    }

    /// Removes the bands that aren't shown.
    fn kept<T: Copy>(&self, layout: Layout, samples: Vec<T>) -> Vec<T> {
        let Some(bands) = layout.bands() else { return samples };
        let kept = self.layout.colors();
        let pixels = samples.chunks_exact(layout.channels());
        pixels.flat_map(|pixel| pixel[..kept].iter().chain(&pixel[bands.into()..])).copied().collect()
    }

    /// Scales colours over their range, and alpha over 0 to 1. NaN becomes black.
    fn floats(&self, samples: &[f32]) -> Vec<u8> {
        let (least, greatest) = self.range;
        let over = |value: f32, (from, to): (f32, f32)| {
            let share = (f64::from(value) - f64::from(from)) / (f64::from(to) - f64::from(from));
            (share.clamp(0.0, 1.0) * 255.0).round() as u8
        };
        let (layout, channels) = (self.layout, self.layout.channels());
        let sample = |(index, value): (usize, &f32)| {
            let alpha = layout.has_alpha() && index % channels == channels - 1;
            over(*value, if alpha { (0.0, 1.0) } else { (least, greatest) })
        };
        samples.iter().enumerate().map(sample).collect()
    }
}

/// Returns the minimum and maximum of the finite colour samples that aren't nodata; 0 and 1 if there are none or all
/// are equal.
fn range(reader: &mut dyn RowReader, info: &ImageInfo, band: u32) -> Result<(f32, f32)> {
    let nodata = info.more.nodata.map(|value| value as f32);
    let (channels, colors) = (info.layout.channels(), info.layout.colors());
    let (mut least, mut greatest) = (f32::INFINITY, f32::NEG_INFINITY);
    let mut first = 0;
    while first < info.height {
        let end = first.saturating_add(band).min(info.height);
        if let Samples::F32(samples) = reader.read(first..end)?.samples {
            let values = samples.chunks_exact(channels).flat_map(|pixel| &pixel[..colors]);
            for value in values.filter(|value| value.is_finite() && Some(**value) != nodata) {
                (least, greatest) = (least.min(*value), greatest.max(*value));
            }
        }
        first = end;
    }
    Ok(if least < greatest { (least, greatest) } else { (0.0, 1.0) })
}
