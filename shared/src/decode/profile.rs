//! Embedded ICC colour profiles.

use std::io::{Read, Seek};

use super::error::Result;
use super::limits::Limits;
use super::{jpeg, png, tiff, webp};
use crate::job::{Format, ImageInfo};

/// Signature of an APP2 segment with a part of a profile; the part's number and the number of parts follow (ICC.1, B.4).
const SEGMENT: &[u8] = b"ICC_PROFILE\0";

/// Returns the embedded profile unchanged, or `None` if there is none or parts of it are missing. `info` is the result of
/// [`inspect`](super::inspect) for the same source.
///
/// # Errors
/// Refused if the file is damaged, or [`Error::Source`](super::Error::Source).
pub fn profile<R: Read + Seek>(source: &mut R, info: &ImageInfo) -> Result<Option<Vec<u8>>> {
    match info.format {
        Format::Png => Ok(png::profile(source)?.as_deref().and_then(unpacked)),
        Format::Jpeg => Ok(joined(&jpeg::header(source)?.segments)),
        Format::Webp => {
            let chunks = webp::header(source)?.chunks;
            Ok(chunks.into_iter().find(|chunk| &chunk.kind == b"ICCP").map(|chunk| chunk.data))
        }
        Format::Tiff => {
            let (tiff, page) = tiff::page_of(source, info)?;
            let directory = tiff.directory(source, page.at)?;
            directory.find(tiff::tag::ICC_PROFILE).map(|entry| tiff.bytes(source, entry)).transpose()
        }
    }
}

/// Extracts the profile from an iCCP chunk: a name, a zero byte, compression method 0, and a zlib stream.
fn unpacked(chunk: &[u8]) -> Option<Vec<u8>> {
    let name = chunk.iter().position(|byte| *byte == 0)?;
    let packed = chunk.get(name + 1..)?.strip_prefix(&[0])?;
    let mut profile = Vec::new();
    let read = flate2::read::ZlibDecoder::new(packed).take(Limits::MAX_METADATA).read_to_end(&mut profile);
    read.is_ok().then_some(profile)
}

/// Joins the profile from its segments, numbered from 1 and in any order.
fn joined(segments: &[jpeg::Segment]) -> Option<Vec<u8>> {
    let parts = segments.iter().filter(|segment| segment.marker == 0xe2);
    let mut parts: Vec<_> = parts
        .filter_map(|segment| match segment.data.strip_prefix(SEGMENT)? {
            [number, count, part @ ..] => Some((*number, *count, part)),
            _ => None,
        })
        .collect();
    parts.sort_by_key(|(number, ..)| *number);
    let all = parts.len();
    let is_whole =
        parts.iter().zip(1..).all(|((number, count, _), at)| (usize::from(*number), usize::from(*count)) == (at, all));
    (all > 0 && is_whole).then(|| parts.iter().flat_map(|(.., part)| *part).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u8, count: u8, bytes: &[u8]) -> jpeg::Segment {
        jpeg::Segment { marker: 0xe2, data: [SEGMENT, &[number, count], bytes].concat() }
    }

    #[test]
    fn a_profile_in_parts_is_joined_by_their_numbers_and_never_with_one_missing() {
        assert_eq!(joined(&[part(2, 2, b"cd"), part(1, 2, b"ab")]).as_deref(), Some(&b"abcd"[..]));
        assert_eq!(joined(&[part(2, 2, b"cd")]), None);
        assert_eq!(joined(&[part(1, 2, b"ab"), part(1, 2, b"ab")]), None);
        assert_eq!(joined(&[]), None);
    }

    #[test]
    fn a_chunk_that_is_no_zlib_stream_holds_no_profile() {
        assert_eq!(unpacked(b"name\0\0xxxx"), None);
        assert_eq!(unpacked(b"name"), None);
    }
}
