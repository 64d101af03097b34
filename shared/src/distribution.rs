//! Level histograms as the pages draw them: at most 256 columns per colour.

use serde::{Deserialize, Serialize};

use crate::equalize::{Color, Histogram, Recipe};
use crate::pixels::{Depth, Layout};

/// Histogram for display: one plane for gray, three for red, green and blue. 16-bit levels are binned, 256 to a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// 256 counts per plane; fully transparent pixels aren't counted.
    pub planes: Vec<Vec<u64>>,
}

impl Distribution {
    /// Number of columns per plane.
    pub const LEVELS: usize = 256;

    /// Creates an empty histogram for rows of this layout and depth, with each colour channel counted separately.
    pub fn histogram(layout: Layout, depth: Depth) -> Histogram {
        Histogram::new(&Recipe::global(Color::Channels), layout, depth)
    }

    /// Converts a histogram.
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
