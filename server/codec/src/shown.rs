//! Conversion of samples for display: 8 bits, gray or colour, sRGB.

use shared::equalize::{Color, Mask, Recipe, Spread, inks_to_rgb};
use shared::for_samples;
use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows, SampleType, Samples};

use super::colors::Colors;
use super::{Result, RowReader};

/// Conversion of an image's samples to those of a view.
pub(super) struct Shown {
    /// Layout of the view. Of several bands, the first three are shown as red, green and blue, or the first one as gray; with their
    /// alpha if they have it. Inks are shown as red, green and blue.
    pub(super) layout: Layout,
    /// Minimum and maximum of samples without levels.
    range: (f64, f64),
    colors: Colors,
}

impl Shown {
    /// Creates the conversion. For samples without levels this reads all rows, `band` at a time, to find their range.
    pub(super) fn new(reader: &mut dyn RowReader, info: &ImageInfo, profile: Option<&[u8]>, band: u32) -> Result<Self> {
        let layout = match info.layout {
            Layout::Bands(0..=2) => Layout::Gray,
            Layout::Bands(_) | Layout::Cmyk => Layout::Rgb,
            Layout::BandsAlpha(0..=2) => Layout::GrayAlpha,
            Layout::BandsAlpha(_) => Layout::Rgba,
            layout => layout,
        };
        let range = if info.depth.has_levels() { (0.0, 1.0) } else { range(reader, info, band)? };
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
            samples => for_samples!(samples, samples => self.scaled(&self.kept(layout, samples))),
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

    /// Scales colours over their range, and alpha from nothing to opaque. NaN becomes black.
    fn scaled<S: SampleType>(&self, samples: &[S]) -> Vec<u8> {
        let over = |value: f64, (from, to): (f64, f64)| {
            // Halves, since the length of a range of 64-bit floating point may be infinite.
            let share = (value / 2.0 - from / 2.0) / (to / 2.0 - from / 2.0);
            (share.clamp(0.0, 1.0) * 255.0).round() as u8
        };
        let (layout, channels) = (self.layout, self.layout.channels());
        let sample = |(index, sample): (usize, &S)| {
            let alpha = layout.has_alpha() && index % channels == channels - 1;
            over(sample.value(), if alpha { (0.0, S::OPAQUE.value()) } else { self.range })
        };
        samples.iter().enumerate().map(sample).collect()
    }
}

/// Returns the range of the colour samples that are finite and aren't nodata, without outliers as in equalization; 0 and 1 if there
/// are none or all are equal.
fn range(reader: &mut dyn RowReader, info: &ImageInfo, band: u32) -> Result<(f64, f64)> {
    let recipe = Recipe::global(Color::Channels);
    let (mut spread, nodata) = (Spread::new(&recipe, info.layout, info.depth), recipe.nodata_of(info));
    let mut first = 0;
    while first < info.height {
        let end = first.saturating_add(band).min(info.height);
        let rows = reader.read(first..end)?;
        spread.look(&rows, Mask::of(&rows, nodata, None).as_ref());
        first = end;
    }
    Ok(spread.ranges().all().filter(|[least, greatest]| least < greatest).map_or((0.0, 1.0), |ends| ends.into()))
}
