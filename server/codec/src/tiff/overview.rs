//! Overviews: reduced versions of a page, made anew from its result. Each part makes one strip of each overview from
//! its own rows, whose number is a multiple of every factor. So no part depends on another, and the parts' index holds
//! all that the join needs.

use shared::decode::tiff::{Chunks, Structure};
use shared::for_samples;
use shared::job::Overview;
use shared::packed::Packed;
use shared::pixels::{Layout, Rows, SampleType, Samples};

use super::super::Result;
use super::encode;

/// Nodata of an image's samples: what overviews leave out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nodata {
    /// The value, if there is one.
    pub(super) value: Option<f64>,
    /// Whether a sample with the value is left out on its own; else only pixels whose colours all have it.
    pub(super) is_of_samples: bool,
}

/// Returns how an overview is stored: like its page, but in strips of `rows` rows.
pub(super) fn structure(page: &Structure, overview: &Overview, rows: u32) -> Structure {
    let chunks = Chunks::Strips(rows);
    Structure { width: overview.width, height: overview.height, chunks, ..page.clone() }
}

/// Encodes rows of an overview as one strip, plane after plane. Returns it with its planes' lengths.
pub(super) fn strip(page: &Structure, overview: &Overview, rows: &Rows) -> Result<(Vec<u8>, Vec<u64>)> {
    let height = rows.height() as u32;
    let strip = Structure { height, ..structure(page, overview, height) };
    encode::pieces(&strip, rows)
}

/// Returns the rows of the overview for rows of the page; `None` if it has none there.
pub(super) fn rows(page: &Structure, overview: &Overview, first_row: u32, rows: &Rows, nodata: Nodata) -> Option<Rows> {
    let below = overview.height.saturating_sub(first_row / overview.factor);
    let height = (rows.height() as u32).div_ceil(overview.factor).min(below);
    if height == 0 {
        return None;
    }
    let samples = means(rows, overview, height, page.packed(), nodata);
    Some(Rows { width: overview.width, layout: rows.layout, samples })
}

/// Returns the samples of the overview's next `height` rows.
fn means(rows: &Rows, overview: &Overview, height: u32, packed: Option<Packed>, nodata: Nodata) -> Samples {
    if let (Samples::U16(samples), Some(packed)) = (&rows.samples, packed) {
        // The mean of the file's own levels, rounded once.
        let own: Vec<u16> = samples.iter().map(|sample| packed.narrow(*sample)).collect();
        let nodata = Nodata { value: nodata.value.map(|value| packed.narrow(value as u16).into()), ..nodata };
        let means = reduced(&own, rows, overview, height, nodata);
        return Samples::U16(means.into_iter().map(|mean| packed.widen(mean)).collect());
    }
    for_samples!(&rows.samples, samples => reduced(samples, rows, overview, height, nodata).into())
}

/// Returns the sample nearest to a mean; of whole numbers the greater one halfway between two.
fn nearest<S: SampleType>(mean: f64) -> S {
    S::nearest(if S::DEPTH.is_float() { mean } else { (mean + 0.5).floor() })
}

/// Averages squares of pixels ([`smaller`]); each of several bands by itself, with their alpha, since each has its own nodata. So
/// are colours if nodata is one of samples.
fn reduced<S: SampleType>(
    samples: &[S],
    rows: &Rows,
    overview: &Overview,
    height: u32,
    Nodata { value: nodata, is_of_samples }: Nodata,
) -> Vec<S> {
    let colors = rows.layout.colors();
    let apart = rows.layout.bands().is_some() || is_of_samples && nodata.is_some() && colors > 1;
    if !apart {
        return smaller(samples, rows, overview, height, nodata);
    }
    let layout = if rows.layout.has_alpha() { Layout::GrayAlpha } else { Layout::Gray };
    let alone = Rows { width: rows.width, layout, samples: Samples::U8(Vec::new()) };
    let (channels, own) = (rows.layout.channels(), layout.channels());
    let band = |band: usize| {
        let pixels = samples.chunks_exact(channels);
        let samples: Vec<S> =
            pixels.flat_map(|pixel| std::iter::once(pixel[band]).chain(pixel[colors..].iter().copied())).collect();
        smaller(&samples, &alone, overview, height, nodata)
    };
    let bands: Vec<Vec<S>> = (0..colors).map(band).collect();
    let pixels = 0..bands.first().map_or(0, |band| band.len() / own);
    pixels
        .flat_map(|pixel| {
            let alpha = bands[0][own * pixel + 1..own * (pixel + 1)].iter();
            bands.iter().map(move |band| &band[own * pixel]).chain(alpha).copied().collect::<Vec<S>>()
        })
        .collect()
}

