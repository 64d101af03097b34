//! Kernels for WebAssembly.

mod simd128;

pub(in super::super) use simd128::Simd128;
