//! Kernel for WebAssembly's 128-bit vectors (WebAssembly 2.0; every browser since 2023). Chosen at compile time: a
//! module either uses them or doesn't.

mod luma;
mod shift;

use super::super::engine::Engine;
use super::super::sample::{Corners, Le16, Sample};
use super::super::scalar;

/// Engine for 128-bit vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) struct Simd128;

impl Engine<u8> for Simd128 {
    fn luma<const C: usize>(self, pixels: &[u8], values: &mut [u8]) {
        luma::luma_u8::<C>(pixels, values);
    }
    fn value<const C: usize>(self, pixels: &[u8], values: &mut [u8]) {
        value::<u8, C>(pixels, values);
    }
    fn blend(self, corners: &[&[u8; 256]; 4], down: f32, across: &[f32], values: &mut [u8]) {
        blend::<u8>(corners, down, across, values);
    }
    fn shift<const C: usize>(self, pixels: &mut [u8], from: &[u8], to: &[u8]) {
        shift::shift_u8::<C>(pixels, from, to);
    }
}

impl Engine<Le16> for Simd128 {
    fn luma<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) {
        luma::<Le16, C>(pixels, values);
    }
    fn value<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) {
        value::<Le16, C>(pixels, values);
    }
    fn blend(self, corners: &Corners<'_>, down: f32, across: &[f32], values: &mut [Le16]) {
        blend::<Le16>(corners, down, across, values);
    }
    fn shift<const C: usize>(self, pixels: &mut [Le16], from: &[Le16], to: &[Le16]) {
        shift::<Le16, C>(pixels, from, to);
    }
}

// The plain loops, compiled with vectors so that they are auto-vectorized.

#[target_feature(enable = "simd128")]
fn luma<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) {
    scalar::luma::<S, C>(pixels, values);
}

#[target_feature(enable = "simd128")]
fn value<S: Sample, const C: usize>(pixels: &[S], values: &mut [S]) {
    scalar::value::<S, C>(pixels, values);
}

#[target_feature(enable = "simd128")]
fn shift<S: Sample, const C: usize>(pixels: &mut [S], from: &[S], to: &[S]) {
    scalar::shift::<S, C>(pixels, from, to);
}

#[target_feature(enable = "simd128")]
fn blend<S: Sample>(corners: &S::Corners<'_>, down: f32, across: &[f32], values: &mut [S]) {
    scalar::blend::<S>(corners, down, across, values);
}
