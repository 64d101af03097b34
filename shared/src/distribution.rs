//! Level histograms as the pages draw them: at most 256 columns per colour.

use serde::{Deserialize, Serialize};

use crate::equalize::{Color, Histogram, Recipe, inks_to_rgb};
use crate::pixels::{Depth, Layout, Rows};

/// Histogram for display: one plane for gray, three for red, green and blue. 16-bit levels are binned, 256 to a column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// 256 counts per plane; fully transparent pixels aren't counted.
    pub planes: Vec<Vec<u64>>,
}

impl Distribution {
    /// Number of columns per plane.
    pub const LEVELS: usize = 256;

    /// Creates an empty histogram for rows of this layout and depth, with each colour channel counted separately; of inks, their
    /// red, green and blue.
    pub fn histogram(layout: Layout, depth: Depth) -> Histogram {
        let layout = if layout == Layout::Cmyk { Layout::Rgb } else { layout };
        Histogram::new(&Recipe::global(Color::Channels), layout, depth)
    }

    /// Adds rows to such a histogram.
    ///
    /// # Panics
    /// As [`Histogram::count`].
    pub fn count(histogram: &mut Histogram, rows: &Rows) {
        match rows.layout {
            Layout::Cmyk => histogram.count(&inks_to_rgb(rows.clone())),
            _ => histogram.count(rows),
        }
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
    use crate::pixels::Samples;

    #[test]
    fn inks_are_counted_as_red_green_and_blue() {
        let mut histogram = Distribution::histogram(Layout::Cmyk, Depth::Eight);
        let samples = Samples::U8(vec![255, 0, 0, 0, 55, 60, 68, 0]);
        Distribution::count(&mut histogram, &Rows { width: 2, layout: Layout::Cmyk, samples });
        let planes = Distribution::of(&histogram).planes;
        assert_eq!([planes[0][0], planes[0][200], planes[1][195], planes[2][187]], [1; 4]);
    }

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