/// Averages squares of pixels, weighted by their alpha. Nodata and non-finite pixels don't count; if none counts, the
/// square's first pixel is taken.
fn smaller<S: SampleType>(samples: &[S], rows: &Rows, overview: &Overview, height: u32, nodata: Option<f64>) -> Vec<S> {
    let (channels, colors) = (rows.layout.channels(), rows.layout.colors());
    let (line, factor) = (rows.width as usize * channels, overview.factor as usize);
    // As the sample that it is: of binary32, 1e20 isn't the same number as in decimal.
    let nodata = nodata.and_then(S::of);
    let mut all = Vec::with_capacity(height as usize * overview.width as usize * channels);
    let mut sums = vec![0.0; overview.width as usize * (channels + 1)];
    for band in samples.chunks(factor * line).take(height as usize) {
        sums.fill(0.0);
        for row in band.chunks_exact(line) {
            for (square, sums) in row.chunks(factor * channels).zip(sums.chunks_exact_mut(channels + 1)) {
                for pixel in square.chunks_exact(channels) {
                    add(pixel, colors, nodata, sums);
                }
            }
        }
        let deep = band.len() / line;
        for (square, sums) in band[..line].chunks(factor * channels).zip(sums.chunks_exact(channels + 1)) {
            let (weight, pixels) = (sums[channels], deep * (square.len() / channels));
            for channel in 0..channels {
                all.push(match channel {
                    _ if channel >= colors => nearest(sums[channel] / pixels as f64),
                    _ if weight > 0.0 => nearest(sums[channel] / weight),
                    _ => square[channel],
                });
            }
        }
    }
    all
}

