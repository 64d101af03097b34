//! Kernel for 256-bit vectors (AVX2): Intel since Haswell (2013), AMD since Excavator (2015).

mod luma;
mod shift;
mod table;

use super::super::engine::Engine;
use super::super::sample::{Corners, Le16, Sample};
use super::super::scalar;

/// Engine for AVX2. A value of this type proves that the machine has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) struct Avx2(());

impl Avx2 {
    /// Returns the engine if this machine has the instructions.
    pub(in super::super) fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

// SAFETY of every call here: the functions need AVX2, and `self` exists only if `detect` found it.
#[allow(unsafe_code)]
impl Engine<u8> for Avx2 {
    fn luma<const C: usize>(self, pixels: &[u8], values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { luma::luma_u8::<C>(pixels, values) }
    }
    fn value<const C: usize>(self, pixels: &[u8], values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { value::<u8, C>(pixels, values) }
    }
    fn hide<const C: usize>(self, pixels: &[u8], values: &mut [u8]) -> usize {
        // SAFETY: see above.
        unsafe { hide::<u8, C>(pixels, values) }
    }
    fn look_up<const C: usize>(self, tables: [&[u8; 256]; 3], pixels: &mut [u8]) {
        match C {
            // SAFETY: see above.
            1 => unsafe { table::look_up(tables[0], pixels) },
            _ => scalar::look_up::<u8, C>(tables, pixels),
        }
    }
    fn blend(self, corners: &[&[u8; 256]; 4], down: f32, across: &[f32], values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { blend::<u8>(corners, down, across, values) }
    }
    fn shift<const C: usize>(self, pixels: &mut [u8], from: &[u8], to: &[u8]) {
        // SAFETY: see above.
        unsafe { shift::shift_u8::<C>(pixels, from, to) }
    }
}

#[allow(unsafe_code)]
impl Engine<Le16> for Avx2 {
    fn luma<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) {
        // SAFETY: see above.
        unsafe { luma::<Le16, C>(pixels, values) }
    }
    fn value<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) {
        // SAFETY: see above.
        unsafe { value::<Le16, C>(pixels, values) }
    }
    fn hide<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) -> usize {
        // SAFETY: see above.
        unsafe { hide::<Le16, C>(pixels, values) }
    }
    fn blend(self, corners: &Corners<'_>, down: f32, across: &[f32], values: &mut [Le16]) {
        // SAFETY: see above.
        unsafe { blend::<Le16>(corners, down, across, values) }
    }
    fn shift<const C: usize>(self, pixels: &mut [Le16], from: &[Le16], to: &[Le16]) {
        // SAFETY: see above.
        unsafe { shift::<Le16, C>(pixels, from, to) }
    }
}

// The plain loops, compiled with AVX2 so that they are auto-vectorized.

#[target_feature(enable = "avx2")]
fn luma<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) {
    scalar::luma::<S, C>(pixels, values);
}

#[target_feature(enable = "avx2")]
fn value<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) {
    scalar::value::<S, C>(pixels, values);
}

#[target_feature(enable = "avx2")]
fn hide<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) -> usize {
    scalar::hide::<S, C>(pixels, values)
}

#[target_feature(enable = "avx2")]
fn shift<S: Sample, const C: usize>(pixels: &mut [S], from: &[S], to: &[S]) {
    scalar::shift::<S, C>(pixels, from, to);
}

#[target_feature(enable = "avx2")]
fn blend<S: Sample>(corners: &S::Corners<'_>, down: f32, across: &[f32], values: &mut [S]) {
    scalar::blend::<S>(corners, down, across, values);
}
