//! Contrast stretch: the look-up table that maps the range between two percentiles to all levels.

/// Share of the pixels that may be clipped at each end of the range, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cut {
    low: u32,
    high: u32,
}

/// A cut that clips everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cut of {low} and {high} millionths leaves nothing: together they must be below 1,000,000")]
pub struct CutError {
    low: u32,
    high: u32,
}

impl Cut {
    /// All of the pixels, in millionths.
    pub(super) const WHOLE: u32 = 1_000_000;

    /// Creates a cut of `low` millionths of the pixels at the dark end and `high` at the bright end. 20,000 each is the
    /// usual default of GIS programs, 2 %.
    ///
    /// # Errors
    /// Fails if the two add up to a million or more.
    pub fn millionths(low: u32, high: u32) -> Result<Self, CutError> {
        let kept = low.checked_add(high).is_some_and(|sum| sum < Self::WHOLE);
        if kept { Ok(Self { low, high }) } else { Err(CutError { low, high }) }
    }

    /// Returns the lower percentile, in percent.
    pub fn low_percent(self) -> f64 {
        f64::from(self.low) / 1e4
    }

    /// Returns the upper percentile, in percent.
    pub fn high_percent(self) -> f64 {
        f64::from(Self::WHOLE - self.high) / 1e4
    }
}

/// Creates the table of one plane.
pub(super) fn stretched(bins: &[u64], cut: Cut) -> Vec<u32> {
    let levels = 0..bins.len() as u64;
    let Some((low, high)) = ends(bins, cut).filter(|(low, high)| low < high) else {
        return levels.map(|level| level as u32).collect();
    };
    let (low, high, max) = (low as u64, high as u64, bins.len() as u64 - 1);
    let range = high - low;
    levels.map(|level| ((2 * (level.clamp(low, high) - low) * max + range) / (2 * range)) as u32).collect()
}

/// Returns the lowest and the highest level inside the cut; `None` if no pixel was counted.
pub(super) fn ends(bins: &[u64], cut: Cut) -> Option<(usize, usize)> {
    let total: u128 = bins.iter().map(|bin| u128::from(*bin)).sum();
    let low = passes(bins.iter(), total * u128::from(cut.low))?;
    let high = passes(bins.iter().rev(), total * u128::from(cut.high))?;
    Some((low, bins.len() - 1 - high))
}

/// Returns the index of the first bin at which the running sum exceeds this many millionths of a pixel.
fn passes<'a>(mut bins: impl Iterator<Item = &'a u64>, millionths: u128) -> Option<usize> {
    let mut sum = 0;
    bins.position(|bin| {
        sum += u128::from(*bin) * u128::from(Cut::WHOLE);
        sum > millionths
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(low: u32, high: u32) -> Cut {
        Cut::millionths(low, high).unwrap()
    }

    #[test]
    fn without_a_cut_the_lowest_and_highest_levels_become_the_ends() {
        let mut bins = vec![0; 256];
        (bins[50], bins[100], bins[150]) = (1, 1_000, 1);
        let table = stretched(&bins, cut(0, 0));
        assert_eq!((table[0], table[50], table[150], table[255]), (0, 0, 255, 255));
        // 127.5 rounds up.
        assert_eq!(table[100], 128);
    }

    #[test]
    fn outliers_within_the_cut_are_clamped() {
        let mut bins = vec![0; 256];
        (bins[0], bins[60], bins[90], bins[255]) = (10, 490, 490, 10);
        let table = stretched(&bins, cut(10_000, 10_000));
        assert_eq!((table[0], table[60], table[90], table[255]), (0, 0, 255, 255));
        let table = stretched(&bins, cut(9_999, 9_999));
        assert_eq!((table[0], table[60], table[90], table[255]), (0, 60, 90, 255));
    }

    #[test]
    fn where_there_is_no_range_nothing_changes() {
        let identity: Vec<u32> = (0..256).collect();
        let mut bins = vec![0; 256];
        assert_eq!(stretched(&bins, cut(0, 0)), identity);
        bins[9] = 4;
        assert_eq!(stretched(&bins, cut(0, 0)), identity);
        bins[8] = 4;
        assert_eq!(stretched(&bins, cut(500_000, 499_999)), identity);
    }

    #[test]
    fn a_cut_of_everything_is_refused() {
        assert!(Cut::millionths(500_000, 500_000).is_err());
        assert!(Cut::millionths(u32::MAX, 1).is_err());
        assert!(Cut::millionths(999_999, 0).is_ok());
    }

    proptest! {
        #[test]
        fn no_level_overtakes_another(bins in proptest::collection::vec(0u64..99, 256), low in 0u32..500_000, high in 0u32..500_000) {
            prop_assert!(stretched(&bins, cut(low, high)).is_sorted());
        }

        #[test]
        fn no_more_pixels_are_lost_than_the_cut_says_and_not_one_level_less(
            bins in proptest::collection::vec(0u64..99, 256), low in 0u32..500_000, high in 0u32..500_000,
        ) {
            let total: u64 = bins.iter().sum();
            let most = |share: u32| total * u64::from(share);
            let lost = |bins: &[u64]| bins.iter().sum::<u64>() * 1_000_000;
            if let Some((lowest, highest)) = ends(&bins, cut(low, high)) {
                prop_assert!(lost(&bins[..lowest]) <= most(low) && lost(&bins[..=lowest]) > most(low));
                prop_assert!(lost(&bins[highest + 1..]) <= most(high) && lost(&bins[highest..]) > most(high));
            }
        }
    }
}
