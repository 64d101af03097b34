//! Masking: pixels, besides fully transparent ones, and single samples that are neither counted nor changed.

use super::color;
use super::inks::{self, inks_to_rgb};
use super::kernel::sample::Sample;
use super::nodata::{Nodata, NodataRule, Unit};
use super::ranged;
use crate::for_samples;
use crate::packed::Packed;
use crate::pixels::{Depth, Layout, Rows, SampleType, Samples};

/// Mask over some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    /// True for each pixel that is counted and changed.
    shown: Vec<bool>,
    /// Colour samples with this value are hidden on their own, also in pixels that are shown.
    sample: Option<Nodata>,
    /// Bits of the file's samples, if they are packed.
    packed: Option<Packed>,
}

impl Mask {
    /// Creates the mask of some rows. It hides what is `missing`, and the pixels where the mask image (one byte per pixel) is 0.
    /// Returns `None` if nothing is hidden.
    ///
    /// # Panics
    /// Panics if the mask image and the rows differ in their number of pixels.
    pub fn of(rows: &Rows, missing: Option<NodataRule>, image: Option<&[u8]>) -> Option<Self> {
        let channels = rows.layout.channels();
        let pixels = rows.samples.len() / channels;
        let missing = missing.filter(|missing| missing.nodata.fits(rows.samples.depth()));
        if missing.is_none() && image.is_none() {
            return None;
        }
        let mut shown = match image {
            Some(image) => {
                assert_eq!(image.len(), pixels, "the mask is of another size");
                image.iter().map(|byte| *byte != 0).collect()
            }
            None => vec![true; pixels],
        };
        let shape = (channels, rows.layout.colors());
        let hides_samples = missing
            .is_some_and(|missing| for_samples!(&rows.samples, samples => hide(&mut shown, samples, shape, missing)));
        let sample = missing.filter(|_| hides_samples).map(|missing| missing.nodata);
        let packed = missing.and_then(|missing| missing.packed);
        (sample.is_some() || !shown.iter().all(|shown| *shown)).then_some(Self { shown, sample, packed })
    }

    /// Converts a mask image to one byte per pixel: 0 where all its colours are 0 or it is fully transparent, else 255.
    /// Idempotent: converting the result, as a gray image, returns it unchanged.
    pub fn image(rows: &Rows) -> Vec<u8> {
        if rows.layout == Layout::Cmyk {
            // Without ink, paper is white.
            return Self::image(&inks_to_rgb(rows.clone()));
        }
        let (channels, colors) = (rows.layout.channels(), rows.layout.colors());
        for_samples!(&rows.samples, samples => image(samples, channels, colors))
    }

    /// Returns for each pixel whether it is counted and changed.
    pub(super) fn shown(&self) -> &[bool] {
        &self.shown
    }

    /// Returns the sample that is hidden on its own.
    pub(super) fn hidden<S: SampleType>(&self) -> Option<S> {
        self.sample?.sample()
    }

    /// Returns the level of samples that are hidden on their own.
    pub(super) fn hidden_level(&self, depth: Depth) -> Option<usize> {
        self.sample?.level(depth).map(|level| level as usize)
    }

    /// Returns the pixels that are not hidden, one after the other. In these, samples that are hidden on their own still have their
    /// value ([`Mask::hidden_level`]).
    pub(super) fn kept(&self, rows: &Rows) -> Rows {
        let samples = for_samples!(&rows.samples, samples => kept(&self.shown, samples, rows.layout.channels()).into());
        Rows { width: rows.width, layout: rows.layout, samples }
    }

