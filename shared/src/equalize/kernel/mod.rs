//! Kernels: the loops over pixels, one implementation per architecture.
//!
//! Folders are named after the architecture, files after the algorithm. [`scalar`] is plain Rust for every machine, and
//! the oracle: `tests` compares every kernel that the machine supports with it. All of them use integers only (except
//! for CLAHE's interpolation and Oklab, whose f32 operations have a fixed order), so that no two may differ in a single
//! bit.
//!
//! An [`Engine`] is a set of loops over a block that fits the first-level cache; [`fused`] chains them, so that memory
//! is read only once, whatever is done to a pixel. A [`Kernel`] is the choice of an engine.
//!
//! Only this folder contains `unsafe` code, of three kinds: calls to functions that need certain vector instructions (a
//! value of the engine's type proves that the machine has them), loads and stores of whole vectors, and reinterpreting
//! 16-bit samples as bytes.

pub(super) mod engine;
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

pub(super) use engine::{Engine, Scalar};

/// Implementation of the loops over pixels: plain code or vector instructions. The results are identical.
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
    /// Plain code, which runs on every machine.
    pub const SCALAR: Kernel = Kernel(Kind::Scalar(Scalar));

    /// Returns the fastest kernel that this machine supports, detected once.
    pub fn best() -> Kernel {
        static BEST: OnceLock<Kernel> = OnceLock::new();
        *BEST.get_or_init(|| Kernel::available().pop().unwrap_or(Kernel::SCALAR))
    }

    /// Returns all kernels that this machine supports, the slowest first.
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

    /// Returns the kernel's name: that of its instruction set, or `scalar`.
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
