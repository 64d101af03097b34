//! Nodata value: GDAL's field 42113, a number as text (<https://gdal.org/en/stable/drivers/raster/gtiff.html#nodata-value>).

use std::io::{Read, Seek};

use super::super::error::Result;
use super::fields::Fields;
use super::structure::{Meaning, Structure};
use super::{tag, unpack};
use crate::for_depth;
use crate::pixels::{Depth, SampleType};

/// Maximum characters of the number; GDAL writes at most 33.
const MOST_DIGITS: u64 = 256;

/// Reads the value as stored; `None` if the field is missing or isn't a finite number.
pub(super) fn stored<R: Read + Seek>(fields: &mut Fields<'_, R>) -> Result<Option<f64>> {
    if fields.find(tag::GDAL_NODATA).is_some_and(|entry| entry.count > MOST_DIGITS) {
        return Ok(None);
    }
    let Some(bytes) = fields.bytes(tag::GDAL_NODATA, 8 * MOST_DIGITS)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    let value = text.trim_matches(|c: char| c.is_whitespace() || c == '\0').parse::<f64>().ok();
    Ok(value.filter(|value| value.is_finite()))
}

/// Converts the value to that of decoded samples; `None` if no sample can have it.
pub(super) fn presented(structure: &Structure, value: f64) -> Option<f64> {
    let most = match structure.depth {
        Depth::Eight => 255.0,
        Depth::Sixteen => 65_535.0,
        depth => return ranged(structure.meaning, depth, value),
    };
    let value = widened(structure, value)?;
    let value = match structure.meaning {
        Meaning::Same => value,
        Meaning::Inverted => most - value,
        Meaning::Signed => value + (most + 1.0) / 2.0,
        Meaning::Palette | Meaning::Associated | Meaning::YCbCr => return None,
    };
    (value.fract() == 0.0 && (0.0..=most).contains(&value)).then_some(value)
}

/// Converts a stored sample value to that of the decoded samples, which have more bits if there are fewer than 8, or 9 to 15, but
/// for indices of a palette; `None` if that is impossible.
pub(super) fn widened(structure: &Structure, value: f64) -> Option<f64> {
    match structure.packed() {
        Some(packed) => packed.widen_number(value),
        None if structure.bits < 8 && structure.meaning != Meaning::Palette => {
            let level = value as u32;
            let fits = f64::from(level) == value && level < 1 << structure.bits;
            fits.then(|| unpack::widen_to_eight(structure.bits, level).into())
        }
        None => Some(value),
    }
}

/// As [`presented`], of samples without levels.
fn ranged(meaning: Meaning, depth: Depth, value: f64) -> Option<f64> {
    let value = match (meaning, depth) {
        (Meaning::Same, _) => value,
        (Meaning::Inverted, Depth::Uint32) => f64::from(u32::MAX) - value,
        _ => return None,
    };
    for_depth!(depth, S => S::of(value).is_some()).then_some(value)
}
