//! Plateau equalization: a limit on the histogram of the whole image, as CLAHE has one for each tile.

use super::histogram::Histogram;

/// Number of bins that the limit applies to.
const BINS: usize = 256;

impl Histogram {
    /// Returns this histogram with its peaks cut off: the contrast gain stays below `limit`.
    ///
    /// The levels from the lowest to the highest that occurs are divided into at most 256 bins of equal width. A bin may hold
    /// `limit` times the average; the counts of the levels in a bin that holds more are scaled down to that. The excess is
    /// distributed evenly over all levels in between (Orfeo's ContrastEnhancement with its `hfact`). Counts are in fractions
    /// of a pixel.
    #[must_use]
    pub(super) fn with_plateau(&self, limit: f64) -> Self {
        self.with_bins(self.planes().flat_map(|bins| limited(bins, limit)).collect())
    }
}

fn limited(bins: &[u64], limit: f64) -> Vec<u64> {
    let (Some(low), Some(high)) = (bins.iter().position(|bin| *bin > 0), bins.iter().rposition(|bin| *bin > 0)) else {
        return bins.to_vec();
    };
    // Units of 2⁻¹⁶ pixels; fewer if an image has more than 2⁴⁵ of them.
    let total: u64 = bins.iter().sum();
    let shift = total.leading_zeros().saturating_sub(2).min(16);
    let mut bins: Vec<u64> = bins.iter().map(|bin| bin << shift).collect();
    let (total, levels) = (total << shift, &mut bins[low..=high]);
    let count = BINS.min(levels.len());
    let most = (limit * total as f64 / count as f64) as u64;
    let mut excess = total;
    for bin in 0..count {
        let edge = |edge: usize| edge * levels.len() / count;
        let part = edge(bin)..edge(bin + 1);
        let held: u64 = levels[part.clone()].iter().sum();
        if held > most {
            for level in &mut levels[part.clone()] {
                *level = (u128::from(*level) * u128::from(most) / u128::from(held)) as u64;
            }
        }
        excess -= levels[part].iter().sum::<u64>();
    }
    let (each, rest) = (excess / levels.len() as u64, (excess % levels.len() as u64) as usize);
    levels.iter_mut().for_each(|level| *level += each);
    // One unit each; too little to matter where.
    levels[..rest].iter_mut().for_each(|level| *level += 1);
    bins
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_pixel_is_lost(bins in proptest::collection::vec(prop_oneof![Just(0u64), 1u64..9, 1u64..1 << 50], 1..700), limit in 0.0f64..9.0) {
            let total: u64 = bins.iter().sum();
            let kept: u64 = limited(&bins, limit).iter().sum();
            prop_assert!(total == 0 || kept.is_multiple_of(total) && (kept / total).is_power_of_two());
        }

        #[test]
        fn a_limit_that_nothing_reaches_changes_no_share(bins in proptest::collection::vec(0u64..1_000, 256)) {
            prop_assume!(bins.iter().any(|bin| *bin > 0));
            let same = limited(&bins, 256.0);
            prop_assert!(bins.iter().zip(&same).all(|(before, after)| after >> 16 == *before));
        }
    }

    #[test]
    fn a_peak_is_cut_to_the_limit_and_shared_among_all_levels() {
        let mut bins = vec![1; 256];
        bins[9] = 257;
        // The average is 2, so at most 4; the excess of 253 is nearly one for each level.
        let pixels = |bin: u64| bin as f64 / 65_536.0;
        let limited = limited(&bins, 2.0);
        assert!((pixels(limited[9]) - 4.988).abs() < 0.001 && (pixels(limited[200]) - 1.988).abs() < 0.001);
    }
}
