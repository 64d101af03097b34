//! Masking: pixels, besides fully transparent ones, that are neither counted nor changed.

use super::color;
use super::float::luma;
use super::kernel::sample::Sample;
use super::nodata::{Nodata, Value};
use crate::pixels::{Rows, Samples};

/// Mask over some rows: true for each pixel that is counted and changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<bool>);

impl Mask {
    /// Creates the mask of some rows. It hides a pixel if all its colour samples equal `nodata`, or if the mask image
    /// (one byte per pixel) is 0 there. Returns `None` if no pixel is hidden.
    ///
    /// # Panics
    /// Panics if the mask image and the rows differ in their number of pixels.
    pub fn of(rows: &Rows, nodata: Option<Nodata>, image: Option<&[u8]>) -> Option<Self> {
        let channels = rows.layout.channels();
        let pixels = rows.samples.len() / channels;
        let nodata = nodata.and_then(|nodata| nodata.of(rows.samples.depth()));
        if nodata.is_none() && image.is_none() {
            return None;
        }
        let mut shown = match image {
            Some(image) => {
                assert_eq!(image.len(), pixels, "the mask is of another size");
                image.iter().map(|byte| *byte != 0).collect()
            }
            None => vec![true; pixels],
        };
        let colors = rows.layout.colors();
        match (&rows.samples, nodata) {
            (Samples::U8(samples), Some(Value::U8(nodata))) => hide(&mut shown, samples, channels, colors, nodata),
            (Samples::U16(samples), Some(Value::U16(nodata))) => hide(&mut shown, samples, channels, colors, nodata),
            (Samples::F32(samples), Some(Value::F32(nodata))) => hide(&mut shown, samples, channels, colors, nodata),
            _ => {}
        }
        (!shown.iter().all(|shown| *shown)).then_some(Self(shown))
    }

    /// Converts a mask image to one byte per pixel: 0 where all its colours are 0 or it is fully transparent, else 255.
    /// Idempotent: converting the result, as a gray image, returns it unchanged.
    pub fn image(rows: &Rows) -> Vec<u8> {
        let (channels, colors) = (rows.layout.channels(), rows.layout.colors());
        match &rows.samples {
            Samples::U8(samples) => image(samples, channels, colors),
            Samples::U16(samples) => image(samples, channels, colors),
            Samples::F32(samples) => image(samples, channels, colors),
        }
    }

    /// Returns for each pixel whether it is counted and changed.
    pub(super) fn shown(&self) -> &[bool] {
        &self.0
    }

    /// Returns the pixels that are not hidden, one after the other.
    pub fn kept(&self, rows: &Rows) -> Rows {
        let channels = rows.layout.channels();
        let samples = match &rows.samples {
            Samples::U8(samples) => Samples::U8(kept(&self.0, samples, channels)),
            Samples::U16(samples) => Samples::U16(kept(&self.0, samples, channels)),
            Samples::F32(samples) => Samples::F32(kept(&self.0, samples, channels)),
        };
        Rows { width: rows.width, layout: rows.layout, samples }
    }

    /// Restores the hidden pixels to their samples in `before`, or to their luma where colour became gray.
    pub(super) fn restore(&self, before: &Rows, after: &mut Rows) {
        let channels = (before.layout.channels(), after.layout.channels());
        let to_gray = before.layout.colors() != after.layout.colors();
        match (&before.samples, &mut after.samples) {
            (Samples::U8(before), Samples::U8(after)) => {
                restore(&self.0, before, after, channels, to_gray.then_some(luma_of));
            }
            (Samples::U16(before), Samples::U16(after)) => {
                restore(&self.0, before, after, channels, to_gray.then_some(luma_of));
            }
            (Samples::F32(before), Samples::F32(after)) => {
                restore(&self.0, before, after, channels, to_gray.then_some(luma));
            }
            _ => unreachable!("equalizing keeps the depth"),
        }
    }
}

fn image<S: Copy + Default + PartialEq>(samples: &[S], channels: usize, colors: usize) -> Vec<u8> {
    let some = |samples: &[S]| samples.iter().any(|sample| *sample != S::default());
    let shows = |pixel: &[S]| some(&pixel[..colors]) && (channels == colors || some(&pixel[colors..]));
    samples.chunks_exact(channels).map(|pixel| if shows(pixel) { 255 } else { 0 }).collect()
}

/// Hides the pixels whose colour samples all equal `nodata`.
fn hide<S: Copy + PartialEq>(shown: &mut [bool], samples: &[S], channels: usize, colors: usize, nodata: S) {
    for (shown, pixel) in shown.iter_mut().zip(samples.chunks_exact(channels)) {
        *shown &= !pixel[..colors].iter().all(|sample| *sample == nodata);
    }
}

/// Returns the samples of the pixels that are shown.
pub(super) fn kept<S: Copy>(shown: &[bool], samples: &[S], channels: usize) -> Vec<S> {
    let pixels = shown.iter().zip(samples.chunks_exact(channels));
    pixels.filter(|(shown, _)| **shown).flat_map(|(_, pixel)| pixel).copied().collect()
}

/// Luma of a pixel with integer samples.
fn luma_of<S: Sample>(rgb: &[S]) -> S {
    color::luma(rgb[0], rgb[1], rgb[2])
}