    /// Restores what is hidden to its samples in `before`, or to its luma where colour became gray.
    ///
    /// # Panics
    /// Panics if the depth differs.
    pub(super) fn restore(&self, before: &Rows, after: &mut Rows) {
        const SAME: &str = "equalizing keeps the depth";
        self.restore_samples(before, after);
        let channels = (before.layout.channels(), after.layout.channels());
        let to_gray = before.layout.colors() != after.layout.colors();
        let inked = before.layout == Layout::Cmyk;
        match (&before.samples, &mut after.samples) {
            (Samples::U8(before), after) => {
                let after = u8::slice_mut(after).expect(SAME);
                let gray: fn(&[u8]) -> u8 = if inked { inks::luma } else { luma_of };
                restore(&self.shown, before, after, channels, to_gray.then_some(gray));
            }
            (Samples::U16(before), after) => {
                let after = u16::slice_mut(after).expect(SAME);
                let gray: fn(&[u16]) -> u16 = if inked { inks::luma } else { luma_of };
                restore(&self.shown, before, after, channels, to_gray.then_some(gray));
            }
            (before, after) => for_samples!(before, before => {
                let after = SampleType::slice_mut(after).expect(SAME);
                restore(&self.shown, before, after, channels, to_gray.then_some(ranged::luma));
            }),
        }
    }

    /// Restores the samples that are hidden on their own, and moves others away from their value. Colour doesn't become gray
    /// where channels are equalized apart.
    fn restore_samples(&self, before: &Rows, after: &mut Rows) {
        let Some(nodata) = self.sample else { return };
        let shape = (before.layout.channels(), before.layout.colors());
        to_own_levels(&mut after.samples, self.packed);
        for_samples!(&before.samples, before => {
            if let (Some(after), Some(value)) = (SampleType::slice_mut(&mut after.samples), nodata.sample()) {
                restore_samples(before, after, shape, (value, beside(value, self.packed)));
            }
        });
    }
}

/// Rounds the widened levels of packed samples to those that the file can have, so that they can be compared with one of these.
fn to_own_levels(samples: &mut Samples, packed: Option<Packed>) {
    if let (Samples::U16(samples), Some(packed)) = (samples, packed) {
        samples.iter_mut().for_each(|sample| *sample = packed.nearest(*sample));
    }
}

/// Returns the sample next to one: among the levels of the file if its samples are packed.
fn beside<S: SampleType>(sample: S, packed: Option<Packed>) -> S {
    let Some(packed) = packed.filter(|_| S::DEPTH == Depth::Sixteen) else { return sample.beside() };
    let own = packed.narrow(sample.value() as u16);
    S::nearest(packed.widen(if own == packed.highest() { own - 1 } else { own + 1 }).into())
}

fn image<S: Copy + Default + PartialEq>(samples: &[S], channels: usize, colors: usize) -> Vec<u8> {
    let some = |samples: &[S]| samples.iter().any(|sample| *sample != S::default());
    let shows = |pixel: &[S]| some(&pixel[..colors]) && (channels == colors || some(&pixel[colors..]));
    samples.chunks_exact(channels).map(|pixel| if shows(pixel) { 255 } else { 0 }).collect()
}

/// Hides the pixels whose colour samples all are nodata; or returns whether single samples are to be hidden, and there are any.
fn hide<S: SampleType>(
    shown: &mut [bool],
    samples: &[S],
    (channels, colors): (usize, usize),
    missing: NodataRule,
) -> bool {
    let Some(value) = missing.nodata.sample::<S>() else { return false };
    let mut pixels = samples.chunks_exact(channels);
    match missing.unit {
        Unit::Sample => pixels.any(|pixel| pixel[..colors].contains(&value)),
        Unit::Pixel => {
            for (shown, pixel) in shown.iter_mut().zip(pixels) {
                *shown &= !pixel[..colors].iter().all(|sample| *sample == value);
            }
            false
        }
    }
}

/// Returns the samples of the pixels that are shown.
pub(super) fn kept<S: Copy>(shown: &[bool], samples: &[S], channels: usize) -> Vec<S> {
    let pixels = shown.iter().zip(samples.chunks_exact(channels));
    pixels.filter(|(shown, _)| **shown).flat_map(|(_, pixel)| pixel).copied().collect()
}

