//! Samples of one type, and what all types have in common.

use half::f16;

use super::depth::Depth;

/// Samples of one depth.
///
/// Equality is bitwise: a NaN equals itself, and 0 doesn't equal −0.
#[derive(Debug, Clone)]
pub enum Samples {
    /// 8 bits each.
    U8(Vec<u8>),
    /// 16 bits each, in native byte order.
    U16(Vec<u16>),
    /// 16-bit floating point.
    F16(Vec<f16>),
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 64-bit floating point.
    F64(Vec<f64>),
    /// 32 bits, signed.
    I32(Vec<i32>),
    /// 32 bits, unsigned.
    U32(Vec<u32>),
}

/// Evaluates an expression with the vector of [`Samples`] of any type: `for_samples!(&rows.samples, samples =>
/// samples.len())`.
#[macro_export]
macro_rules! for_samples {
    ($samples:expr, $name:ident => $body:expr) => {
        match $samples {
            $crate::pixels::Samples::U8($name) => $body,
            $crate::pixels::Samples::U16($name) => $body,
            $crate::pixels::Samples::F16($name) => $body,
            $crate::pixels::Samples::F32($name) => $body,
            $crate::pixels::Samples::F64($name) => $body,
            $crate::pixels::Samples::I32($name) => $body,
            $crate::pixels::Samples::U32($name) => $body,
        }
    };
}

/// Evaluates an expression in which a name is the sample type of a [`Depth`](super::Depth).
#[macro_export]
macro_rules! for_depth {
    (@each $depth:expr, $type:ident, $body:expr, $($name:ident: $sample:ty),*) => {
        match $depth {
            $($crate::pixels::Depth::$name => {
                type $type = $sample;
                $body
            })*
        }
    };
    ($depth:expr, $type:ident => $body:expr) => {
        $crate::for_depth!(
            @each $depth, $type, $body,
            Eight: u8, Sixteen: u16, Half: $crate::pixels::f16, Float: f32, Double: f64, Int32: i32, Uint32: u32
        )
    };
}

/// Type of a sample. Every value is also one of `f64`, exactly.
pub trait SampleType: Copy + Default + PartialEq + Send + Sync + 'static {
    /// The depth of such samples.
    const DEPTH: Depth;
    /// Size in bytes.
    const BYTES: usize = Self::DEPTH.bytes();
    /// Alpha of an opaque pixel.
    const OPAQUE: Self;

    /// Returns the value.
    fn value(self) -> f64;
    /// Returns the sample nearest to a value that isn't NaN; halfway between two, the one whose last bit is 0.
    fn nearest(value: f64) -> Self;
    /// Returns the sample with a value given in decimal: the nearest floating-point number, or exactly this whole number. `None` if
    /// there is none, or it is infinite.
    fn of(value: f64) -> Option<Self>;
    /// Returns the next greater sample, or the next smaller one of the greatest.
    fn beside(self) -> Self;
    /// Adds bit patterns, for predictors.
    #[must_use]
    fn plus_bits(self, other: Self) -> Self;
    /// Subtracts bit patterns, for predictors.
    #[must_use]
    fn minus_bits(self, other: Self) -> Self;
    /// Returns the sample of its [`SampleType::BYTES`] bytes, the lowest first.
    fn of_le(bytes: &[u8]) -> Self;
    /// Returns the sample of its [`SampleType::BYTES`] bytes, the highest first.
    fn of_be(bytes: &[u8]) -> Self;
    /// Concatenates the bytes of all samples, each with the lowest first.
    fn le_bytes(samples: &[Self]) -> Vec<u8>;
    /// Concatenates the bytes of all samples, each with the highest first.
    fn be_bytes(samples: &[Self]) -> Vec<u8>;
    /// Converts samples whose type is known only by their depth; `None` if it is another one.
    fn slice(samples: &Samples) -> Option<&[Self]>;
    /// As [`SampleType::slice`].
    fn slice_mut(samples: &mut Samples) -> Option<&mut [Self]>;
    /// The inverse of [`SampleType::slice`].
    fn samples(samples: Vec<Self>) -> Samples;

    /// Returns whether this is a value: not NaN, not infinite.
    fn is_value(self) -> bool {
        self.value().is_finite()
    }
}

/// Concatenates the bytes of all samples.
pub fn to_bytes<T: Copy, const N: usize>(samples: &[T], bytes_of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    // Not with an iterator over single bytes: compilers don't turn that into a block copy.
    let mut bytes = vec![0; samples.len() * N];
    for (bytes, sample) in bytes.as_chunks_mut::<N>().0.iter_mut().zip(samples) {
        *bytes = bytes_of(*sample);
    }
    bytes
}

