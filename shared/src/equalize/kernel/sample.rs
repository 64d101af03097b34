//! Sample types of the kernels.

/// 16-bit sample in the store's form: two bytes, little-endian, unaligned.
pub(in super::super) type Le16 = [u8; 2];

/// Integer sample of 8 or 16 bits.
///
/// Vector kernels are written for `u8` and [`Le16`]; `u16` has the machine's byte order.
pub(in super::super) trait Sample: Copy + Default + PartialEq + std::fmt::Debug + 'static {
    /// Bits per sample.
    const BITS: u32;
    /// Number of levels: 256 or 65,536.
    const LEVELS: usize = 1 << Self::BITS;
    /// Entry of a table: an integer in the machine's byte order.
    type Entry: Copy + Default;
    /// Table with one entry for each level, so that indexing by a sample can't be out of bounds.
    type Table;

    /// Converts the sample to 32 bits.
    fn wide(self) -> u32;
    /// The inverse of [`Sample::wide`]; `value` must be below [`Sample::LEVELS`].
    fn narrow(value: u32) -> Self;
    /// Converts a level to an entry of a table.
    fn entry(value: u32) -> Self::Entry;
    /// Converts a slice of [`Sample::LEVELS`] entries to a table; returns `None` for any other length.
    fn table(entries: &[Self::Entry]) -> Option<&Self::Table>;
    /// Returns the table's entry for this sample.
    fn look_up(self, table: &Self::Table) -> Self;
    /// Adds the counts of each value to [`Sample::LEVELS`] bins.
    fn tally(values: &[Self], bins: &mut [u64]);
    /// Four tables to interpolate between.
    type Corners<'a>;
    /// Prepares the tables (top left, top right, bottom left, bottom right) in the form that is fastest for this number
    /// of values.
    fn corners<'a>(tables: [&'a Self::Table; 4], values: usize) -> Self::Corners<'a>;
    /// Looks up each value in the four tables and packs the entries, 16 bits each, the first one lowest. Both slices
    /// have the same length.
    fn look_up_corners(corners: &Self::Corners<'_>, values: &[Self], entries: &mut [u64]);

    /// Returns the sum, or the highest level if it overflows.
    #[inline(always)]
    fn saturating_add(self, other: Self) -> Self {
        Self::narrow((self.wide() + other.wide()).min(Self::LEVELS as u32 - 1))
    }
    /// Returns the difference, or 0 if it is negative.
    #[inline(always)]
    fn saturating_sub(self, other: Self) -> Self {
        Self::narrow(self.wide().saturating_sub(other.wide()))
    }
}

impl Sample for u8 {
    const BITS: u32 = 8;
    type Entry = u8;
    type Table = [u8; 256];

    #[inline(always)]
    fn wide(self) -> u32 {
        u32::from(self)
    }
    #[inline(always)]
    fn narrow(value: u32) -> Self {
        value as u8
    }
    fn entry(value: u32) -> u8 {
        value as u8
    }
    fn table(entries: &[u8]) -> Option<&[u8; 256]> {
        entries.try_into().ok()
    }
    #[inline(always)]
    fn look_up(self, table: &[u8; 256]) -> u8 {
        table[usize::from(self)]
    }
    fn tally(values: &[u8], bins: &mut [u64]) {
        tally_u8(values, bins);
    }
    type Corners<'a> = [&'a [u8; 256]; 4];
    fn corners<'a>(tables: [&'a [u8; 256]; 4], _: usize) -> Self::Corners<'a> {
        tables
    }
    #[inline(always)]
    fn look_up_corners(corners: &Self::Corners<'_>, values: &[u8], entries: &mut [u64]) {
        for (value, entries) in values.iter().zip(entries) {
            *entries = packed(corners.map(|table| u16::from(table[usize::from(*value)])));
        }
    }
    // The standard methods compile to single vector instructions, unlike the default ones.
    #[inline(always)]
    fn saturating_add(self, other: u8) -> u8 {
        u8::saturating_add(self, other)
    }
    #[inline(always)]
    fn saturating_sub(self, other: u8) -> u8 {
        u8::saturating_sub(self, other)
    }
}

/// Adds the counts of each value to 256 bins.
///
/// Neighbours often have the same value, and an increment depends on the previous one of the same bin. So values go to
/// four tables in turn, which are added at the end.
pub(super) fn tally_u8(values: &[u8], bins: &mut [u64]) {
    const TABLES: usize = 4;
    // Within this many values, no 32-bit bin overflows.
    const MOST: usize = 1 << 31;

    for values in values.chunks(MOST) {
        let mut tables = [[0u32; 256]; TABLES];
        let (groups, rest) = values.as_chunks::<TABLES>();
        for group in groups {
            for (table, value) in tables.iter_mut().zip(group) {
                table[usize::from(*value)] += 1;
            }
        }
        for value in rest {
            tables[0][usize::from(*value)] += 1;
        }
        for (value, bin) in bins.iter_mut().enumerate().take(256) {
            *bin += tables.iter().map(|table| u64::from(table[value])).sum::<u64>();
        }
    }
}

