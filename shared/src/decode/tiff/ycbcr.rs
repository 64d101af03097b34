//! YCbCr without JPEG (TIFF 6.0, section 21): subsampled units of pixels, and their conversion to RGB as by libtiff (`tif_color.c`).

use std::io::{Read, Seek};

use super::super::error::{Result, damaged};
use super::fields::Fields;
use super::tag;
use crate::job::Format;

/// Number of pixels, across and down, that share their chroma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subsampling {
    pub(super) across: u8,
    pub(super) down: u8,
}

impl Subsampling {
    /// Each pixel has chroma of its own.
    pub const NONE: Self = Self { across: 1, down: 1 };

    /// Reads the subsampling of a page; the default is 2 × 2.
    pub(super) fn read<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<Self> {
        let factors = fields.all(tag::Y_CB_CR_SUB_SAMPLING)?.unwrap_or_else(|| vec![2, 2]);
        match factors[..] {
            [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => Ok(Self { across: across as u8, down: down as u8 }),
            _ => {
                Err(damaged(Format::Tiff, format!("its chroma is subsampled by {factors:?}; 1, 2 and 4 are possible")))
            }
        }
    }

    /// Returns the bytes of a unit: its Y, then Cb and Cr.
    fn unit(self) -> usize {
        usize::from(self.across) * usize::from(self.down) + 2
    }

    /// Returns the bytes of the units that cover rows of `width` pixels, as many rows as a unit has.
    pub(super) fn line(self, width: usize) -> usize {
        width.div_ceil(self.across.into()) * self.unit()
    }

    /// Returns the pixels of a row: that of index `row` in these units. Pixels of a unit have the same chroma.
    pub(super) fn row(self, units: &[u8], row: usize, width: usize) -> Vec<u8> {
        let (across, lumas) = (usize::from(self.across), self.unit() - 2);
        let pixel = |x: usize| {
            let unit = &units[x / across * self.unit()..][..self.unit()];
            [unit[row * across + x % across], unit[lumas], unit[lumas + 1]]
        };
        (0..width).flat_map(pixel).collect()
    }
}

/// Conversion to RGB, in fixed point with 16 bits of fraction.
#[derive(Debug, Clone)]
pub(super) struct ToRgb {
    luma: [i32; 256],
    red_of_cr: [i32; 256],
    green_of_cb: [i32; 256],
    green_of_cr: [i32; 256],
    blue_of_cb: [i32; 256],
}

impl ToRgb {
    /// Reads the conversion of a page.
    pub(super) fn read<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<Self> {
        let coefficients = fields.rationals(tag::Y_CB_CR_COEFFICIENTS)?.unwrap_or_else(|| vec![0.299, 0.587, 0.114]);
        let reference = fields.rationals(tag::REFERENCE_BLACK_WHITE)?;
        let reference = reference.unwrap_or_else(|| vec![0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        match (<[f32; 3]>::try_from(coefficients), <[f32; 6]>::try_from(reference)) {
            (Ok(coefficients), Ok(reference)) if coefficients[1] != 0.0 => Ok(Self::new(coefficients, reference)),
            _ => Err(damaged(Format::Tiff, "its coefficients of YCbCr, or its reference black and white, are wrong")),
        }
    }

    /// Creates the conversion for the weights of red, green and blue in Y, and the codes of black and white for Y, Cb and Cr.
    fn new([red, green, blue]: [f32; 3], reference: [f32; 6]) -> Self {
        let fixed = |factor: f32| (f64::from(factor.clamp(0.0, 2.0) * 65_536.0) + 0.5) as i32;
        let (of_red, of_blue) = (2.0 - 2.0 * red, 2.0 - 2.0 * blue);
        let (d1, d2) = (fixed(of_red), -fixed(red * of_red / green));
        let (d3, d4) = (fixed(of_blue), -fixed(blue * of_blue / green));
        let value = |code: i32, black: f32, white: f32, range: f32| {
            let distance = if white == black { 1.0 } else { white - black };
            // Truncated, as by a conversion in C.
            ((code - black as i32) as f32 * range / distance).clamp(-4_096.0, 4_096.0) as i32
        };
        let table = |of: &dyn Fn(i32) -> i32| std::array::from_fn(|code| of(code as i32));
        let chroma = |code: i32, at: usize| value(code - 128, reference[at] - 128.0, reference[at + 1] - 128.0, 127.0);
        Self {
            luma: table(&|code| value(code, reference[0], reference[1], 255.0)),
            red_of_cr: table(&|code| (d1 * chroma(code, 4) + 32_768) >> 16),
            green_of_cb: table(&|code| d4 * chroma(code, 2) + 32_768),
            green_of_cr: table(&|code| d2 * chroma(code, 4)),
            blue_of_cb: table(&|code| (d3 * chroma(code, 2) + 32_768) >> 16),
        }
    }

    /// Converts pixels in place.
    pub(super) fn colors(&self, samples: &mut [u8]) {
        for [y, cb, cr] in samples.as_chunks_mut::<3>().0 {
            let (luma, blue, red) = (self.luma[usize::from(*y)], usize::from(*cb), usize::from(*cr));
            let clamped = |value: i32| value.clamp(0, 255) as u8;
            *y = clamped(luma + self.red_of_cr[red]);
            *cb = clamped(luma + ((self.green_of_cb[blue] + self.green_of_cr[red]) >> 16));
            *cr = clamped(luma + self.blue_of_cb[blue]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_colours_are_converted() {
        let usual = ToRgb::new([0.299, 0.587, 0.114], [0.0, 255.0, 128.0, 255.0, 128.0, 255.0]);
        let mut pixels = [0, 128, 128, 255, 128, 128, 77, 128, 128, 76, 85, 255, 150, 44, 21, 29, 255, 107];
        usual.colors(&mut pixels);
        let expected = [0, 0, 0, 255, 255, 255, 77, 77, 77, 254, 0, 0, 0, 255, 1, 0, 0, 254];
        for (found, expected) in pixels.iter().zip(expected) {
            assert!(i32::from(*found).abs_diff(expected) <= 1, "{pixels:?}");
        }
    }

    #[test]
    fn pixels_of_a_unit_share_their_chroma() {
        let two = Subsampling { across: 2, down: 2 };
        let units = [1, 2, 3, 4, 100, 200, 5, 6, 7, 8, 101, 201];
        assert_eq!(two.line(3), 12);
        assert_eq!(two.row(&units, 0, 3), [1, 100, 200, 2, 100, 200, 5, 101, 201]);
        assert_eq!(two.row(&units, 1, 3), [3, 100, 200, 4, 100, 200, 7, 101, 201]);
    }
}
