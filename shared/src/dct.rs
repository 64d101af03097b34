//! Constants of the 8-point DCT and of its inverse in integers, as libjpeg has them (`jfdctint.c`, `jidctint.c`).
//!
//! C. Loeffler, A. Ligtenberg, G. Moschytz: Practical fast 1-D DCT algorithms with 11 multiplications (ICASSP 1989).

/// Fraction bits of the constants.
pub const FRACTION: u32 = 13;
/// Fraction bits that the first pass keeps for the second.
pub const KEPT: u32 = 2;

/// 0.298 × 2¹³.
pub const C0_298: i32 = 2_446;
/// 0.390 × 2¹³.
pub const C0_390: i32 = 3_196;
/// 0.541 × 2¹³.
pub const C0_541: i32 = 4_433;
/// 0.765 × 2¹³.
pub const C0_765: i32 = 6_270;
/// 0.899 × 2¹³.
pub const C0_899: i32 = 7_373;
/// 1.175 × 2¹³.
pub const C1_175: i32 = 9_633;
/// 1.501 × 2¹³.
pub const C1_501: i32 = 12_299;
/// 1.847 × 2¹³.
pub const C1_847: i32 = 15_137;
/// 1.961 × 2¹³.
pub const C1_961: i32 = 16_069;
/// 2.053 × 2¹³.
pub const C2_053: i32 = 16_819;
/// 2.562 × 2¹³.
pub const C2_562: i32 = 20_995;
/// 3.072 × 2¹³.
pub const C3_072: i32 = 25_172;
