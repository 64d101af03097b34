//! Kernels for x86-64.

mod avx2;
mod avx512;

pub(in super::super) use avx2::Avx2;
pub(in super::super) use avx512::Avx512;