fn restore<S: Copy>(
    shown: &[bool],
    before: &[S],
    after: &mut [S],
    (from, to): (usize, usize),
    to_gray: Option<impl Fn(&[S]) -> S>,
) {
    let pixels = before.chunks_exact(from).zip(after.chunks_exact_mut(to));
    for (_, (before, after)) in shown.iter().zip(pixels).filter(|(shown, _)| !**shown) {
        match &to_gray {
            Some(luma) => {
                after[0] = luma(before);
                after[1..].copy_from_slice(&before[3..]);
            }
            None => after.copy_from_slice(before),
        }
    }
}

impl Nodata {
    /// Keeps valid pixels apart from nodata: one whose equalized colour samples all equal nodata moves by the smallest
    /// step, upwards, or downwards from the greatest value. `rows` are already equalized, with `mask`.
    pub fn keep_apart(self, rows: &mut Rows, mask: Option<&Mask>) {
        let (channels, colors) = (rows.layout.channels(), rows.layout.colors());
        let shown = mask.map(|mask| mask.0.as_slice());
        let nodata = self.of(rows.samples.depth());
        match (&mut rows.samples, nodata) {
            (Samples::U8(samples), Some(Value::U8(nodata))) => {
                let beside = nodata.checked_add(1).unwrap_or_else(|| nodata - 1);
                keep_apart(samples, shown, channels, colors, (nodata, beside), 0);
            }
            (Samples::U16(samples), Some(Value::U16(nodata))) => {
                let beside = nodata.checked_add(1).unwrap_or_else(|| nodata - 1);
                keep_apart(samples, shown, channels, colors, (nodata, beside), 0);
            }
            (Samples::F32(samples), Some(Value::F32(nodata))) => {
                let beside = if nodata == f32::MAX { nodata.next_down() } else { nodata.next_up() };
                keep_apart(samples, shown, channels, colors, (nodata, beside), 0.0);
            }
            _ => {}
        }
    }
}

fn keep_apart<S: Copy + PartialEq>(
    samples: &mut [S],
    shown: Option<&[bool]>,
    channels: usize,
    colors: usize,
    (nodata, beside): (S, S),
    transparent: S,
) {
    for (i, pixel) in samples.chunks_exact_mut(channels).enumerate() {
        let (color, alpha) = pixel.split_at_mut(colors);
        let there = shown.is_none_or(|shown| shown[i]) && alpha != [transparent];
        if there && color.iter().all(|sample| *sample == nodata) {
            color.fill(beside);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::Layout;

    fn rows(layout: Layout, samples: &[u8]) -> Rows {
        let width = (samples.len() / layout.channels()) as u32;
        Rows { width, layout, samples: Samples::U8(samples.to_vec()) }
    }

    #[test]
    fn a_pixel_is_nodata_if_all_its_colours_are() {
        let nodata = Nodata::new(9.0);
        let image = rows(Layout::Rgba, &[9, 9, 9, 255, 9, 9, 8, 255, 9, 9, 9, 0]);
        assert_eq!(Mask::of(&image, nodata, None).unwrap().shown(), [false, true, false]);
        assert_eq!(Mask::of(&rows(Layout::Gray, &[1, 2, 3]), nodata, None), None);
        assert_eq!(Mask::of(&rows(Layout::Gray, &[1, 2, 3]), Nodata::new(300.0), None), None);
    }

    #[test]
    fn what_the_mask_image_hides_is_kept_as_it_was() {
        let image = rows(Layout::Gray, &[1, 2, 3]);
        let mask = Mask::of(&image, Nodata::new(3.0), Some(&[255, 0, 1])).unwrap();
        assert_eq!(mask.shown(), [true, false, false]);
        assert_eq!(mask.kept(&image).samples, Samples::U8(vec![1]));
        let mut after = rows(Layout::Gray, &[101, 102, 103]);
        mask.restore(&image, &mut after);
        assert_eq!(after.samples, Samples::U8(vec![101, 2, 3]));
    }

    #[test]
    fn a_pixel_that_is_there_does_not_come_to_look_like_none() {
        let before = rows(Layout::Rgba, &[9, 9, 9, 255, 1, 1, 1, 255, 5, 5, 5, 0]);
        let mask = Mask::of(&before, Nodata::new(9.0), None);
        let mut after = rows(Layout::Rgba, &[9, 9, 9, 255, 9, 9, 9, 255, 9, 9, 9, 0]);
        Nodata::new(9.0).unwrap().keep_apart(&mut after, mask.as_ref());
        assert_eq!(after.samples, Samples::U8(vec![9, 9, 9, 255, 10, 10, 10, 255, 9, 9, 9, 0]));
        let mut gray = rows(Layout::Gray, &[254, 255]);
        Nodata::new(255.0).unwrap().keep_apart(&mut gray, None);
        assert_eq!(gray.samples, Samples::U8(vec![254, 254]));
    }

    #[test]
    fn a_mask_image_shows_what_is_neither_black_nor_transparent() {
        let image = rows(Layout::Rgba, &[0, 0, 0, 255, 0, 0, 1, 255, 9, 9, 9, 0]);
        assert_eq!(Mask::image(&image), [0, 255, 0]);
        let gray = rows(Layout::Gray, &[0, 255, 0]);
        assert_eq!(Mask::image(&gray), [0, 255, 0]);
    }

    #[test]
    fn a_hidden_colour_becomes_its_luma_where_colour_becomes_gray() {
        let image = rows(Layout::Rgba, &[10, 20, 30, 7, 1, 1, 1, 9]);
        let mask = Mask::of(&image, None, Some(&[0, 1])).unwrap();
        let mut after = rows(Layout::GrayAlpha, &[99, 7, 98, 9]);
        mask.restore(&image, &mut after);
        assert_eq!(after.samples, Samples::U8(vec![18, 7, 98, 9]));
    }
}