/// The items of [`SampleType`] that all types have under the same names. What is done with single samples is inlined into the
/// crates that loop over them; without link-time optimization, nothing else would.
macro_rules! common {
    ($type:ty, $depth:ident, $variant:ident) => {
        const DEPTH: Depth = Depth::$depth;

        #[inline]
        fn of_le(bytes: &[u8]) -> Self {
            <$type>::from_le_bytes(std::array::from_fn(|byte| bytes[byte]))
        }
        #[inline]
        fn of_be(bytes: &[u8]) -> Self {
            <$type>::from_be_bytes(std::array::from_fn(|byte| bytes[byte]))
        }
        fn le_bytes(samples: &[Self]) -> Vec<u8> {
            to_bytes(samples, <$type>::to_le_bytes)
        }
        fn be_bytes(samples: &[Self]) -> Vec<u8> {
            to_bytes(samples, <$type>::to_be_bytes)
        }
        fn slice(samples: &Samples) -> Option<&[Self]> {
            match samples {
                Samples::$variant(samples) => Some(samples),
                _ => None,
            }
        }
        fn slice_mut(samples: &mut Samples) -> Option<&mut [Self]> {
            match samples {
                Samples::$variant(samples) => Some(samples),
                _ => None,
            }
        }
        fn samples(samples: Vec<Self>) -> Samples {
            Samples::$variant(samples)
        }
    };
}

