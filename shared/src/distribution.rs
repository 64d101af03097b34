//! How an image's levels are distributed, as pages draw it: at most 256 columns for each colour.

use serde::{Deserialize, Serialize};

use crate::equalize::{Color, Histogram, Recipe};
use crate::pixels::{Depth, Layout};

/// How often each level occurs: one plane for gray, three for red, green and blue. Levels of 16 bits are taken
/// together, 256 in one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// 256 counts a plane, of the pixels that aren't fully transparent.
    pub planes: Vec<Vec<u64>>,
}

impl Distribution {
    /// Levels that are told apart.
    pub const LEVELS: usize = 256;

    /// Where to count rows of this layout and depth, each colour on its own.
    pub fn histogram(layout: Layout, depth: Depth) -> Histogram {
        Histogram::new(&Recipe::global(Color::Channels), layout, depth)
    }

    /// Of what was counted.
    pub fn of(histogram: &Histogram) -> Self {
        let together = histogram.depth().levels() / Self::LEVELS;
        let plane = |bins: &[u64]| bins.chunks_exact(together).map(|bins| bins.iter().sum()).collect();
        Self { planes: histogram.planes().map(plane).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Rows, Samples};

    #[test]
    fn levels_of_sixteen_bits_are_taken_together() {
        let mut histogram = Distribution::histogram(Layout::Gray, Depth::Sixteen);
        let samples = Samples::U16(vec![0, 255, 256, 65_535]);
        histogram.count(&Rows { width: 4, layout: Layout::Gray, samples });
        let planes = Distribution::of(&histogram).planes;
        assert_eq!((planes.len(), planes[0].len()), (1, Distribution::LEVELS));
        assert_eq!((planes[0][0], planes[0][1], planes[0][255]), (2, 1, 1));
    }
}
