//! Kernel for 512-bit vectors with byte permutes (AVX-512 VBMI): Intel since Ice Lake (2019), AMD since Zen 4 (2022).

mod blend;
mod intensity;
mod look_up;
mod shift;
mod tally;

use super::super::engine::Engine;
use super::super::sample::{Corners, Le16};

/// Engine for AVX-512. A value of this type proves that the machine has AVX-512 F, BW, VBMI, VPOPCNTDQ and GFNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super::super) struct Avx512(());

impl Avx512 {
    /// Returns the engine if this machine has the instructions.
    pub(in super::super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("gfni");
        has.then_some(Self(()))
    }
}

// SAFETY of every call here: the functions need instructions that `detect` checked for before it created `self`.
#[allow(unsafe_code)]
impl Engine<u8> for Avx512 {
    fn luma<const C: usize>(self, pixels: &[u8], values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { intensity::luma_u8::<C>(pixels, values) }
    }
    fn value<const C: usize>(self, pixels: &[u8], values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { intensity::value_u8::<C>(pixels, values) }
    }
    fn plane<const C: usize>(self, pixels: &[u8], index: usize, values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { intensity::plane_u8::<C>(pixels, index, values) }
    }
    fn hide<const C: usize>(self, pixels: &[u8], values: &mut [u8]) -> usize {
        // SAFETY: see above.
        unsafe { intensity::hide::<u8, C>(pixels, values) }
    }
    fn tally(self, values: &[u8], bins: &mut [u64]) {
        // SAFETY: see above.
        unsafe { tally::tally(values, bins) }
    }
    fn look_up<const C: usize>(self, tables: [&[u8; 256]; 3], pixels: &mut [u8]) {
        // SAFETY: see above.
        unsafe { look_up::look_up::<C>(tables, pixels) }
    }
    fn look_up_into(self, table: &[u8; 256], from: &[u8], to: &mut [u8]) {
        // SAFETY: see above.
        unsafe { look_up::look_up_into(table, from, to) }
    }
    fn blend(self, corners: &[&[u8; 256]; 4], down: f32, across: &[f32], values: &mut [u8]) {
        // SAFETY: see above.
        unsafe { blend::blend_u8(corners, down, across, values) }
    }
    fn shift<const C: usize>(self, pixels: &mut [u8], from: &[u8], to: &[u8]) {
        // SAFETY: see above.
        unsafe { shift::shift_u8::<C>(pixels, from, to) }
    }
}

#[allow(unsafe_code)]
impl Engine<Le16> for Avx512 {
    fn luma<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) {
        // SAFETY: see above.
        unsafe { intensity::luma_u16::<C>(pixels, values) }
    }
    fn value<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) {
        // SAFETY: see above.
        unsafe { intensity::value_u16::<C>(pixels, values) }
    }
    fn hide<const C: usize>(self, pixels: &[Le16], values: &mut [Le16]) -> usize {
        // SAFETY: see above.
        unsafe { intensity::hide::<Le16, C>(pixels, values) }
    }
    fn blend(self, corners: &Corners<'_>, down: f32, across: &[f32], values: &mut [Le16]) {
        // SAFETY: see above.
        unsafe { blend::blend_u16(corners, down, across, values) }
    }
    fn shift<const C: usize>(self, pixels: &mut [Le16], from: &[Le16], to: &[Le16]) {
        // SAFETY: see above.
        unsafe { shift::shift_u16::<C>(pixels, from, to) }
    }
}
