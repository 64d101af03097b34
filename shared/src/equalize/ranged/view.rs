//! The quantity of a pixel that is measured and equalized.

use super::super::Recipe;
use super::super::intensity::Intensity;
use super::super::mask::Mask;
use crate::for_samples;
use crate::pixels::{Depth, Layout, Rows, SampleType};

/// What is equalized of the pixels of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) intensity: Intensity,
    pub(super) layout: Layout,
    pub(super) depth: Depth,
}

impl View {
    /// Creates a view. For colour images, `luma` and `gray` select the luma, the other colours each channel.
    pub(super) fn new(recipe: &Recipe, layout: Layout, depth: Depth) -> Self {
        Self { intensity: recipe.intensity(layout, depth), layout, depth }
    }

    /// Returns the number of planes.
    pub(super) fn planes(&self) -> usize {
        self.intensity.planes()
    }

    /// Returns the value of a pixel in a plane, or `None` if it must not be counted or changed: it isn't a finite number, or the
    /// pixel is fully transparent.
    pub(super) fn value<S: SampleType>(&self, pixel: &[S], plane: usize) -> Option<f64> {
        let value = match self.intensity {
            Intensity::Luma => luma(pixel),
            _ => pixel[plane],
        };
        let transparent = self.layout.has_alpha() && pixel[self.layout.channels() - 1].value() <= 0.0;
        (value.is_value() && !transparent).then(|| value.value())
    }

    /// Calls `take` with the plane and value of each counted sample or luma of some rows.
    ///
    /// # Panics
    /// Panics if the rows have another layout, or samples of another depth.
    pub(super) fn each_value(&self, rows: &Rows, mask: Option<&Mask>, take: impl FnMut(usize, f64)) {
        assert_eq!((rows.layout, rows.samples.depth()), (self.layout, self.depth), "rows of another kind");
        for_samples!(&rows.samples, samples => self.each(samples, mask, take));
    }

    fn each<S: SampleType>(&self, samples: &[S], mask: Option<&Mask>, mut take: impl FnMut(usize, f64)) {
        let (planes, shown) = (self.planes(), mask.map(Mask::shown));
        let hidden: Option<S> = mask.and_then(Mask::hidden);
        for (index, pixel) in samples.chunks_exact(self.layout.channels()).enumerate() {
            if shown.is_some_and(|shown| !shown[index]) {
                continue;
            }
            for plane in 0..planes {
                // Samples are hidden on their own only where each plane is a channel.
                if hidden.is_some_and(|hidden| pixel[plane] == hidden) {
                    continue;
                }
                if let Some(value) = self.value(pixel, plane) {
                    take(plane, value);
                }
            }
        }
    }
}

/// Y of BT.601 YCbCr (ITU-R BT.601-7 § 2.5.1), as a sample.
pub(in super::super) fn luma<S: SampleType>(colors: &[S]) -> S {
    let [red, green, blue] = [colors[0], colors[1], colors[2]].map(S::value);
    S::nearest(0.299 * red + 0.587 * green + 0.114 * blue)
}