/// Adds a pixel to its square's sums, and its weight to the last of them.
fn add<S: SampleType>(pixel: &[S], colors: usize, nodata: Option<S>, sums: &mut [f64]) {
    let (color, alpha) = pixel.split_at(colors);
    let weight = alpha.first().map_or(1.0, |alpha| alpha.value());
    for (sum, alpha) in sums[colors..].iter_mut().zip(alpha) {
        *sum += alpha.value();
    }
    let counts = color.iter().all(|sample| sample.is_value())
        && !nodata.is_some_and(|nodata| color.iter().all(|sample| *sample == nodata));
    if counts {
        for (sum, sample) in sums.iter_mut().zip(color) {
            *sum += weight * sample.value();
        }
        sums[pixel.len()] += weight;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn of_pixels(value: Option<f64>) -> Nodata {
        Nodata { value, is_of_samples: false }
    }

    fn of_samples(value: Option<f64>) -> Nodata {
        Nodata { value, is_of_samples: true }
    }

    fn shrunk(samples: Vec<u8>, width: u32, layout: Layout, overview: (u32, u32, u32), nodata: Option<f64>) -> Vec<u8> {
        let rows = Rows { width, layout, samples: Samples::U8(samples.clone()) };
        let overview = Overview { factor: overview.0, width: overview.1, height: overview.2, below: false };
        smaller(&samples, &rows, &overview, overview.height, nodata)
    }

    #[test]
    fn pixels_without_data_do_not_count_and_alpha_weighs() {
        let gray = shrunk(vec![10, 20, 0, 0, 30, 0, 0, 0], 4, Layout::Gray, (2, 2, 1), Some(0.0));
        assert_eq!(gray, [20, 0], "the mean of 10, 20 and 30; no data at all");
        let alpha = shrunk(vec![100, 255, 200, 0, 100, 255, 7, 0], 2, Layout::GrayAlpha, (2, 1, 1), None);
        assert_eq!(alpha, [100, 128]);
    }

    #[test]
    fn each_band_leaves_out_its_own_nodata() {
        let samples = vec![10, 0, 20, 40, 0, 60, 30, 80];
        let rows = Rows { width: 2, layout: Layout::Bands(2), samples: Samples::U8(samples.clone()) };
        let overview = Overview { factor: 2, width: 1, height: 1, below: false };
        let found = reduced(&samples, &rows, &overview, 1, of_pixels(Some(0.0)));
        assert_eq!(found, [20, 60], "of 10, 20, 30 and of 40, 60, 80");
    }

    #[test]
    fn colours_that_are_equalized_apart_leave_out_their_own_nodata() {
        let samples = vec![10, 0, 90, 20, 40, 0, 0, 60, 0, 30, 80, 0];
        let rows = Rows { width: 2, layout: Layout::Rgb, samples: Samples::U8(samples.clone()) };
        let overview = Overview { factor: 2, width: 1, height: 1, below: false };
        assert_eq!(reduced(&samples, &rows, &overview, 1, of_samples(Some(0.0))), [20, 60, 90]);
        assert_eq!(reduced(&samples, &rows, &overview, 1, of_pixels(Some(0.0))), [15, 45, 23]);
    }

    #[test]
    fn alpha_weighs_in_each_band() {
        let samples = vec![10, 50, 255, 20, 60, 0, 30, 70, 255, 40, 80, 0];
        let rows = Rows { width: 2, layout: Layout::BandsAlpha(2), samples: Samples::U8(samples.clone()) };
        let overview = Overview { factor: 2, width: 1, height: 1, below: false };
        assert_eq!(reduced(&samples, &rows, &overview, 1, of_pixels(None)), [20, 60, 128]);
    }

    #[test]
    fn packed_samples_are_averaged_in_their_own_levels() {
        let (twelve, wide) = (Packed::new(12), |level| Packed::new(12).unwrap().widen(level));
        assert_eq!(
            twelve.unwrap().narrow((wide(100) + wide(101)) / 2),
            100,
            "rounded twice, the mean would be too small"
        );
        let mean = Samples::U16(vec![wide(101)]);
        let rows = Rows { width: 2, layout: Layout::Gray, samples: Samples::U16(vec![wide(100), wide(101)]) };
        let overview = Overview { factor: 2, width: 1, height: 1, below: false };
        assert_eq!(means(&rows, &overview, 1, twelve, of_pixels(None)), mean);
    }

    #[test]
    fn the_last_squares_are_as_large_as_the_page_lets_them() {
        assert_eq!(shrunk(vec![1, 1, 9, 3, 3, 5], 3, Layout::Gray, (2, 2, 1), None), [2, 7]);
        assert_eq!(shrunk(vec![1, 1, 9, 3, 3, 5], 3, Layout::Gray, (2, 1, 1), None), [2], "its sides are rounded down");
    }

    proptest! {
        #[test]
        fn a_pixel_is_the_mean_of_its_square(
            (factor, width, height) in (2_u32..5, 1_u32..20, 1_u32..20), seed in any::<u32>(),
        ) {
            let sample = |x: u32, y: u32| (x.wrapping_mul(31) ^ y.wrapping_mul(17) ^ seed.rotate_left(x)) as u8;
            let samples: Vec<u8> = (0..height).flat_map(|y| (0..width).map(move |x| sample(x, y))).collect();
            let (across, down) = (width.div_ceil(factor), height.div_ceil(factor));
            let made = shrunk(samples, width, Layout::Gray, (factor, across, down), None);
            for (i, made) in made.iter().enumerate() {
                let (x, y) = (i as u32 % across * factor, i as u32 / across * factor);
                let square: Vec<f64> = (y..(y + factor).min(height))
                    .flat_map(|y| (x..(x + factor).min(width)).map(move |x| sample(x, y).into()))
                    .collect();
                let mean = square.iter().sum::<f64>() / square.len() as f64;
                prop_assert_eq!(*made, (mean + 0.5) as u8);
            }
        }
    }
}
