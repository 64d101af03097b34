//! Fused loops for counting and equalizing: each block is read from memory once and fully processed while it is in the
//! first-level cache.

use super::engine::{Engine, MAX_BLOCK_PIXELS};
use super::sample::Sample;
use crate::equalize::inks;
use crate::equalize::intensity::{Color, Intensity};
use crate::equalize::lightness::Lightness;
use crate::pixels::Layout;

/// Pixels per block: 16 KiB with four channels, plus 8 KiB for two values per pixel.
const fn block<S: Sample>() -> usize {
    MAX_BLOCK_PIXELS * 8 / S::BITS as usize
}

/// Pixels of four inks whose colours are computed at once.
const INKED: usize = 256;

/// Adds the counts of each intensity to the bins of each of its planes. Fully transparent pixels are not counted.
///
/// # Panics
/// Panics if pixels of this layout don't have that intensity.
pub(in super::super) fn count<S: Sample>(
    engine: impl Engine<S>,
    intensity: Intensity,
    layout: Layout,
    samples: &[S],
    bins: &mut [u64],
) {
    if layout == Layout::Gray && intensity == Intensity::Gray {
        return engine.tally(samples, bins);
    }
    let mut values = [S::default(); MAX_BLOCK_PIXELS];
    for pixels in samples.chunks(block::<S>() * layout.channels()) {
        let values = &mut values[..pixels.len() / layout.channels()];
        for (plane, bins) in bins.chunks_exact_mut(S::LEVELS).enumerate() {
            intensities(engine, intensity, layout, plane, pixels, values);
            // Hidden pixels are counted at level 0 and subtracted there.
            let hidden = hide(engine, layout, pixels, values);
            engine.tally(values, bins);
            bins[0] -= hidden as u64;
        }
    }
}

/// Computes the intensity of each pixel of a block. `plane` selects a channel or band, and is 0 for other intensities.
///
/// # Panics
/// Panics if pixels of this layout don't have that intensity.
pub(in super::super) fn intensities<S: Sample>(
    engine: impl Engine<S>,
    intensity: Intensity,
    layout: Layout,
    plane: usize,
    pixels: &[S],
    values: &mut [S],
) {
    match (intensity, layout) {
        (Intensity::Gray, Layout::Gray) => values.copy_from_slice(pixels),
        (Intensity::Gray, Layout::GrayAlpha) => engine.plane::<2>(pixels, 0, values),
        (Intensity::Luma, Layout::Rgb) => engine.luma::<3>(pixels, values),
        (Intensity::Luma, Layout::Rgba) => engine.luma::<4>(pixels, values),
        (Intensity::Value, Layout::Rgb) => engine.value::<3>(pixels, values),
        (Intensity::Value, Layout::Rgba) => engine.value::<4>(pixels, values),
        (Intensity::Lightness, Layout::Rgb) => engine.lightness::<3>(Lightness::Oklab, pixels, values),
        (Intensity::Lightness, Layout::Rgba) => engine.lightness::<4>(Lightness::Oklab, pixels, values),
        (Intensity::LabLightness, Layout::Rgb) => engine.lightness::<3>(Lightness::Lab, pixels, values),
        (Intensity::LabLightness, Layout::Rgba) => engine.lightness::<4>(Lightness::Lab, pixels, values),
        (Intensity::Channels, Layout::Rgb) => engine.plane::<3>(pixels, plane, values),
        (Intensity::Channels, Layout::Rgba) => engine.plane::<4>(pixels, plane, values),
        (Intensity::Bands(ours), Layout::Bands(theirs) | Layout::BandsAlpha(theirs)) if ours == theirs => {
            for (value, pixel) in values.iter_mut().zip(pixels.chunks_exact(layout.channels())) {
                *value = pixel[plane];
            }
        }
        (Intensity::Bands(4), Layout::Cmyk) => engine.plane::<4>(pixels, plane, values),
        (intensity, Layout::Cmyk) => {
            let mut colors = [S::default(); 3 * INKED];
            for (inks, values) in pixels.chunks(4 * INKED).zip(values.chunks_mut(INKED)) {
                let colors = &mut colors[..3 * values.len()];
                inks::colors(inks, colors);
                intensities(engine, intensity, Layout::Rgb, 0, colors, values);
            }
        }
        (intensity, layout) => panic!("rows of {layout:?} counted in a histogram of {intensity:?}"),
    }
}

