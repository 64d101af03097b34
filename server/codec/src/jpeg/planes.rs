//! Conversion of rows of pixels to component planes: level-shifted samples in whole blocks.

use super::transform::COLUMNS;

/// Level-shifted samples of a component. Rows are padded to whole blocks.
pub(super) struct Plane {
    pub(super) samples: Vec<i16>,
    pub(super) stride: usize,
}

impl Plane {
    fn new(blocks: usize, rows: usize) -> Self {
        let stride = (blocks * 8).next_multiple_of(COLUMNS);
        Self { samples: vec![0; stride * rows], stride }
    }

    /// Returns eight rows of a strip, i.e. of the columns transformed at once.
    #[inline(always)]
    pub(super) fn strip(&self, strip: usize, down: usize) -> [&[i16; COLUMNS]; 8] {
        [0, 1, 2, 3, 4, 5, 6, 7].map(|row| {
            let at = (8 * down + row) * self.stride + strip * COLUMNS;
            self.samples[at..at + COLUMNS].try_into().expect("the columns of a strip")
        })
    }

    pub(super) fn strips(&self) -> usize {
        self.stride / COLUMNS
    }
}

/// The three components of a row of MCUs, and buffers for converting to them.
pub(super) struct Planes {
    pub(super) luma: Plane,
    pub(super) chroma: [Plane; 2],
    across: usize,
    down: usize,
    red: Vec<u8>,
    green: Vec<u8>,
    blue: Vec<u8>,
    full: [Vec<i16>; 2],
}

impl Planes {
    /// Creates planes for rows of `mcus` MCUs, each with `across` × `down` blocks of luma.
    pub(super) fn new(mcus: usize, across: usize, down: usize, colors: bool) -> Self {
        let chroma = || Plane::new(if colors { mcus } else { 0 }, 8);
        let luma = Plane::new(mcus * across, 8 * down);
        let wide = if colors { luma.stride } else { 0 };
        Self {
            luma,
            chroma: [chroma(), chroma()],
            across,
            down,
            red: vec![0; wide],
            green: vec![0; wide],
            blue: vec![0; wide],
            full: [vec![0; wide], vec![0; wide]],
        }
    }

    /// Fills the planes from rows of gray pixels; padding repeats the last pixel and row.
    #[inline(always)]
    pub(super) fn gray(&mut self, rows: &[u8], width: usize) {
        let stride = self.luma.stride;
        for (y, to) in self.luma.samples.chunks_exact_mut(stride).enumerate() {
            let from = row_of(rows, width, y);
            let last = i16::from(from[width - 1]) - 128;
            let (inside, beyond) = to.split_at_mut(width);
            inside.iter_mut().zip(from).for_each(|(to, from)| *to = i16::from(*from) - 128);
            beyond.fill(last);
        }
    }

    /// Fills the planes from rows of RGB pixels.
    #[inline(always)]
    pub(super) fn rgb(&mut self, rows: &[u8], width: usize) {
        let stride = self.luma.stride;
        let area = (self.across * self.down) as i16;
        for y in 0..8 * self.down {
            self.split(row_of(rows, 3 * width, y), width);
            let luma = &mut self.luma.samples[y * stride..(y + 1) * stride];
            let [cb, cr] = &mut self.full;
            convert(&self.red, &self.green, &self.blue, luma, cb, cr);
            let at = y / self.down * self.chroma[0].stride;
            for (full, plane) in self.full.iter().zip(&mut self.chroma) {
                let stride = plane.stride;
                let to = &mut plane.samples[at..at + stride];
                if y % self.down == 0 {
                    to.fill(0);
                }
                sum(full, self.across, to);
                if y % self.down == self.down - 1 && area > 1 {
                    // Mean of samples from 0 to 255, rounded to nearest, halves upwards.
                    let (shift, half) = (area.ilog2(), area / 2);
                    to.iter_mut().for_each(|sum| *sum = (*sum + half) >> shift);
                }
                if y % self.down == self.down - 1 {
                    to.iter_mut().for_each(|sample| *sample -= 128);
                }
            }
        }
    }

    /// Separates a row into its colours; padding repeats the last pixel.
    #[inline(always)]
    fn split(&mut self, row: &[u8], width: usize) {
        let (red, green, blue) = (&mut self.red[..width], &mut self.green[..width], &mut self.blue[..width]);
        for (((pixel, red), green), blue) in row.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
            [*red, *green, *blue] = *pixel;
        }
        for plane in [&mut self.red, &mut self.green, &mut self.blue] {
            let last = plane[width - 1];
            plane[width..].fill(last);
        }
    }
}

/// Returns row `y`, or the last row if there are fewer.
#[inline(always)]
fn row_of(rows: &[u8], bytes: usize, y: usize) -> &[u8] {
    let y = y.min(rows.len() / bytes - 1);
    &rows[y * bytes..(y + 1) * bytes]
}

/// JFIF's colour conversion (ITU-T T.871, 7) with 16 bits of fraction. Luma is level-shifted, chroma is 0 to 255.
#[inline(always)]
fn convert(red: &[u8], green: &[u8], blue: &[u8], luma: &mut [i16], cb: &mut [i16], cr: &mut [i16]) {
    const HALF: i32 = 1 << 15;
    const MIDDLE: i32 = 128 << 16;
    let pixels = red.iter().zip(green).zip(blue);
    for ((((red, green), blue), luma), (cb, cr)) in pixels.zip(luma).zip(cb.iter_mut().zip(cr)) {
        let [red, green, blue] = [*red, *green, *blue].map(i32::from);
        *luma = ((19_595 * red + 38_470 * green + 7_471 * blue + HALF) >> 16) as i16 - 128;
        *cb = ((32_768 * blue - 11_059 * red - 21_709 * green + MIDDLE + HALF - 1) >> 16) as i16;
        *cr = ((32_768 * red - 27_439 * green - 5_329 * blue + MIDDLE + HALF - 1) >> 16) as i16;
    }
}

/// Adds to each sum its `across` neighbouring samples of a row.
#[inline(always)]
fn sum(full: &[i16], across: usize, sums: &mut [i16]) {
    match across {
        1 => sums.iter_mut().zip(full).for_each(|(sum, sample)| *sum += sample),
        2 => sums.iter_mut().zip(full.as_chunks::<2>().0).for_each(|(sum, [a, b])| *sum += a + b),
        _ => {
            for (sum, samples) in sums.iter_mut().zip(full.chunks_exact(across)) {
                *sum += samples.iter().sum::<i16>();
            }
        }
    }
}
