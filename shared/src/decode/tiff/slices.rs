//! Slices without directories of their own: stacks whose further slices lie behind the first one's pixels, described by its text.
//!
//! ImageJ writes stacks above 4 GiB so (`images=N` in the description, one directory), and tifffile with `truncate=True`
//! (`{"shape": [N, …], "truncated": true}`). Without compression, slice i lies i times a slice's bytes behind the first.

use std::io::{Read, Seek};

use super::super::error::{Result, refuse};
use super::super::limits::too_many;
use super::directory::{Directory, Tiff};
use super::fields::Fields;
use super::page::{MAX_DIRECTORIES, MOST_FIELDS, Page};
use super::pieces::pieces;
use super::structure::{Chunks, Structure, structure};
use super::{advice, tag};
use crate::job::Format;

/// Maximum bytes of a description that is searched.
const MOST_TEXT: u64 = 1 << 20;

/// Returns the number of slices of a file's only page: 1 if there are no others.
///
/// # Errors
/// Refused if there are others that can't be read.
pub(super) fn slices<R: Read + Seek>(source: &mut R, tiff: Tiff, page: Page) -> Result<u32> {
    let directory = tiff.directory(source, page.at)?;
    if let Some(planes) = directory.find(tag::UIC2).map(|entry| entry.count).filter(|count| *count > 1) {
        return refuse(format!(
            "This TIFF is a MetaMorph stack (STK) with {planes} planes behind one page, which isn't supported. {}",
            advice::PAGES
        ));
    }
    let Some(described) = described(source, tiff, &directory)? else { return Ok(1) };
    let structure = structure(source, tiff, page, None)?;
    let Some((first, bytes)) = run(source, &structure)? else { return Ok(1) };
    let held = tiff.length.saturating_sub(first) / bytes.max(1);
    match described.of(&structure) {
        ..=1 => Ok(1),
        // Programs that write a single slice may copy the description of the stack.
        _ if held < 2 => Ok(1),
        described if held < described => refuse(format!(
            "This TIFF describes {described} slices behind one page, but has bytes for {held}: it is truncated, or its \
             description is of another file."
        )),
        described if described > MAX_DIRECTORIES as u64 => too_many(Format::Tiff, "slices", MAX_DIRECTORIES),
        // The directory is read again for each slice.
        described if described * directory.fields as u64 > MOST_FIELDS as u64 => {
            too_many(Format::Tiff, "fields in its directories", MOST_FIELDS)
        }
        described => Ok(described as u32),
    }
}

/// Number of slices in a description.
#[derive(Debug, PartialEq, Eq)]
enum Described {
    /// Slices of ImageJ.
    Slices(u64),
    /// All samples of tifffile's array.
    Samples(u64),
}

impl Described {
    fn of(&self, page: &Structure) -> u64 {
        match self {
            Described::Slices(slices) => *slices,
            Described::Samples(samples) => {
                let own = u64::from(page.width) * u64::from(page.height) * page.channels as u64;
                if samples.is_multiple_of(own) { samples / own } else { 1 }
            }
        }
    }
}

fn described<R: Read + Seek>(source: &mut R, tiff: Tiff, directory: &Directory) -> Result<Option<Described>> {
    let fits = |entry: &super::Entry| tiff.length_of(entry).is_ok_and(|length| length <= MOST_TEXT);
    if !directory.find(tag::IMAGE_DESCRIPTION).is_some_and(fits) {
        return Ok(None);
    }
    let bytes = Fields::new(tiff, directory, source).bytes(tag::IMAGE_DESCRIPTION, MOST_TEXT)?.unwrap_or_default();
    Ok(parsed(String::from_utf8_lossy(&bytes).trim_end_matches('\0')))
}

fn parsed(text: &str) -> Option<Described> {
    if text.starts_with("ImageJ=") {
        let images = text.lines().find_map(|line| line.strip_prefix("images="))?;
        return Some(Described::Slices(images.trim().parse().ok()?));
    }
    #[derive(serde::Deserialize)]
    struct Shaped {
        shape: Vec<u64>,
        truncated: bool,
    }
    let shaped: Shaped = serde_json::from_str(text).ok()?;
    let samples = shaped.shape.iter().try_fold(1_u64, |all, side| all.checked_mul(*side))?;
    shaped.truncated.then_some(Described::Samples(samples))
}

/// Returns offset and length in bytes of a page's pixels, if they lie in one run, uncompressed.
fn run<R: Read + Seek>(source: &mut R, page: &Structure) -> Result<Option<(u64, u64)>> {
    if !page.lies_plain() || !matches!(page.chunks, Chunks::Strips(_)) {
        return Ok(None);
    }
    let pieces = pieces(source, page)?;
    let Some((first, _)) = pieces.first().copied() else { return Ok(None) };
    let contiguous = pieces.windows(2).all(|two| two[0].0 + two[0].1 == two[1].0);
    Ok(contiguous.then_some((first, page.stored_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_say_how_many_slices_there_are() {
        assert_eq!(parsed("ImageJ=1.53t\nimages=300\nslices=300\n"), Some(Described::Slices(300)));
        assert_eq!(parsed(r#"{"shape": [5, 96, 128], "truncated": true}"#), Some(Described::Samples(5 * 96 * 128)));
        assert_eq!(parsed(r#"{"shape": [5, 96, 128], "truncated": false}"#), None);
        for other in ["ImageJ=1.53t\nmin=1", "images=3", r#"{"shape": [5, 96, 128]}"#, "", "ImageJ=1.53t\nimages=many"]
        {
            assert_eq!(parsed(other), None, "{other}");
        }
    }
}