/// Sets the intensity of each fully transparent pixel of a block to 0, and returns the number of such pixels.
pub(in super::super) fn hide<S: Sample>(
    engine: impl Engine<S>,
    layout: Layout,
    pixels: &[S],
    values: &mut [S],
) -> usize {
    match layout {
        Layout::Gray | Layout::Rgb | Layout::Cmyk | Layout::Bands(_) => 0,
        Layout::GrayAlpha => engine.hide::<2>(pixels, values),
        Layout::Rgba => engine.hide::<4>(pixels, values),
        Layout::BandsAlpha(_) => {
            let mut hidden = 0;
            let pixels = pixels.chunks_exact(layout.channels());
            for (value, _) in values.iter_mut().zip(pixels).filter(|(_, pixel)| is_transparent(layout, pixel)) {
                *value = S::default();
                hidden += 1;
            }
            hidden
        }
    }
}

/// Whether a pixel is fully transparent.
fn is_transparent<S: Sample>(layout: Layout, pixel: &[S]) -> bool {
    layout.has_alpha() && pixel.last() == Some(&S::default())
}

/// Equalizes samples in place, with one table for each channel if `color` is [`Color::Channels`], else with the first
/// one. Returns the length of the result; where colour becomes gray, it is shorter and lies at the beginning.
///
/// # Panics
/// Panics for bands, and for inks that are equalized by themselves, which need [`apply_bands`].
pub(in super::super) fn apply<S: Sample>(
    engine: impl Engine<S>,
    color: Color,
    layout: Layout,
    tables: [&S::Table; 3],
    samples: &mut [S],
) -> usize {
    match (layout, color) {
        (Layout::Gray, _) => engine.look_up::<1>(tables, samples),
        (Layout::GrayAlpha, _) => engine.look_up::<2>(tables, samples),
        (Layout::Rgb, Color::Channels) => engine.look_up::<3>(tables, samples),
        (Layout::Rgba, Color::Channels) => engine.look_up::<4>(tables, samples),
        (Layout::Cmyk, Color::Channels) | (Layout::Bands(_) | Layout::BandsAlpha(_), _) => {
            panic!("bands have a table each")
        }
        (Layout::Rgb | Layout::Rgba | Layout::Cmyk, _) => {
            return apply_with(engine, color, layout, samples, |_, _, values| engine.look_up::<1>(tables, values));
        }
    }
    samples.len()
}

/// Equalizes the samples of each band with its table, in place, but for fully transparent pixels.
pub(in super::super) fn apply_bands<S: Sample>(layout: Layout, tables: &[&S::Table], samples: &mut [S]) {
    for pixel in samples.chunks_exact_mut(layout.channels()).filter(|pixel| !is_transparent(layout, pixel)) {
        for (sample, table) in pixel.iter_mut().zip(tables) {
            *sample = sample.look_up(table);
        }
    }
}

/// As [`apply`], from `from` to `to`, which must have the length of the result.
pub(in super::super) fn apply_into<S: Sample>(
    engine: impl Engine<S>,
    color: Color,
    layout: Layout,
    tables: [&S::Table; 3],
    from: &[S],
    to: &mut [S],
) {
    if layout == Layout::Gray {
        return engine.look_up_into(tables[0], from, to);
    }
    let channels = layout.channels();
    if from.len() == to.len() {
        for (from, to) in from.chunks(block::<S>() * channels).zip(to.chunks_mut(block::<S>() * channels)) {
            to.copy_from_slice(from);
            apply(engine, color, layout, tables, to);
        }
        return;
    }
    // Colour becomes gray: equalize in a buffer that has room for the colour.
    let mut copy = [S::default(); MAX_BLOCK_PIXELS * 4];
    let kept = channels - layout.colors() + 1;
    for (from, to) in from.chunks(block::<S>() * channels).zip(to.chunks_mut(block::<S>() * kept)) {
        let copy = &mut copy[..from.len()];
        copy.copy_from_slice(from);
        let kept = apply(engine, color, layout, tables, copy);
        to.copy_from_slice(&copy[..kept]);
    }
}

