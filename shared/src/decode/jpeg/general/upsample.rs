//! Samples of all components to pixels: upsampling as libjpeg's ("fancy" for factors of 2, else replicated), and JFIF's colours.

use super::super::components::Colors;
use super::idct::Plane;

/// Writes a row of a component at the resolution of the image.
fn upsample(plane: &Plane, y: usize, to: &mut [u8]) {
    let (across, down) = plane.pixels;
    let row = (y / down) as isize;
    let near = plane.row(row);
    let far = plane.row(if y.is_multiple_of(2) { row - 1 } else { row + 1 });
    // Narrow components have no neighbours to interpolate with.
    let wide = plane.width > 2;
    match (across, down) {
        (1, 1) => to.copy_from_slice(&near[..to.len()]),
        (2, 1) if wide => twice_as_wide(near, to),
        (1, 2) => {
            let bias = 1 + (y % 2) as u16;
            for ((to, near), far) in to.iter_mut().zip(near).zip(far) {
                *to = ((3 * u16::from(*near) + u16::from(*far) + bias) >> 2) as u8;
            }
        }
        (2, 2) if wide => twice_as_large(near, far, to),
        _ => {
            for (to, from) in to.chunks_mut(across).zip(near) {
                to.fill(*from);
            }
        }
    }
}

/// Interpolates a row at a quarter and three quarters between its samples.
fn twice_as_wide(row: &[u8], to: &mut [u8]) {
    let at = |index: usize| u16::from(row[index.min(row.len() - 1)]);
    for (x, to) in to.iter_mut().enumerate() {
        let index = x / 2;
        // At the edges the neighbour is the sample itself.
        let value = if x % 2 == 0 {
            3 * at(index) + at(index.saturating_sub(1)) + 1
        } else {
            3 * at(index) + at(index + 1) + 2
        };
        *to = (value >> 2) as u8;
    }
}

/// Interpolates two rows, the nearer one by three quarters, and then their sums.
fn twice_as_large(near: &[u8], far: &[u8], to: &mut [u8]) {
    let at = |index: usize| {
        let index = index.min(near.len() - 1);
        3 * u16::from(near[index]) + u16::from(far[index])
    };
    for (x, to) in to.iter_mut().enumerate() {
        let index = x / 2;
        let value = if x % 2 == 0 {
            3 * at(index) + at(index.saturating_sub(1)) + 8
        } else {
            3 * at(index) + at(index + 1) + 7
        };
        *to = (value >> 4) as u8;
    }
}

/// JFIF's colour conversion (ITU-T T.871, 7) in libjpeg's fixed point of 16 bits.
fn to_rgb([luma, blue, red]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (luma, blue, red) = (i32::from(luma), i32::from(blue) - 128, i32::from(red) - 128);
    [
        luma + ((91_881 * red + HALF) >> 16),
        luma + ((-22_554 * blue - 46_802 * red + HALF) >> 16),
        luma + ((116_130 * blue + HALF) >> 16),
    ]
    .map(|sample| sample.clamp(0, 255) as u8)
}

/// Returns the interleaved pixels, converted from the components that `colors` defines.
///
/// Inks are the complements of what is stored. Of YCCK, libjpeg returns the complements of red, green and blue as what is stored
/// of cyan, magenta and yellow; so red, green and blue are the inks.
pub(super) fn pixels(planes: &[Plane], width: usize, height: usize, colors: Option<Colors>) -> Vec<u8> {
    let ycbcr = matches!(colors, Some(Colors::YCbCr | Colors::Ycck));
    let complements = match colors {
        Some(Colors::Cmyk) => 0..4,
        Some(Colors::Ycck) => 3..4,
        _ => 0..0,
    };
    let count = planes.len();
    let mut all = vec![0; width * height * count];
    let mut rows = vec![vec![0; width]; count];
    for (y, to) in all.chunks_exact_mut(width * count).enumerate() {
        for (plane, row) in planes.iter().zip(&mut rows) {
            upsample(plane, y, row);
        }
        for (x, pixel) in to.chunks_exact_mut(count).enumerate() {
            for (sample, row) in pixel.iter_mut().zip(&rows) {
                *sample = row[x];
            }
            if let (true, Some(pixel)) = (ycbcr, pixel.first_chunk_mut::<3>()) {
                *pixel = to_rgb(*pixel);
            }
            for sample in pixel.get_mut(complements.clone()).unwrap_or_default() {
                *sample = !*sample;
            }
        }
    }
    all
}
