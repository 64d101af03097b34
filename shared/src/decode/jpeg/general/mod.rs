//! Decoder of all JPEGs of 8 bits but lossless and hierarchical ones: sequential and progressive, Huffman or arithmetic coding,
//! any scans and sampling factors. Its samples are, bit for bit, those of libjpeg-turbo (`djpeg -dct int`).
//!
//! This is our own because zune-jpeg 0.5, which decodes ordinary files faster, returns wrong pixels for several sequential scans
//! (zune-image #419, #422, #449), and no maintained Rust crate decodes arithmetic coding, all sampling factors and cut files.
//! The coefficients of the whole image are decoded first, then transformed.

mod arithmetic;
mod bits;
mod frame;
mod huffman;
mod idct;
mod scan;
mod tables;
mod upsample;

pub use frame::Geometry;

use super::super::error::{Result, damaged, refuse, truncated};
use super::components::Colors;
use super::segments::Header;
use super::{ARITHMETIC, ARITHMETIC_PROGRESSIVE, PROGRESSIVE};
use crate::job::Format;
use bits::Bits;
use frame::{Coefficients, NO_SCAN};
use huffman::Band;
use idct::Plane;
use scan::Scan;
use tables::Tables;

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum End {
    /// With its marker.
    Marked,
    /// Without its marker; nothing else may be missing.
    Unmarked,
    /// Without its marker; blocks may be missing, and become gray, as in libjpeg.
    Cut,
}

/// A cut file may lack this part of its last scan, a quarter: with less, it isn't the image any more.
const MOST_MISSING: usize = 4;

/// Decodes a file to interleaved pixels: gray, red, green and blue, or inks, as `colors` defines the components; with
/// `None`, the components as stored.
///
/// # Errors
/// Refused if the data are wrong, or more is missing than `end` allows.
pub(in super::super) fn decode(file: &[u8], header: &Header, colors: Option<Colors>, end: End) -> Result<Vec<u8>> {
    let geometry = Geometry::of(header);
    let components = header.components.iter().map(|component| Coefficients::new(component, &geometry));
    let Some(mut frame) = components.collect::<Option<Vec<_>>>() else {
        return refuse("This JPEG's sampling factors don't divide each other, which no program can read.");
    };
    let mut tables = Tables::new(matches!(header.frame, ARITHMETIC | ARITHMETIC_PROGRESSIVE));
    let progressive = matches!(header.frame, PROGRESSIVE | ARITHMETIC_PROGRESSIVE);
    let mut at = 2;
    while let Some((marker, data, next)) = segment(file, at) {
        at = next;
        match marker {
            0xd9 => break,
            0xda => {
                let scan = scan(data, &frame, progressive)?;
                for (index, ..) in &scan.components {
                    let component = &mut frame[*index];
                    component.steps = component.steps.or(tables.steps[usize::from(component.table)]);
                }
                let mut bits = Bits::new(file, at);
                let (missing, all) = scan.decode(&mut bits, &tables, &geometry, &mut frame)?;
                // Without its end, arithmetic coding doesn't tell data from none.
                let too_many = missing > 0 && (end != End::Cut || missing * MOST_MISSING > all);
                if too_many || end != End::Marked && tables.arithmetic {
                    return Err(truncated(Format::Jpeg));
                }
                at = bits.position();
            }
            marker => tables.define(marker, data)?,
        }
    }
    // A whole file may leave out high frequencies. A cut one must have begun the last scan of each coefficient.
    let lacks = |lowest: &[u8; 64]| lowest[0] == NO_SCAN || end != End::Marked && lowest.iter().any(|bit| *bit > 0);
    if frame.iter().any(|component| lacks(&component.lowest)) {
        return Err(truncated(Format::Jpeg));
    }
    let mut planes = Vec::with_capacity(frame.len());
    for component in frame {
        let Some(steps) = component.steps else {
            return Err(damaged(Format::Jpeg, "a quantization table is missing"));
        };
        planes.push(Plane::new(&component, &steps));
    }
    Ok(upsample::pixels(&planes, header.width.into(), header.height.into(), colors))
}

/// Returns the next segment's marker, its data, and the position after it. Bytes that belong to no segment are skipped. `None` if
/// the file ends.
fn segment(file: &[u8], from: usize) -> Option<(u8, &[u8], usize)> {
    let is_marker = |two: &[u8]| two[0] == 0xff && !matches!(two[1], 0 | 0x01 | 0xd0..=0xd8 | 0xff);
    let at = from + file.get(from..)?.windows(2).position(is_marker)?;
    let marker = file[at + 1];
    if marker == 0xd9 {
        return Some((marker, &[], at + 2));
    }
    let length = usize::from(u16::from_be_bytes(*file.get(at + 2..)?.first_chunk()?));
    Some((marker, file.get(at + 4..at + 2 + length)?, at + 2 + length))
}

/// Reads a scan's header (T.81, B.2.3).
fn scan(data: &[u8], frame: &[Coefficients], progressive: bool) -> Result<Scan> {
    let wrong = || damaged(Format::Jpeg, "a scan's header is wrong");
    let (count, rest) = data.split_first().ok_or_else(wrong)?;
    let (pairs, rest) = rest.split_at_checked(2 * usize::from(*count)).ok_or_else(wrong)?;
    let mut components: Vec<(usize, usize, usize)> = Vec::new();
    for [id, tables] in pairs.as_chunks::<2>().0 {
        let index = frame.iter().position(|component| component.id == *id).ok_or_else(wrong)?;
        let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
        if dc > 3 || ac > 3 || components.iter().any(|(other, ..)| *other == index) {
            return Err(wrong());
        }
        components.push((index, dc, ac));
    }
    let &[first, last, approximation] = rest.first_chunk::<3>().ok_or_else(wrong)?;
    let (high, low) = (approximation >> 4, approximation & 15);
    // A sequential scan contains everything, whatever these say.
    let (first, last, high, low) = if progressive { (first, last, high, low) } else { (0, 63, 0, 0) };
    let valid_band =
        if first == 0 { !progressive || last == 0 } else { first <= last && last < 64 && components.len() == 1 };
    if components.is_empty() || !valid_band || low > 13 || (high > 0 && low + 1 != high) {
        return Err(wrong());
    }
    let band = Band { first: first.into(), last: last.into(), shift: low.into() };
    // Each bit of a coefficient comes once, after those above it (T.81, G.1.1.1.1). This also bounds the work that a file of
    // many short scans can cause, because arithmetic coding needs no data for it.
    let before = if high > 0 { high } else { NO_SCAN };
    let follows = |index: usize| frame[index].lowest[band.first..=band.last].iter().all(|lowest| *lowest == before);
    if !components.iter().all(|(index, ..)| follows(*index)) {
        return Err(damaged(Format::Jpeg, "a scan repeats or skips bits of its coefficients"));
    }
    Ok(Scan { components, band, refines: high > 0, progressive })
}