/// Luma of a pixel with levels.
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
                // Alpha, if there is any, is the last sample.
                after[1..].copy_from_slice(&before[from + 1 - to..]);
            }
            None => after.copy_from_slice(before),
        }
    }
}

/// Restores the samples with this value in `before`; moves the others away from it, to the one `beside` it.
fn restore_samples<S: SampleType>(
    before: &[S],
    after: &mut [S],
    (channels, colors): (usize, usize),
    (value, beside): (S, S),
) {
    for (before, after) in before.chunks_exact(channels).zip(after.chunks_exact_mut(channels)) {
        for (before, after) in before[..colors].iter().zip(after) {
            match (*before == value, *after == value) {
                (true, _) => *after = value,
                (false, true) => *after = beside,
                (false, false) => {}
            }
        }
    }
}

impl NodataRule {
    /// Keeps valid pixels apart from nodata: one whose equalized colour samples all equal nodata (each sample that does, where
    /// channels are equalized apart) moves by the smallest step, upwards, or downwards from the greatest value. `rows` are
    /// already equalized, with `mask`.
    pub fn keep_apart(self, rows: &mut Rows, mask: Option<&Mask>) {
        if mask.is_some_and(|mask| mask.sample.is_some()) {
            // `Mask::restore` did, which knows the samples before.
            return;
        }
        let shape = (rows.layout.channels(), rows.layout.colors(), self.unit);
        let shown = mask.map(|mask| mask.shown.as_slice());
        to_own_levels(&mut rows.samples, self.packed);
        for_samples!(&mut rows.samples, samples => {
            if let Some(value) = self.nodata.sample() {
                keep_apart(samples, shown, shape, (value, beside(value, self.packed)));
            }
        });
    }
}

