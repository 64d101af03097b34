//! A sample as the kernels see it.

use super::scalar;

/// A 16-bit sample as it lies in the store: two bytes, the lower one first, aligned to nothing.
pub(in super::super) type Le16 = [u8; 2];

/// A sample: 8 or 16 bits.
///
/// `u8` and [`Le16`] are what kernels are written for; `u16` is in the machine's own order.
pub(in super::super) trait Sample: Copy + Default + PartialEq + std::fmt::Debug + 'static {
    /// Bits of a sample.
    const BITS: u32;
    /// How many values there are: 256 or 65,536.
    const LEVELS: usize = 1 << Self::BITS;
    /// What tables hold: the number itself, in the machine's order.
    type Entry: Copy + Default;
    /// One entry for each value, so that indexing by a sample can't be out of bounds.
    type Table;

    /// The value as 32 bits.
    fn wide(self) -> u32;
    /// The inverse of [`Sample::wide`]; `value` is below [`Sample::LEVELS`].
    fn narrow(value: u32) -> Self;
    /// A value as an entry of a table.
    fn entry(value: u32) -> Self::Entry;
    /// A slice of [`Sample::LEVELS`] entries as a table; `None` for any other length.
    fn table(entries: &[Self::Entry]) -> Option<&Self::Table>;
    /// The entry for this sample.
    fn look_up(self, table: &Self::Table) -> Self;
    /// Adds how often each value occurs to [`Sample::LEVELS`] bins.
    fn tally(values: &[Self], bins: &mut [u64]);
    /// Four tables between which is interpolated.
    type Corners<'a>;
    /// The tables (top left, top right, bottom left, bottom right) in the form that is fastest for so many values.
    fn corners<'a>(tables: [&'a Self::Table; 4], values: usize) -> Self::Corners<'a>;
    /// The four entries for each value, each in 16 bits, the first in the lowest. Both slices have the same length.
    fn look_up_corners(corners: &Self::Corners<'_>, values: &[Self], entries: &mut [u64]);

    /// The sum, or the largest value.
    #[inline(always)]
    fn saturating_add(self, other: Self) -> Self {
        Self::narrow((self.wide() + other.wide()).min(Self::LEVELS as u32 - 1))
    }
    /// The difference, or 0.
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
        scalar::tally_u8(values, bins);
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
    // The standard methods become single vector instructions, which the general ones don't.
    #[inline(always)]
    fn saturating_add(self, other: u8) -> u8 {
        u8::saturating_add(self, other)
    }
    #[inline(always)]
    fn saturating_sub(self, other: u8) -> u8 {
        u8::saturating_sub(self, other)
    }
}

/// Four tables of 16 bits.
pub(in super::super) enum Corners<'a> {
    /// As they are.
    Apart([&'a [u16; 65_536]; 4]),
    /// The four entries of a level side by side: one miss of the cache for each value, not four.
    Together(Box<[u64; 65_536]>),
}

impl<'a> Corners<'a> {
    /// Putting them side by side pays if it is not done for fewer values than this.
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

/// Both forms of 16 bits differ only in how a number becomes a sample.
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
                scalar::tally_u16(values, bins);
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

/// Native 16-bit samples as the store's; `None` where the machine's order is the other one.
#[allow(unsafe_code)]
pub(in super::super) fn as_le16(samples: &[u16]) -> Option<&[Le16]> {
    // SAFETY: two bytes have the size of a `u16`, a smaller alignment, and any bits are valid for them.
    cfg!(target_endian = "little")
        .then(|| unsafe { std::slice::from_raw_parts(samples.as_ptr().cast(), samples.len()) })
}

/// As [`as_le16`], to change them.
#[allow(unsafe_code)]
pub(in super::super) fn as_le16_mut(samples: &mut [u16]) -> Option<&mut [Le16]> {
    let (start, len) = (samples.as_mut_ptr().cast(), samples.len());
    // SAFETY: as in `as_le16`; and any two bytes are a valid `u16`. The result borrows from `samples` alone.
    cfg!(target_endian = "little").then(|| unsafe { std::slice::from_raw_parts_mut(start, len) })
}
