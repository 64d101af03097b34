//! The loops over pixels. `scalar` is plain Rust for every machine, and the oracle for faster kernels.

pub(super) mod scalar;

/// A sample as the kernels see it: 8 or 16 bits.
pub(super) trait Sample: Copy + Ord + Default + 'static {
    /// How many values there are: 256 or 65,536.
    const LEVELS: usize;
    /// One entry for each value, so that indexing by a sample can't be out of bounds.
    type Table;

    /// The value as 32 bits.
    fn wide(self) -> u32;
    /// The inverse of [`Sample::wide`]; `value` is below [`Sample::LEVELS`].
    fn narrow(value: u32) -> Self;
    /// The sum, or the largest value.
    fn saturating_add(self, other: Self) -> Self;
    /// The difference, or 0.
    fn saturating_sub(self, other: Self) -> Self;
    /// A slice of [`Sample::LEVELS`] entries as a table; `None` for any other length.
    fn table(entries: &[Self]) -> Option<&Self::Table>;
    /// The entry for this sample.
    fn look_up(self, table: &Self::Table) -> Self;
    /// Adds the values of pixels with `C` samples to the `P` histograms that lie in `bins` one after the other.
    /// Pixels whose alpha is 0 are left out.
    fn count<const C: usize, const P: usize>(
        samples: &[Self],
        values: impl Fn(&[Self; C]) -> [Self; P],
        bins: &mut [u64],
    );
}

impl Sample for u8 {
    const LEVELS: usize = 256;
    type Table = [u8; 256];

    #[inline(always)]
    fn wide(self) -> u32 {
        u32::from(self)
    }
    #[inline(always)]
    fn narrow(value: u32) -> Self {
        value as u8
    }
    #[inline(always)]
    fn saturating_add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
    fn table(entries: &[u8]) -> Option<&[u8; 256]> {
        entries.try_into().ok()
    }
    #[inline(always)]
    fn look_up(self, table: &[u8; 256]) -> u8 {
        table[usize::from(self)]
    }
    fn count<const C: usize, const P: usize>(samples: &[u8], values: impl Fn(&[u8; C]) -> [u8; P], bins: &mut [u64]) {
        scalar::count_u8(samples, values, bins);
    }
}

impl Sample for u16 {
    const LEVELS: usize = 65_536;
    type Table = [u16; 65_536];

    #[inline(always)]
    fn wide(self) -> u32 {
        u32::from(self)
    }
    #[inline(always)]
    fn narrow(value: u32) -> Self {
        value as u16
    }
    #[inline(always)]
    fn saturating_add(self, other: Self) -> Self {
        self.saturating_add(other)
    }
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
    fn table(entries: &[u16]) -> Option<&[u16; 65_536]> {
        entries.try_into().ok()
    }
    #[inline(always)]
    fn look_up(self, table: &[u16; 65_536]) -> u16 {
        table[usize::from(self)]
    }
    fn count<const C: usize, const P: usize>(
        samples: &[u16],
        values: impl Fn(&[u16; C]) -> [u16; P],
        bins: &mut [u64],
    ) {
        scalar::count_u16(samples, values, bins);
    }
}