/// Equalizes samples in place with `equalize(plane, first, values)`, which receives the intensities of consecutive
/// pixels, beginning with pixel number `first`, and replaces them. The calls are in ascending order of `first`. Returns
/// the length of the result, as [`apply`].
pub(in super::super) fn apply_with<S: Sample>(
    engine: impl Engine<S>,
    color: Color,
    layout: Layout,
    samples: &mut [S],
    mut equalize: impl FnMut(usize, usize, &mut [S]),
) -> usize {
    let intensity = Intensity::of(color, layout);
    let channels = layout.channels();
    let pixels = samples.len() / channels;
    if layout == Layout::Gray {
        for (index, values) in samples.chunks_mut(block::<S>()).enumerate() {
            equalize(0, index * block::<S>(), values);
        }
        return pixels;
    }
    let (mut from, mut to) = ([S::default(); MAX_BLOCK_PIXELS], [S::default(); MAX_BLOCK_PIXELS]);
    let to_gray = color == Color::Gray && matches!(layout, Layout::Rgb | Layout::Rgba | Layout::Cmyk);
    for first in (0..pixels).step_by(block::<S>()) {
        let count = block::<S>().min(pixels - first);
        let (from, to) = (&mut from[..count], &mut to[..count]);
        let block = &mut samples[first * channels..][..count * channels];
        for plane in 0..intensity.planes() {
            intensities(engine, intensity, layout, plane, block, from);
            to.copy_from_slice(from);
            equalize(plane, first, to);
            if !to_gray {
                change(engine, color, layout, plane, block, (&*from, &*to));
            }
        }
        if to_gray {
            put_gray(layout, samples, first, from, to);
        }
    }
    if to_gray { pixels * (1 + usize::from(layout.has_alpha())) } else { pixels * channels }
}

/// Changes the intensity of each pixel of a block from `from` to `to`. `plane` selects a channel, band or ink.
fn change<S: Sample>(
    engine: impl Engine<S>,
    color: Color,
    layout: Layout,
    plane: usize,
    block: &mut [S],
    (from, to): (&[S], &[S]),
) {
    match (Intensity::of(color, layout), layout) {
        (Intensity::Bands(_), _) => {
            let pixels = block.chunks_exact_mut(layout.channels()).zip(to);
            for (pixel, value) in pixels.filter(|(pixel, _)| !is_transparent(layout, pixel)) {
                pixel[plane] = *value;
            }
        }
        (_, Layout::Cmyk) => {
            let mut colors = [S::default(); 3 * INKED];
            let levels = from.chunks(INKED).zip(to.chunks(INKED));
            for (inks, (from, to)) in block.chunks_mut(4 * INKED).zip(levels) {
                let colors = &mut colors[..3 * from.len()];
                inks::colors(inks, colors);
                change(engine, color, Layout::Rgb, 0, colors, (from, to));
                inks::recolor(inks, colors);
            }
        }
        (Intensity::Luma, Layout::Rgb) => engine.shift::<3>(block, from, to),
        (Intensity::Luma, _) => engine.shift::<4>(block, from, to),
        (Intensity::Lightness | Intensity::LabLightness, Layout::Rgb) => {
            engine.relight::<3>(Lightness::of(color), block, from, to);
        }
        (Intensity::Lightness | Intensity::LabLightness, _) => {
            engine.relight::<4>(Lightness::of(color), block, from, to);
        }
        (Intensity::Value, Layout::Rgb) => engine.scale::<3>(block, from, to),
        (Intensity::Value, _) => engine.scale::<4>(block, from, to),
        (_, Layout::Rgb) => engine.put::<3>(block, plane, to),
        (_, Layout::Rgba) => engine.put::<4>(block, plane, to),
        _ => engine.put::<2>(block, plane, to),
    }
}

/// Writes gray pixels to their place in the shorter result. Fully transparent ones get their luma, unequalized.
fn put_gray<S: Sample>(layout: Layout, samples: &mut [S], first: usize, from: &[S], to: &[S]) {
    if !layout.has_alpha() {
        samples[first..first + to.len()].copy_from_slice(to);
        return;
    }
    // Two samples are written for every four read, so nothing that is still needed is overwritten.
    for (pixel, (from, to)) in (first..).zip(from.iter().zip(to)) {
        let alpha = samples[4 * pixel + 3];
        samples[2 * pixel] = if alpha == S::default() { *from } else { *to };
        samples[2 * pixel + 1] = alpha;
    }
}
