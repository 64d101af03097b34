//! Arithmetic: the version of the formulas, where they changed for recipes that existed before.

/// Version of the formulas. A job keeps the one of the master that planned it ([`ALGO`](crate::job::ALGO)), however long it
/// waits and whichever pods run it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arithmetic {
    /// Of jobs up to version 9: CLAHE of 16 bits has a bin for each level, as OpenCV's; tiles without pixels to count have
    /// the identity; colours that Oklab moves out of sRGB are clamped; nodata is a whole pixel's, also of bands.
    Nine,
    /// Of jobs of version 10: the range of floating-point samples is from the least to the greatest, however far away from the others
    /// these are; at a strength of 0 they may differ in the last bits. CLAHE's tiles without pixels to count have the mean of their
    /// neighbours' tables.
    Ten,
    /// The present one.
    #[default]
    Eleven,
}

impl Arithmetic {
    /// Returns the arithmetic of a job of this version.
    pub const fn of(algo: u32) -> Self {
        match algo {
            ..10 => Self::Nine,
            10 => Self::Ten,
            11.. => Self::Eleven,
        }
    }
}