macro_rules! whole {
    ($type:ident, $depth:ident, $variant:ident) => {
        impl SampleType for $type {
            common!($type, $depth, $variant);
            const OPAQUE: Self = Self::MAX;

            #[inline]
            fn value(self) -> f64 {
                self.into()
            }
            #[inline]
            fn nearest(value: f64) -> Self {
                // Saturates.
                value.round_ties_even() as Self
            }
            #[inline]
            fn of(value: f64) -> Option<Self> {
                let sample = value as Self;
                (f64::from(sample) == value).then_some(sample)
            }
            #[inline]
            fn beside(self) -> Self {
                if self == Self::MAX { self - 1 } else { self + 1 }
            }
            #[inline]
            fn plus_bits(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus_bits(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
        }
    };
}

macro_rules! floating {
    ($type:ident, $depth:ident, $variant:ident, $one:expr, $value:expr, $nearest:expr) => {
        impl SampleType for $type {
            common!($type, $depth, $variant);
            const OPAQUE: Self = $one;

            #[inline]
            fn value(self) -> f64 {
                $value(self)
            }
            #[inline]
            fn nearest(value: f64) -> Self {
                $nearest(value)
            }
            #[inline]
            fn of(value: f64) -> Option<Self> {
                Some(Self::nearest(value)).filter(|sample| sample.is_finite())
            }
            #[inline]
            fn beside(self) -> Self {
                let bits = self.to_bits();
                if self == Self::MAX {
                    return Self::from_bits(bits - 1);
                }
                match (self.value() == 0.0, self.is_sign_negative()) {
                    (true, _) => Self::from_bits(1),
                    (false, true) => Self::from_bits(bits - 1),
                    (false, false) => Self::from_bits(bits + 1),
                }
            }
            #[inline]
            fn plus_bits(self, other: Self) -> Self {
                Self::from_bits(self.to_bits().wrapping_add(other.to_bits()))
            }
            fn minus_bits(self, other: Self) -> Self {
                Self::from_bits(self.to_bits().wrapping_sub(other.to_bits()))
            }
        }
    };
}

whole!(u8, Eight, U8);
whole!(u16, Sixteen, U16);
whole!(i32, Int32, I32);
whole!(u32, Uint32, U32);
floating!(f16, Half, F16, f16::ONE, f16::to_f64_const, to_half);
floating!(f32, Float, F32, 1.0, f64::from, narrowed);
floating!(f64, Double, F64, 1.0, f64::from, f64::from);

const fn narrowed(value: f64) -> f32 {
    value as f32
}

/// Rounds to binary16 once. `f16::from_f64` rounds twice, by way of binary32, where the processor has only that, and else ignores
/// the lowest bits.
fn to_half(value: f64) -> f16 {
    let near = value as f32;
    if f64::from(near) == value {
        return f16::from_f32_const(near);
    }
    // Towards 0 and then to odd: so the second rounding sees on which side of the middle the value lies.
    let cut = near.to_bits() - u32::from(f64::from(near).abs() > value.abs());
    f16::from_f32_const(f32::from_bits(cut | 1))
}

impl PartialEq for Samples {
    fn eq(&self, other: &Self) -> bool {
        fn same<S: SampleType>(ours: &[S], theirs: &Samples, same: impl Fn(S, S) -> bool) -> bool {
            S::slice(theirs)
                .is_some_and(|theirs| ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(*a, *b)))
        }
        match self {
            Samples::U8(ours) => u8::slice(other) == Some(ours.as_slice()),
            Samples::U16(ours) => u16::slice(other) == Some(ours.as_slice()),
            Samples::F16(ours) => same(ours, other, |a, b| a.to_bits() == b.to_bits()),
            Samples::F32(ours) => same(ours, other, |a, b| a.to_bits() == b.to_bits()),
            Samples::F64(ours) => same(ours, other, |a, b| a.to_bits() == b.to_bits()),
            Samples::I32(ours) => i32::slice(other) == Some(ours.as_slice()),
            Samples::U32(ours) => u32::slice(other) == Some(ours.as_slice()),
        }
    }
}

impl Eq for Samples {}

impl<S: SampleType> From<Vec<S>> for Samples {
    fn from(samples: Vec<S>) -> Self {
        S::samples(samples)
    }
}

impl Samples {
    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        for_samples!(self, samples => samples.len())
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the depth of the samples.
    pub fn depth(&self) -> Depth {
        fn depth<S: SampleType>(_: &[S]) -> Depth {
            S::DEPTH
        }
        for_samples!(self, samples => depth(samples))
    }

    /// Returns the samples as bytes, little-endian on every machine.
    pub fn to_le_bytes(&self) -> Vec<u8> {
        for_samples!(self, samples => SampleType::le_bytes(samples))
    }

    /// The inverse of [`Samples::to_le_bytes`]; bytes left over are ignored.
    pub fn from_le_bytes(depth: Depth, bytes: &[u8]) -> Self {
        fn all<S: SampleType>(bytes: &[u8]) -> Samples {
            S::samples(bytes.chunks_exact(S::BYTES).map(S::of_le).collect())
        }
        for_depth!(depth, S => all::<S>(bytes))
    }

    /// As [`Samples::from_le_bytes`], of big-endian bytes.
    pub fn from_be_bytes(depth: Depth, bytes: &[u8]) -> Self {
        fn all<S: SampleType>(bytes: &[u8]) -> Samples {
            S::samples(bytes.chunks_exact(S::BYTES).map(S::of_be).collect())
        }
        for_depth!(depth, S => all::<S>(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_nearest_sample_is_rounded_to_even_and_stays_in_the_type() {
        assert_eq!([0.5, 1.5, -1.0, 1e12].map(u32::nearest), [0, 2, 0, u32::MAX]);
        assert_eq!([-2.5, -3e9, 2_147_483_646.6].map(i32::nearest), [-2, i32::MIN, i32::MAX]);
        assert_eq!(u32::nearest(16_777_217.0), 16_777_217, "not by way of 32-bit floating point");
        // 2049 lies halfway between 2048 and 2050; a rounding to binary32 first would lose the bit that decides.
        assert_eq!(f16::nearest(2_049.0).value(), 2_048.0);
        assert_eq!(f16::nearest(2_049.000_000_01).value(), 2_050.0);
        assert_eq!(f16::nearest(-2_050.999_999_99).value(), -2_050.0);
        assert_eq!((f16::nearest(1e-300), f16::nearest(-1e300)), (f16::ZERO, f16::NEG_INFINITY));
        assert!(f16::nearest(f64::NAN).is_nan());
        assert!((0..=u16::MAX).map(f16::from_bits).all(|half| half.is_nan() || f16::nearest(half.value()) == half));
    }

    #[test]
    fn a_value_in_decimal_is_a_sample_or_none() {
        assert_eq!(f32::of(1e20), Some(1e20_f32));
        assert_eq!((f32::of(1e39), f16::of(70_000.0), f64::of(f64::NAN)), (None, None, None));
        assert_eq!(f16::of(-9_999.0).map(f16::value), Some(-10_000.0));
        assert_eq!((i32::of(-9_999.0), u32::of(-9_999.0), i32::of(0.5)), (Some(-9_999), None, None));
        assert_eq!(u32::of(4_294_967_295.0), Some(u32::MAX));
    }

    #[test]
    fn a_neighbour_is_the_next_sample() {
        assert_eq!((f64::MAX.beside(), 1.0_f32.beside()), (f64::MAX.next_down(), 1.0_f32.next_up()));
        assert_eq!((-1.0_f32).beside(), (-1.0_f32).next_up());
        assert_eq!(((-0.0_f64).beside(), 0.0_f64.beside()), (5e-324, 5e-324));
        assert_eq!(f16::from_f64_const(-10_000.0).beside().value(), -9_992.0);
        assert_eq!((u32::MAX.beside(), i32::MIN.beside()), (u32::MAX - 1, i32::MIN + 1));
    }

    #[test]
    fn bytes_come_back_as_the_same_samples() {
        let samples = [
            Samples::U8(vec![1, 255]),
            Samples::U16(vec![1, 65_280]),
            Samples::F16(vec![f16::NAN, f16::NEG_ZERO]),
            Samples::F32(vec![f32::NAN, -0.0]),
            Samples::F64(vec![0.1, f64::INFINITY]),
            Samples::I32(vec![-2, i32::MAX]),
            Samples::U32(vec![1, u32::MAX]),
        ];
        for samples in samples {
            assert_eq!(Samples::from_le_bytes(samples.depth(), &samples.to_le_bytes()), samples);
            let big = for_samples!(&samples, samples => SampleType::be_bytes(samples));
            assert_eq!(Samples::from_be_bytes(samples.depth(), &big), samples);
            assert_eq!(big.len(), samples.len() * samples.depth().bytes());
        }
    }
}
