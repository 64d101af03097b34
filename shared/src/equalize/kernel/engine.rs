//! Engine: the set of loops over a block of pixels that each kernel implements, and its plain implementation.

use super::sample::Sample;
use super::scalar;
use crate::equalize::lightness::Lightness;

/// Highest number of pixels in a block.
pub(in super::super) const MAX_BLOCK_PIXELS: usize = 4096;

/// Loops over a block of pixels with `C` samples each. The defaults are those of [`scalar`].
///
/// `pixels` has `C` samples for each element of `values`, `from` or `to`; an incomplete last pixel is left unchanged.
pub(in super::super) trait Engine<S: Sample>: Copy {
    /// Computes Y of each RGB(A) pixel.
    fn luma<const C: usize>(self, pixels: &[S], values: &mut [S]) {
        scalar::luma::<S, C>(pixels, values);
    }
    /// Computes V of each RGB(A) pixel.
    fn value<const C: usize>(self, pixels: &[S], values: &mut [S]) {
        scalar::value::<S, C>(pixels, values);
    }
    /// Computes the lightness of each RGB(A) pixel.
    fn lightness<const C: usize>(self, space: Lightness, pixels: &[S], values: &mut [S]) {
        scalar::lightness::<S, C>(space, pixels, values);
    }
    /// Extracts one sample of each pixel; `index` is below `C`.
    fn plane<const C: usize>(self, pixels: &[S], index: usize, values: &mut [S]) {
        scalar::plane::<S, C>(pixels, index, values);
    }
    /// Replaces one sample of each visible pixel; `index` is below `C`.
    fn put<const C: usize>(self, pixels: &mut [S], index: usize, values: &[S]) {
        scalar::put::<S, C>(pixels, index, values);
    }
    /// Sets the value of each fully transparent pixel to 0, and returns the number of such pixels. `C` is even.
    fn hide<const C: usize>(self, pixels: &[S], values: &mut [S]) -> usize {
        scalar::hide::<S, C>(pixels, values)
    }
    /// Adds the counts of each value to `bins`, of which there are as many as levels.
    fn tally(self, values: &[S], bins: &mut [u64]) {
        S::tally(values, bins);
    }
    /// Looks up each colour sample of every visible pixel; gray samples in the first table.
    fn look_up<const C: usize>(self, tables: [&S::Table; 3], pixels: &mut [S]) {
        scalar::look_up::<S, C>(tables, pixels);
    }
    /// As `look_up::<1>`, from `from` to `to`, which have the same length.
    fn look_up_into(self, table: &S::Table, from: &[S], to: &mut [S]) {
        for (from, to) in from.chunks(MAX_BLOCK_PIXELS).zip(to.chunks_mut(MAX_BLOCK_PIXELS)) {
            to.copy_from_slice(from);
            self.look_up::<1>([table; 3], to);
        }
    }
    /// Replaces each value by interpolating bilinearly between its entries in four tables (top left, top right, bottom
    /// left, bottom right), at the position `across` (one for each value) from left to right and `down` from top to
    /// bottom.
    fn blend(self, corners: &S::Corners<'_>, down: f32, across: &[f32], values: &mut [S]) {
        scalar::blend::<S>(corners, down, across, values);
    }
    /// Adds `to − from` to the colours of every visible RGB(A) pixel, clamped.
    fn shift<const C: usize>(self, pixels: &mut [S], from: &[S], to: &[S]) {
        scalar::shift::<S, C>(pixels, from, to);
    }
    /// Moves the lightness of every visible RGB(A) pixel from `from` to `to`.
    fn relight<const C: usize>(self, space: Lightness, pixels: &mut [S], from: &[S], to: &[S]) {
        scalar::relight::<S, C>(space, pixels, from, to);
    }
    /// Scales the colours of every visible RGB(A) pixel by `to / from`, where `from` is its largest colour sample.
    fn scale<const C: usize>(self, pixels: &mut [S], from: &[S], to: &[S]) {
        scalar::scale::<S, C>(pixels, from, to);
    }
}

/// Engine for every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Scalar;

impl<S: Sample> Engine<S> for Scalar {}