fn keep_apart<S: SampleType>(
    samples: &mut [S],
    shown: Option<&[bool]>,
    (channels, colors, unit): (usize, usize, Unit),
    (value, beside): (S, S),
) {
    for (i, pixel) in samples.chunks_exact_mut(channels).enumerate() {
        let (color, alpha) = pixel.split_at_mut(colors);
        if shown.is_some_and(|shown| !shown[i]) || alpha == [S::default()] {
            continue;
        }
        match unit {
            Unit::Pixel if color.iter().all(|sample| *sample == value) => color.fill(beside),
            Unit::Pixel => {}
            Unit::Sample => {
                color.iter_mut().filter(|sample| **sample == value).for_each(|sample| *sample = beside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::intensity::Intensity;
    use super::super::nodata::Nodata;
    use super::*;
    use crate::pixels::Layout;

    fn missing(value: f64, intensity: Intensity) -> Option<NodataRule> {
        Nodata::new(value).map(|nodata| NodataRule::new(nodata, intensity))
    }

    fn rows(layout: Layout, samples: &[u8]) -> Rows {
        let width = (samples.len() / layout.channels()) as u32;
        Rows { width, layout, samples: Samples::U8(samples.to_vec()) }
    }

    #[test]
    fn a_pixel_is_nodata_if_all_its_colours_are() {
        let nodata = missing(9.0, Intensity::Luma);
        let image = rows(Layout::Rgba, &[9, 9, 9, 255, 9, 9, 8, 255, 9, 9, 9, 0]);
        assert_eq!(Mask::of(&image, nodata, None).unwrap().shown(), [false, true, false]);
        assert_eq!(Mask::of(&rows(Layout::Gray, &[1, 2, 3]), nodata, None), None);
        assert_eq!(Mask::of(&rows(Layout::Gray, &[1, 2, 3]), missing(300.0, Intensity::Gray), None), None);
    }

    #[test]
    fn what_the_mask_image_hides_is_kept_as_it_was() {
        let image = rows(Layout::Gray, &[1, 2, 3]);
        let mask = Mask::of(&image, missing(3.0, Intensity::Gray), Some(&[255, 0, 1])).unwrap();
        assert_eq!(mask.shown(), [true, false, false]);
        assert_eq!(mask.kept(&image).samples, Samples::U8(vec![1]));
        let mut after = rows(Layout::Gray, &[101, 102, 103]);
        mask.restore(&image, &mut after);
        assert_eq!(after.samples, Samples::U8(vec![101, 2, 3]));
    }

    #[test]
    fn a_pixel_that_is_there_does_not_come_to_look_like_none() {
        let before = rows(Layout::Rgba, &[9, 9, 9, 255, 1, 1, 1, 255, 5, 5, 5, 0]);
        let mask = Mask::of(&before, missing(9.0, Intensity::Luma), None);
        let mut after = rows(Layout::Rgba, &[9, 9, 9, 255, 9, 9, 9, 255, 9, 9, 9, 0]);
        missing(9.0, Intensity::Luma).unwrap().keep_apart(&mut after, mask.as_ref());
        assert_eq!(after.samples, Samples::U8(vec![9, 9, 9, 255, 10, 10, 10, 255, 9, 9, 9, 0]));
        let mut gray = rows(Layout::Gray, &[254, 255]);
        missing(255.0, Intensity::Gray).unwrap().keep_apart(&mut gray, None);
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

    #[test]
    fn of_channels_that_are_equalized_apart_each_has_its_own_nodata() {
        let before = rows(Layout::Bands(2), &[9, 1, 2, 9, 9, 9, 4, 5]);
        let nodata = missing(9.0, Intensity::Bands(2));
        let mask = Mask::of(&before, nodata, Some(&[255, 255, 255, 0])).unwrap();
        assert_eq!(mask.shown(), [true, true, true, false]);
        let kept = Samples::U8(vec![9, 1, 2, 9, 9, 9]);
        assert_eq!((mask.hidden_level(Depth::Eight), mask.kept(&before).samples), (Some(9), kept));
        let mut after = rows(Layout::Bands(2), &[100, 9, 101, 102, 103, 104, 9, 105]);
        mask.restore(&before, &mut after);
        nodata.unwrap().keep_apart(&mut after, Some(&mask));
        assert_eq!(after, rows(Layout::Bands(2), &[9, 10, 101, 9, 9, 9, 4, 5]));
        let mut valid = rows(Layout::Rgba, &[9, 8, 9, 1, 9, 8, 9, 0]);
        missing(9.0, Intensity::Channels).unwrap().keep_apart(&mut valid, None);
        assert_eq!(valid, rows(Layout::Rgba, &[10, 8, 10, 1, 9, 8, 9, 0]));
    }

    #[test]
    fn packed_samples_stay_apart_from_nodata_in_their_own_levels() {
        let packed = Packed::new(12);
        let wide = |levels: &[u16]| {
            let samples = levels.iter().map(|level| packed.unwrap().widen(*level)).collect();
            Rows { width: 2, layout: Layout::Bands(2), samples: Samples::U16(samples) }
        };
        let rule = |value: u16, intensity| {
            let nodata = Nodata::new(packed.unwrap().widen(value).into()).unwrap();
            NodataRule::new(nodata, intensity).of_packed(packed)
        };
        let before = wide(&[7, 1, 2, 7]);
        let mask = Mask::of(&before, Some(rule(7, Intensity::Bands(2))), None).unwrap();
        // 120 of 16 bits is 7 of 12, as is 112, which 7 is widened to.
        let mut after = Rows { samples: Samples::U16(vec![9, 120, 112, 9]), ..before.clone() };
        mask.restore(&before, &mut after);
        assert_eq!(after, wide(&[7, 8, 8, 7]));
        let mut gray = Rows { width: 2, layout: Layout::Gray, samples: Samples::U16(vec![65_530, 65_000]) };
        rule(4_095, Intensity::Gray).keep_apart(&mut gray, None);
        assert_eq!(gray.samples, Samples::U16(vec![packed.unwrap().widen(4_094), packed.unwrap().widen(4_062)]));
    }
}
