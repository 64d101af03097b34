//! Conversion of rows of pixels to component planes: level-shifted samples in whole blocks.

use shared::decode::jpeg::{Colors, Sampling};

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

/// The components of a row of MCUs, and buffers for converting to them.
pub(super) struct Planes {
    pub(super) components: Vec<Plane>,
    /// Pixels per sample of each component, horizontally and vertically.
    pixels: Vec<(usize, usize)>,
    colors: Colors,
    /// Rows of pixels in a row of MCUs.
    rows: usize,
    /// A row of each colour or ink.
    colors_of_row: Vec<Vec<u8>>,
    /// A row of each component at full resolution, 0 to 255.
    full: Vec<Vec<i16>>,
}

impl Planes {
    /// Creates planes for rows of `mcus` MCUs.
    pub(super) fn new(mcus: usize, sampling: &Sampling, colors: Colors) -> Self {
        let (across, down) = (usize::from(sampling.across()), usize::from(sampling.down()));
        let factors = || sampling.factors.iter().map(|(across, down)| (usize::from(*across), usize::from(*down)));
        let wide = (mcus * across * 8).next_multiple_of(COLUMNS);
        Self {
            components: factors().map(|(across, down)| Plane::new(mcus * across, 8 * down)).collect(),
            pixels: factors().map(|(one, other)| (across / one, down / other)).collect(),
            colors,
            rows: 8 * down,
            colors_of_row: factors().map(|_| vec![0; wide]).collect(),
            full: factors().map(|_| vec![0; wide]).collect(),
        }
    }

    /// Fills the planes from rows of pixels; padding repeats the last pixel and row.
    #[inline(always)]
    pub(super) fn fill(&mut self, rows: &[u8], width: usize) {
        if self.colors == Colors::Gray {
            return self.gray(rows, width);
        }
        for y in 0..self.rows {
            self.split(row_of(rows, self.components.len() * width, y), width);
            match (self.colors_of_row.as_slice(), self.full.as_mut_slice()) {
                ([red, green, blue, further @ ..], [luma, cb, cr, full @ ..])
                    if matches!(self.colors, Colors::YCbCr | Colors::Ycck) =>
                {
                    convert(red, green, blue, luma, cb, cr);
                    further.iter().zip(full).for_each(|(ink, full)| complement(ink, full));
                }
                (inks, full) if self.colors == Colors::Cmyk => {
                    inks.iter().zip(full).for_each(|(ink, full)| complement(ink, full));
                }
                (colors, full) => {
                    for (full, plane) in full.iter_mut().zip(colors) {
                        full.iter_mut().zip(plane).for_each(|(full, sample)| *full = i16::from(*sample));
                    }
                }
            }
            for ((full, plane), (across, down)) in self.full.iter().zip(&mut self.components).zip(&self.pixels) {
                let at = y / down * plane.stride;
                let to = &mut plane.samples[at..at + plane.stride];
                if (*across, *down) == (1, 1) {
                    to.iter_mut().zip(full).for_each(|(to, sample)| *to = sample - 128);
                } else {
                    mean(full, (*across, *down), y % down, to);
                }
            }
        }
    }

    #[inline(always)]
    fn gray(&mut self, rows: &[u8], width: usize) {
        let plane = &mut self.components[0];
        for (y, to) in plane.samples.chunks_exact_mut(plane.stride).enumerate() {
            let from = row_of(rows, width, y);
            let last = i16::from(from[width - 1]) - 128;
            let (inside, beyond) = to.split_at_mut(width);
            inside.iter_mut().zip(from).for_each(|(to, from)| *to = i16::from(*from) - 128);
            beyond.fill(last);
        }
    }

    /// Separates a row into its colours; padding repeats the last pixel.
    #[inline(always)]
    fn split(&mut self, row: &[u8], width: usize) {
        match self.colors_of_row.as_mut_slice() {
            [red, green, blue] => {
                let (red, green, blue) = (&mut red[..width], &mut green[..width], &mut blue[..width]);
                for (((pixel, red), green), blue) in row.as_chunks::<3>().0.iter().zip(red).zip(green).zip(blue) {
                    [*red, *green, *blue] = *pixel;
                }
            }
            planes => {
                let count = planes.len();
                for (index, plane) in planes.iter_mut().enumerate() {
                    plane[..width]
                        .iter_mut()
                        .zip(row[index..].iter().step_by(count))
                        .for_each(|(to, from)| *to = *from);
                }
            }
        }
        for plane in &mut self.colors_of_row {
            let last = plane[width - 1];
            plane[width..].fill(last);
        }
    }
}

/// Adds row `y` of the `down` rows that share a sample; the last one makes the level-shifted means.
#[inline(always)]
fn mean(full: &[i16], (across, down): (usize, usize), y: usize, to: &mut [i16]) {
    if y == 0 {
        to.fill(0);
    }
    sum(full, across, to);
    if y < down - 1 {
        return;
    }
    // Mean of samples from 0 to 255, rounded to nearest, halves upwards.
    let area = (across * down) as i16;
    if area.count_ones() == 1 {
        let (shift, half) = (area.ilog2(), area / 2);
        to.iter_mut().for_each(|sum| *sum = ((*sum + half) >> shift) - 128);
    } else {
        to.iter_mut().for_each(|sum| *sum = (*sum + area / 2) / area - 128);
    }
}

/// Returns row `y`, or the last row if there are fewer.
#[inline(always)]
fn row_of(rows: &[u8], bytes: usize, y: usize) -> &[u8] {
    let y = y.min(rows.len() / bytes - 1);
    &rows[y * bytes..(y + 1) * bytes]
}

/// Converts amounts of an ink to what is stored of it: what it lets pass of the light.
#[inline(always)]
fn complement(ink: &[u8], full: &mut [i16]) {
    full.iter_mut().zip(ink).for_each(|(full, ink)| *full = 255 - i16::from(*ink));
}

/// JFIF's colour conversion (ITU-T T.871, 7) with 16 bits of fraction. The results are 0 to 255.
#[inline(always)]
fn convert(red: &[u8], green: &[u8], blue: &[u8], luma: &mut [i16], cb: &mut [i16], cr: &mut [i16]) {
    const HALF: i32 = 1 << 15;
    const MIDDLE: i32 = 128 << 16;
    let pixels = red.iter().zip(green).zip(blue);
    for ((((red, green), blue), luma), (cb, cr)) in pixels.zip(luma).zip(cb.iter_mut().zip(cr)) {
        let [red, green, blue] = [*red, *green, *blue].map(i32::from);
        *luma = ((19_595 * red + 38_470 * green + 7_471 * blue + HALF) >> 16) as i16;
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
