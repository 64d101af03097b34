//! The kernels in plain Rust. Alpha is the last sample of a pixel with an even number of samples.

use super::Sample;

/// Adds the values of 8-bit pixels to `P` histograms of 256 bins.
///
/// Neighbours often have the same value, and an increment must wait for the one before it on the same bin; so pixels
/// go to four tables in turn, which are added at the end.
pub(super) fn count_u8<const C: usize, const P: usize>(
    samples: &[u8],
    values: impl Fn(&[u8; C]) -> [u8; P],
    bins: &mut [u64],
) {
    const TABLES: usize = 4;
    // No bin of 32 bits overflows within this many pixels.
    const PIXELS: usize = 1 << 31;

    let (pixels, _) = samples.as_chunks::<C>();
    for pixels in pixels.chunks(PIXELS) {
        let mut tables = [[[0u32; 256]; P]; TABLES];
        let mut add = |table: usize, pixel: &[u8; C]| {
            let weight = u32::from(is_visible(pixel));
            for (plane, value) in tables[table].iter_mut().zip(values(pixel)) {
                plane[usize::from(value)] += weight;
            }
        };
        let (groups, rest) = pixels.as_chunks::<TABLES>();
        for group in groups {
            for (table, pixel) in group.iter().enumerate() {
                add(table, pixel);
            }
        }
        for pixel in rest {
            add(0, pixel);
        }
        for planes in &tables {
            for (bin, count) in bins.iter_mut().zip(planes.as_flattened()) {
                *bin += u64::from(*count);
            }
        }
    }
}

/// Adds the values of 16-bit pixels to `P` histograms of 65,536 bins.
///
/// One table: at half a megabyte, a second one would cost more in the cache than it saves in waiting.
pub(super) fn count_u16<const C: usize, const P: usize>(
    samples: &[u16],
    values: impl Fn(&[u16; C]) -> [u16; P],
    bins: &mut [u64],
) {
    let (planes, _) = bins.as_chunks_mut::<{ <u16 as Sample>::LEVELS }>();
    let Some(planes) = planes.first_chunk_mut::<P>() else { return };
    for pixel in samples.as_chunks::<C>().0 {
        let weight = u64::from(is_visible(pixel));
        for (plane, value) in planes.iter_mut().zip(values(pixel)) {
            plane[usize::from(value)] += weight;
        }
    }
}

/// Changes every pixel that isn't fully transparent.
pub(in super::super) fn change<S: Sample, const C: usize>(samples: &mut [S], change: impl Fn(&mut [S; C])) {
    for pixel in samples.as_chunks_mut::<C>().0 {
        if is_visible(pixel) {
            change(pixel);
        }
    }
}

/// Moves the three colours of every pixel that isn't fully transparent up and down by what `shift` says.
///
/// In two passes over short blocks: the steps, then the samples. Clamping pixel by pixel compiles to branches that
/// noise makes unpredictable; the second pass has none, and compilers turn it into saturating vector instructions.
pub(in super::super) fn shift<S: Sample, const C: usize>(samples: &mut [S], shift: impl Fn(&[S; C]) -> [S; 2]) {
    const PIXELS: usize = 32;
    for block in samples.chunks_mut(PIXELS * C) {
        // Alpha's steps stay 0.
        let mut up = [[S::default(); C]; PIXELS];
        let mut down = up;
        for ((pixel, up), down) in block.as_chunks::<C>().0.iter().zip(&mut up).zip(&mut down) {
            if is_visible(pixel) {
                let [more, less] = shift(pixel);
                up[..3].fill(more);
                down[..3].fill(less);
            }
        }
        for ((sample, up), down) in block.iter_mut().zip(up.as_flattened()).zip(down.as_flattened()) {
            *sample = sample.saturating_add(*up).saturating_sub(*down);
        }
    }
}

/// Makes a pixel of `D` samples from each pixel of `C`; the second argument says whether it is visible.
pub(in super::super) fn convert<S: Sample, const C: usize, const D: usize>(
    samples: &[S],
    convert: impl Fn(&[S; C], bool) -> [S; D],
) -> Vec<S> {
    let (pixels, _) = samples.as_chunks::<C>();
    pixels.iter().flat_map(|pixel| convert(pixel, is_visible(pixel))).collect()
}

/// Whether a pixel has no alpha, or one above 0.
#[inline(always)]
fn is_visible<S: Sample, const C: usize>(pixel: &[S; C]) -> bool {
    C % 2 == 1 || pixel[C - 1] != S::default()
}
