//! The loops over pixels, for each kind of machine.
//!
//! The folder is the architecture, the file the algorithm. [`scalar`] is plain Rust for every machine, and the oracle:
//! `tests` runs every kernel that the machine has against it. All of them use integers only (CLAHE's interpolation
//! and Oklab excepted, whose f32 operations have one fixed order), so that none may differ from another by a single bit.
//!
//! An [`Engine`] is a set of loops over a block that fits the first-level cache; [`fused`] strings them together, so
//! that memory is read once, whatever has to be done to a pixel. A [`Kernel`] is the choice of an engine.
//!
//! This folder is the only place of `unsafe` code. There are three kinds of it: calling a function that needs certain
//! vector instructions (the engine's value is the proof that the machine has them), loads and stores of whole vectors,
//! and reinterpreting 16-bit samples as bytes.

pub(super) mod fused;
pub(super) mod sample;
pub(super) mod scalar;
#[cfg(test)]
mod tests;
#[cfg(target_feature = "simd128")]
mod wasm32;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::sync::OnceLock;

use sample::Sample;
use scalar::Scalar;

/// The loops over a block of pixels of `C` samples each. What isn't overridden is [`scalar`]'s.
///
/// `pixels` has `C` samples for each of the `values`, `from` or `to`; pixels without all of their samples are left
/// alone.
pub(super) trait Engine<S: Sample>: Copy {
    /// Y of each RGB(A) pixel.
    fn luma<const C: usize>(self, pixels: &[S], values: &mut [S]) {
        scalar::luma::<S, C>(pixels, values);
    }
    /// V of each RGB(A) pixel.
    fn value<const C: usize>(self, pixels: &[S], values: &mut [S]) {
        scalar::value::<S, C>(pixels, values);
    }
    /// L of Oklab of each RGB(A) pixel.
    fn lightness<const C: usize>(self, pixels: &[S], values: &mut [S]) {
        scalar::lightness::<S, C>(pixels, values);
    }
    /// One sample of each pixel; `index` is below `C`.
    fn plane<const C: usize>(self, pixels: &[S], index: usize, values: &mut [S]) {
        scalar::plane::<S, C>(pixels, index, values);
    }
    /// Replaces one sample of each visible pixel; `index` is below `C`.
    fn put<const C: usize>(self, pixels: &mut [S], index: usize, values: &[S]) {
        scalar::put::<S, C>(pixels, index, values);
    }
    /// Sets the value of each fully transparent pixel to 0, and says how many there are. `C` is even.
    fn hide<const C: usize>(self, pixels: &[S], values: &mut [S]) -> usize {
        scalar::hide::<S, C>(pixels, values)
    }
    /// Adds how often each value occurs to as many bins as there are levels.
    fn tally(self, values: &[S], bins: &mut [u64]) {
        S::tally(values, bins);
    }
    /// Looks up each colour sample of every visible pixel; gray ones in the first table.
    fn look_up<const C: usize>(self, tables: [&S::Table; 3], pixels: &mut [S]) {
        scalar::look_up::<S, C>(tables, pixels);
    }
    /// As `look_up::<1>`, from one place to another of the same length.
    fn look_up_into(self, table: &S::Table, from: &[S], to: &mut [S]) {
        for (from, to) in from.chunks(fused::MOST).zip(to.chunks_mut(fused::MOST)) {
            to.copy_from_slice(from);
            self.look_up::<1>([table; 3], to);
        }
    }
    /// Replaces each value by what lies between the entries for it in four tables (top left, top right, bottom left,
    /// bottom right), for each value `across` from left to right, and `down` from top to bottom.
    fn blend(self, corners: &S::Corners<'_>, down: f32, across: &[f32], values: &mut [S]) {
        scalar::blend::<S>(corners, down, across, values);
    }
    /// Adds `to − from` to the colours of every visible RGB(A) pixel, and clamps.
    fn shift<const C: usize>(self, pixels: &mut [S], from: &[S], to: &[S]) {
        scalar::shift::<S, C>(pixels, from, to);
    }
    /// Moves L of Oklab of every visible RGB(A) pixel from `from` to `to`.
    fn relight<const C: usize>(self, pixels: &mut [S], from: &[S], to: &[S]) {
        scalar::relight::<S, C>(pixels, from, to);
    }
    /// Scales the colours of every visible RGB(A) pixel by `to / from`, where `from` is its largest colour.
    fn scale<const C: usize>(self, pixels: &mut [S], from: &[S], to: &[S]) {
        scalar::scale::<S, C>(pixels, from, to);
    }
}

/// How this machine does the loops over pixels: plain code, or with vector instructions. The result is always the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel(Kind);

/// Values of the inner types exist only on machines that have the instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Scalar(Scalar),
    #[cfg(target_arch = "x86_64")]
    Avx2(x86_64::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86_64::Avx512),
    #[cfg(target_feature = "simd128")]
    Simd128(wasm32::Simd128),
}

impl Kernel {
    /// Plain code, which every machine runs.
    pub const SCALAR: Kernel = Kernel(Kind::Scalar(Scalar));

    /// The fastest that this machine has, found out once.
    pub fn best() -> Kernel {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Kernel::available().pop().unwrap_or(Kernel::SCALAR))
    }

    /// All that this machine has, the slowest first.
    pub fn available() -> Vec<Kernel> {
        let kinds = [
            Some(Kind::Scalar(Scalar)),
            #[cfg(target_arch = "x86_64")]
            x86_64::Avx2::detect().map(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            x86_64::Avx512::detect().map(Kind::Avx512),
            #[cfg(target_feature = "simd128")]
            Some(Kind::Simd128(wasm32::Simd128)),
        ];
        kinds.into_iter().flatten().map(Kernel).collect()
    }

    /// Its name: that of the instructions it uses.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar(_) => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512(_) => "avx512",
            #[cfg(target_feature = "simd128")]
            Kind::Simd128(_) => "simd128",
        }
    }

    pub(super) const fn kind(self) -> Kind {
        self.0
    }
}

/// Evaluates an expression with the engine of a kernel: `with_engine!(kernel, engine => expression)`.
macro_rules! with_engine {
    ($kernel:expr, $engine:ident => $body:expr) => {
        match $kernel.kind() {
            $crate::equalize::kernel::Kind::Scalar($engine) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::equalize::kernel::Kind::Avx2($engine) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::equalize::kernel::Kind::Avx512($engine) => $body,
            #[cfg(target_feature = "simd128")]
            $crate::equalize::kernel::Kind::Simd128($engine) => $body,
        }
    };
}
pub(super) use with_engine;
