//! Pixels that are neither counted nor changed, besides those that are fully transparent.

use super::color;
use super::kernel::sample::Sample;
use super::recipe::Nodata;
use crate::pixels::{Rows, Samples};

/// Which pixels of some rows are worked on: true for each that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask(Vec<bool>);

impl Mask {
    /// The mask of some rows: a pixel is left alone if all its colour samples are `nodata`, or where the mask image,
    /// one byte a pixel, is 0. `None` if nothing is left alone.
    ///
    /// # Panics
    /// If the mask image has another number of pixels than the rows.
    pub fn of(rows: &Rows, nodata: Option<Nodata>, image: Option<&[u8]>) -> Option<Self> {
        let channels = rows.layout.channels();
        let pixels = rows.samples.len() / channels;
        let level = nodata.and_then(|nodata| nodata.level(rows.samples.depth()));
        if level.is_none() && image.is_none() {
            return None;
        }
        let mut shown = match image {
            Some(image) => {
                assert_eq!(image.len(), pixels, "the mask is of another size");
                image.iter().map(|byte| *byte != 0).collect()
            }
            None => vec![true; pixels],
        };
        if let Some(level) = level {
            let colors = rows.layout.colors();
            match &rows.samples {
                Samples::U8(samples) => hide(&mut shown, samples, channels, colors, level),
                Samples::U16(samples) => hide(&mut shown, samples, channels, colors, level),
                Samples::F32(_) => panic!("floating-point samples have no levels"),
            }
        }
        (!shown.iter().all(|shown| *shown)).then_some(Self(shown))
    }

    /// What a mask image says, one byte a pixel: 0 where all its colours are 0, or where it is fully transparent, else
    /// 255. What this gives, taken as a gray image, gives itself.
    pub fn image(rows: &Rows) -> Vec<u8> {
        let (channels, colors) = (rows.layout.channels(), rows.layout.colors());
        match &rows.samples {
            Samples::U8(samples) => image(samples, channels, colors),
            Samples::U16(samples) => image(samples, channels, colors),
            Samples::F32(samples) => {
                let some = |samples: &[f32]| samples.iter().any(|sample| *sample != 0.0);
                let shows = |pixel: &[f32]| some(&pixel[..colors]) && (channels == colors || some(&pixel[colors..]));
                samples.chunks_exact(channels).map(|pixel| if shows(pixel) { 255 } else { 0 }).collect()
            }
        }
    }

    /// For each pixel, whether it is worked on.
    pub(super) fn shown(&self) -> &[bool] {
        &self.0
    }

    /// The pixels that are worked on, one after the other.
    pub fn kept(&self, rows: &Rows) -> Rows {
        let channels = rows.layout.channels();
        let samples = match &rows.samples {
            Samples::U8(samples) => Samples::U8(kept(&self.0, samples, channels)),
            Samples::U16(samples) => Samples::U16(kept(&self.0, samples, channels)),
            Samples::F32(_) => panic!("floating-point samples have no levels"),
        };
        Rows { width: rows.width, layout: rows.layout, samples }
    }

    /// Puts the pixels that are left alone back to what they were; their luma, where colour became gray.
    pub(super) fn restore(&self, before: &Rows, after: &mut Rows) {
        let channels = (before.layout.channels(), after.layout.channels());
        let to_gray = before.layout.colors() != after.layout.colors();
        match (&before.samples, &mut after.samples) {
            (Samples::U8(before), Samples::U8(after)) => restore(&self.0, before, after, channels, to_gray),
            (Samples::U16(before), Samples::U16(after)) => restore(&self.0, before, after, channels, to_gray),
            _ => unreachable!("equalizing keeps the depth"),
        }
    }
}

fn image<S: Sample>(samples: &[S], channels: usize, colors: usize) -> Vec<u8> {
    let some = |samples: &[S]| samples.iter().any(|sample| *sample != S::default());
    let shows = |pixel: &[S]| some(&pixel[..colors]) && (channels == colors || some(&pixel[colors..]));
    samples.chunks_exact(channels).map(|pixel| if shows(pixel) { 255 } else { 0 }).collect()
}

/// Hides the pixels whose colour samples are all of this level.
fn hide<S: Sample>(shown: &mut [bool], samples: &[S], channels: usize, colors: usize, level: u32) {
    for (shown, pixel) in shown.iter_mut().zip(samples.chunks_exact(channels)) {
        *shown &= !pixel[..colors].iter().all(|sample| sample.wide() == level);
    }
}

/// The samples of the pixels that are shown.
pub(super) fn kept<S: Sample>(shown: &[bool], samples: &[S], channels: usize) -> Vec<S> {
    let pixels = shown.iter().zip(samples.chunks_exact(channels));
    pixels.filter(|(shown, _)| **shown).flat_map(|(_, pixel)| pixel).copied().collect()
}

fn restore<S: Sample>(shown: &[bool], before: &[S], after: &mut [S], (from, to): (usize, usize), to_gray: bool) {
    let pixels = before.chunks_exact(from).zip(after.chunks_exact_mut(to));
    for (_, (before, after)) in shown.iter().zip(pixels).filter(|(shown, _)| !**shown) {
        if to_gray {
            after[0] = color::luma(before[0], before[1], before[2]);
            after[1..].copy_from_slice(&before[3..]);
        } else {
            after.copy_from_slice(before);
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
