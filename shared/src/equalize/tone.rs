//! Tone of a stretch: black and white points, and gamma.

use super::given::GivenRange;
use crate::packed::Packed;

/// Black and white points in place of percentiles, and the gamma of the levels between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tone {
    /// In thousandths.
    gamma: u32,
    /// Samples that become black and white.
    points: Option<GivenRange>,
}

impl Default for Tone {
    /// Returns a straight line between the percentiles.
    fn default() -> Self {
        Self { gamma: 1_000, points: None }
    }
}

impl Tone {
    /// Lowest and highest gamma, in thousandths: 0.1 and 10, as in image editors.
    const GAMMA: std::ops::RangeInclusive<u32> = 100..=10_000;

    /// Creates a tone. A gamma is in thousandths; above 1,000 it brightens.
    ///
    /// # Errors
    /// Fails if the gamma isn't from 100 to 10,000.
    pub fn new(gamma: u32, points: Option<GivenRange>) -> Result<Self, String> {
        if Self::GAMMA.contains(&gamma) {
            Ok(Self { gamma, points })
        } else {
            Err(format!("expected a `gamma` from 0.1 to 10, got {gamma} thousandths"))
        }
    }

    /// Returns the gamma.
    pub fn gamma(self) -> f64 {
        f64::from(self.gamma) / 1_000.0
    }

    /// Returns the samples that become black and white, if they are given.
    pub const fn points(self) -> Option<GivenRange> {
        self.points
    }

    /// Returns the tone with its points among the levels that packed samples are widened to.
    pub(super) fn widened(self, packed: Packed) -> Self {
        Self {
            points: self.points.map(|points| points.scaled(f64::from(u16::MAX) / f64::from(packed.highest()))),
            ..self
        }
    }

    /// Returns the new share of a share from 0 to 1: its power of 1 / gamma.
    pub(super) fn share(self, share: f64) -> f64 {
        if self.gamma == 1_000 { share } else { power(share.clamp(0.0, 1.0), 1_000.0 / f64::from(self.gamma)) }
    }

    /// Returns the new levels of a plane of `levels` levels, whose percentiles are `ends`.
    pub(super) fn levels(self, levels: usize, ends: Option<(usize, usize)>) -> Vec<u32> {
        let ends = match self.points {
            Some(points) => Some(points.numbers()),
            None => ends.map(|(low, high)| [low as f64, high as f64]),
        };
        let Some([black, white]) = ends.filter(|[black, white]| black < white) else {
            return (0..levels as u32).collect();
        };
        let highest = (levels - 1) as f64;
        let level = |level: usize| {
            let share = ((level as f64 - black) / (white - black)).clamp(0.0, 1.0);
            (self.share(share) * highest + 0.5) as u32
        };
        (0..levels).map(level).collect()
    }
}

/// A number from 0 to 1 to a positive power, as e to the power of the exponent times its logarithm.
///
/// Both are series of additions, multiplications and divisions, which have the same result on every machine; the platform's
/// `powf` doesn't.
fn power(number: f64, exponent: f64) -> f64 {
    if number <= 0.0 {
        return 0.0;
    }
    exponential(exponent * logarithm(number))
}

/// Natural logarithm: that of the mantissa m by the series of 2 · artanh((m − 1) / (m + 1)), and the exponent's.
fn logarithm(number: f64) -> f64 {
    let (mut mantissa, mut halvings) = (number, 0.0);
    while mantissa < std::f64::consts::FRAC_1_SQRT_2 {
        mantissa *= 2.0;
        halvings += 1.0;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = (0..13).rev().fold(0.0, |sum, term| sum * square + 1.0 / f64::from(2 * term + 1));
    2.0 * ratio * series - halvings * std::f64::consts::LN_2
}

/// e to the power of a number that isn't positive: Taylor's series of the rest after whole halvings.
fn exponential(number: f64) -> f64 {
    let (mut rest, mut scale) = (number, 1.0);
    while rest < -std::f64::consts::LN_2 && scale > 0.0 {
        rest += std::f64::consts::LN_2;
        scale *= 0.5;
    }
    scale * (1..20).rev().fold(1.0, |sum, term| 1.0 + sum * rest / f64::from(term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_right() {
        for gamma in [100, 450, 999, 2_200, 10_000] {
            let tone = Tone::new(gamma, None).unwrap();
            for step in 0..=1_000 {
                let share = f64::from(step) / 1_000.0;
                let exact = share.powf(1.0 / tone.gamma());
                assert!((tone.share(share) - exact).abs() < 1e-13, "{gamma} {share}: {} {exact}", tone.share(share));
            }
        }
    }

    #[test]
    fn points_and_gamma_are_imagemagicks_level() {
        // convert -level 20,220,1.5: floor(255 · ((v − 20) / 200)^(1 / 1.5) + 0.5)
        let tone = Tone::new(1_500, Some(GivenRange::new([20.0, 220.0]).unwrap())).unwrap();
        let table = tone.levels(256, None);
        assert_eq!([0, 20, 21, 45, 120, 220, 255].map(|level| table[level]), [0, 0, 7, 64, 161, 255, 255]);
        assert!(table.is_sorted());
    }

    #[test]
    fn without_gamma_the_levels_are_those_of_the_straight_line() {
        let points = GivenRange::new([10.0, 60.0]).unwrap();
        let table = Tone::new(1_000, Some(points)).unwrap().levels(256, None);
        assert_eq!([10, 35, 60].map(|level| table[level]), [0, 128, 255]);
        assert_eq!(Tone::default().levels(256, Some((7, 7))), (0..256).collect::<Vec<u32>>());
        assert!(Tone::new(99, None).is_err() && Tone::new(10_001, None).is_err());
    }
}
