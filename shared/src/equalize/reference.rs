//! Histogram of the reference image in histogram matching.

use super::histogram::Histogram;
use super::intensity::{Color, Intensity};
use super::kernel::sample::Sample;
use super::lightness::Lightness;
use super::recipe::Recipe;
use crate::pixels::{Depth, Layout};

impl Histogram {
    /// Creates an empty histogram for the reference (with this layout and depth) of an image whose layout is `image`.
    ///
    /// A gray image is matched to the luma of a colour reference.
    pub fn for_reference(recipe: &Recipe, image: Layout, reference: Layout, depth: Depth) -> Self {
        let color = if image.colors() == 1 { Color::Luma } else { recipe.color };
        Self::empty(Intensity::of(color, reference), depth)
    }

    /// Converts a reference's histogram to the intensity and depth of the image that is matched to it.
    ///
    /// A gray reference counts as a colour image with equal channels. A level of 8 bits maps to 257 times that level at
    /// 16 bits; one of 16 bits to the nearest at 8 bits.
    pub(super) fn as_reference(&self, intensity: Intensity, depth: Depth) -> Self {
        let levels = depth.levels();
        let planes = self.planes().map(|bins| moved(bins, levels, |level| rescaled(level, self.depth(), depth)));
        let planes: Vec<Vec<u64>> = planes.collect();
        let bins = match (self.intensity(), intensity) {
            (Intensity::Gray, Intensity::Channels) => [&planes[0][..]; 3].concat(),
            (Intensity::Gray, Intensity::Lightness) => {
                moved(&planes[0], levels, |level| gray_lightness(Lightness::Oklab, level, depth))
            }
            (Intensity::Gray, Intensity::LabLightness) => {
                moved(&planes[0], levels, |level| gray_lightness(Lightness::Lab, level, depth))
            }
            _ => planes.concat(),
        };
        Self::from_bins(intensity, depth, bins)
    }
}

/// Returns the bins with each level moved to `to(level)`.
fn moved(bins: &[u64], levels: usize, to: impl Fn(u32) -> u32) -> Vec<u64> {
    let mut moved = vec![0; levels];
    for (level, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        moved[to(level as u32) as usize] += count;
    }
    moved
}

fn rescaled(level: u32, from: Depth, to: Depth) -> u32 {
    let (from, to) = (from.levels() as u32 - 1, to.levels() as u32 - 1);
    ((u64::from(level) * u64::from(to) * 2 + u64::from(from)) / (2 * u64::from(from))) as u32
}

fn gray_lightness(space: Lightness, level: u32, depth: Depth) -> u32 {
    fn of<S: Sample>(space: Lightness, level: u32) -> u32 {
        let mut value = [S::default()];
        space.levels::<S, 3>(&[S::narrow(level); 3], &mut value);
        value[0].wide()
    }
    match depth {
        Depth::Eight => of::<u8>(space, level),
        Depth::Sixteen => of::<u16>(space, level),
        _ => panic!("such samples have no levels"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::{Rows, Samples};

    fn counted(color: Color, image: Layout, layout: Layout, samples: Samples) -> Histogram {
        let width = (samples.len() / layout.channels()) as u32;
        let mut histogram = Histogram::for_reference(&Recipe::global(color), image, layout, samples.depth());
        histogram.count(&Rows { width, layout, samples });
        histogram
    }

    #[test]
    fn a_gray_reference_is_a_colour_image_of_equal_channels() {
        for color in Color::ALL {
            let gray = counted(color, Layout::Rgb, Layout::Gray, Samples::U8(vec![3, 90, 90, 255]));
            let same = counted(
                color,
                Layout::Rgb,
                Layout::Rgb,
                Samples::U8(vec![3, 3, 3, 90, 90, 90, 90, 90, 90, 255, 255, 255]),
            );
            assert_eq!(gray.as_reference(same.intensity(), Depth::Eight), same, "{color:?}");
        }
    }

    #[test]
    fn a_gray_image_is_matched_to_the_luma_of_a_colour_one() {
        let reference =
            counted(Color::Channels, Layout::GrayAlpha, Layout::Rgb, Samples::U8(vec![10, 20, 30, 7, 7, 7]));
        assert_eq!(reference.intensity(), Intensity::Luma);
        let gray = counted(Color::Channels, Layout::Gray, Layout::Gray, Samples::U8(vec![18, 7]));
        assert_eq!(reference.as_reference(Intensity::Gray, Depth::Eight), gray);
    }

    #[test]
    fn depths_are_brought_together() {
        let eight = counted(Color::Luma, Layout::Gray, Layout::Gray, Samples::U8(vec![0, 1, 128, 255]));
        let sixteen = counted(Color::Luma, Layout::Gray, Layout::Gray, Samples::U16(vec![0, 257, 32_896, 65_535]));
        assert_eq!(eight.as_reference(Intensity::Gray, Depth::Sixteen), sixteen);
        assert_eq!(sixteen.as_reference(Intensity::Gray, Depth::Eight), eight);
        assert_eq!((rescaled(128, Depth::Sixteen, Depth::Eight), rescaled(129, Depth::Sixteen, Depth::Eight)), (0, 1));
    }
}
