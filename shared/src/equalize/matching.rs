//! Histogram matching: the look-up table under which an image takes on the histogram of another one.

use super::histogram::{Histogram, MergeError};
use super::lut::Lut;

impl Lut {
    /// Creates the table that brings the distribution of `histogram` close to that of `reference`: histogram matching
    /// (Gonzalez and Woods, *Digital Image Processing*, 4th ed., § 3.3, "histogram specification").
    ///
    /// With `c(v)` of `n` pixels up to and including a level `v` here, and `d(w)` of `m` pixels in the reference, `v`
    /// maps to the lowest `w` with `d(w) / m ≥ c(v) / n`, compared exactly as `d(w) · n ≥ c(v) · m`. So an image
    /// matched to itself is unchanged, every level maps to one that occurs in the reference, and the mapping is
    /// monotonic. (scikit-image's `match_histograms` interpolates between the levels of the reference and returns
    /// floats; rounded, it may differ where the reference's histogram has gaps.)
    ///
    /// If no pixel was counted, here or in the reference, the table is the identity.
    ///
    /// # Errors
    /// Fails if the reference has another intensity (e.g. channels instead of luma) or depth.
    pub fn matching(histogram: &Histogram, reference: &Histogram) -> Result<Self, MergeError> {
        let shape = |histogram: &Histogram| (histogram.intensity(), histogram.depth());
        if shape(histogram) != shape(reference) {
            return Err(MergeError::Shape { ours: shape(histogram), theirs: shape(reference) });
        }
        let planes = histogram.planes().zip(reference.planes());
        Ok(Self::from_levels(histogram, planes.flat_map(|(bins, reference)| matched(bins, reference))))
    }
}

/// Creates the table of one plane.
fn matched(bins: &[u64], reference: &[u64]) -> Vec<u32> {
    let (n, m) = (total(bins), total(reference));
    if n == 0 || m == 0 {
        return (0..bins.len() as u32).collect();
    }
    let (mut c, mut d, mut w) = (0, u128::from(reference[0]), 0);
    let levels = bins.iter().map(|bin| {
        c += u128::from(*bin);
        // Ends at the latest where d = m.
        while d * n < c * m {
            w += 1;
            d += u128::from(reference[w]);
        }
        w as u32
    });
    levels.collect()
}

fn total(bins: &[u64]) -> u128 {
    bins.iter().map(|bin| u128::from(*bin)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(prop_oneof![Just(0u64), 1u64..9, 1u64..1 << 54], 256)
    }

    proptest! {
        #[test]
        fn an_image_matched_to_itself_keeps_its_levels(bins in counts()) {
            for (level, to) in matched(&bins, &bins).into_iter().enumerate().filter(|(level, _)| bins[*level] > 0) {
                prop_assert_eq!(to as usize, level);
            }
        }

        #[test]
        fn every_level_becomes_the_lowest_one_that_is_reached(bins in counts(), reference in counts()) {
            let up_to = |bins: &[u64], level: usize| total(&bins[..=level]);
            let (n, m) = (total(&bins), total(&reference));
            prop_assume!(n > 0 && m > 0);
            for (v, w) in matched(&bins, &reference).into_iter().enumerate() {
                let reached = |w: usize| up_to(&reference, w) * n >= up_to(&bins, v) * m;
                prop_assert!(reached(w as usize));
                prop_assert!(w == 0 || !reached(w as usize - 1));
            }
        }
    }

    #[test]
    fn nothing_counted_is_the_identity() {
        let (some, none) = (vec![3; 256], vec![0; 256]);
        let identity: Vec<u32> = (0..256).collect();
        assert_eq!(matched(&some, &none), identity);
        assert_eq!(matched(&none, &some), identity);
    }
}