/// Adds the counts of each value to 65,536 bins.
///
/// One table only: at half a megabyte, a second one would cost more in cache misses than it saves in waiting.
fn tally_u16<S: Sample>(values: &[S], bins: &mut [u64]) {
    let Some(bins) = bins.first_chunk_mut::<65_536>() else { return };
    for value in values {
        bins[(value.wide() & 0xffff) as usize] += 1;
    }
}

/// Four tables of 16-bit samples.
pub(in super::super) enum Corners<'a> {
    /// Separate tables.
    Apart([&'a [u16; 65_536]; 4]),
    /// Interleaved tables, with the four entries of a level side by side: one cache miss per value instead of four.
    Together(Box<[u64; 65_536]>),
}

impl<'a> Corners<'a> {
    /// Lowest number of values for which interleaving the tables pays off.
    const WORTH: usize = 32_768;

    fn new(tables: [&'a [u16; 65_536]; 4], values: usize) -> Self {
        if values < Self::WORTH {
            return Self::Apart(tables);
        }
        let all: Vec<u64> = (0..65_536).map(|level| packed(tables.map(|table| table[level]))).collect();
        Self::Together(all.try_into().expect("as many as there are levels"))
    }
}

#[inline(always)]
fn packed([a, b, c, d]: [u16; 4]) -> u64 {
    u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48
}

/// Implements [`Sample`] for a 16-bit type; the two differ only in their conversion from and to `u16`.
macro_rules! sixteen_bits {
    ($sample:ty, $from:path, $into:path) => {
        impl Sample for $sample {
            const BITS: u32 = 16;
            type Entry = u16;
            type Table = [u16; 65_536];

            #[inline(always)]
            fn wide(self) -> u32 {
                u32::from($from(self))
            }
            #[inline(always)]
            fn narrow(value: u32) -> Self {
                $into(value as u16)
            }
            fn entry(value: u32) -> u16 {
                value as u16
            }
            fn table(entries: &[u16]) -> Option<&[u16; 65_536]> {
                entries.try_into().ok()
            }
            #[inline(always)]
            fn look_up(self, table: &[u16; 65_536]) -> Self {
                $into(table[usize::from($from(self))])
            }
            fn tally(values: &[Self], bins: &mut [u64]) {
                tally_u16(values, bins);
            }
            type Corners<'a> = Corners<'a>;
            fn corners<'a>(tables: [&'a [u16; 65_536]; 4], values: usize) -> Corners<'a> {
                Corners::new(tables, values)
            }
            #[inline(always)]
            fn look_up_corners(corners: &Corners<'_>, values: &[Self], entries: &mut [u64]) {
                match corners {
                    Corners::Apart(tables) => {
                        for (value, entries) in values.iter().zip(entries) {
                            *entries = packed(tables.map(|table| table[usize::from($from(*value))]));
                        }
                    }
                    Corners::Together(all) => {
                        for (value, entries) in values.iter().zip(entries) {
                            *entries = all[usize::from($from(*value))];
                        }
                    }
                }
            }
            #[inline(always)]
            fn saturating_add(self, other: Self) -> Self {
                $into($from(self).saturating_add($from(other)))
            }
            #[inline(always)]
            fn saturating_sub(self, other: Self) -> Self {
                $into($from(self).saturating_sub($from(other)))
            }
        }
    };
}

sixteen_bits!(u16, std::convert::identity, std::convert::identity);
sixteen_bits!(Le16, u16::from_le_bytes, u16::to_le_bytes);

/// Reinterprets native 16-bit samples as the store's; returns `None` on big-endian machines.
#[allow(unsafe_code)]
pub(in super::super) fn as_le16(samples: &[u16]) -> Option<&[Le16]> {
    // SAFETY: `[u8; 2]` has the size of `u16`, a smaller alignment, and any bits are valid for it.
    cfg!(target_endian = "little")
        .then(|| unsafe { std::slice::from_raw_parts(samples.as_ptr().cast(), samples.len()) })
}

/// As [`as_le16`], mutable.
#[allow(unsafe_code)]
pub(in super::super) fn as_le16_mut(samples: &mut [u16]) -> Option<&mut [Le16]> {
    let (start, len) = (samples.as_mut_ptr().cast(), samples.len());
    // SAFETY: as in `as_le16`, and any two bytes are a valid `u16`. The result borrows from `samples` alone.
    cfg!(target_endian = "little").then(|| unsafe { std::slice::from_raw_parts_mut(start, len) })
}
