//! Fate of a JPEG's segments in the result: copied, edited, written anew or dropped.

use shared::decode::jpeg::Segment;
use shared::job::Keeping;

use super::super::{Result, photoshop, refresh_exif, xmp};

/// Prefixes of segments: Photoshop's resources, EXIF, XMP, and a gain map's parameters (ISO 21496-1, annex C).
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
const EXIF: &[u8] = b"Exif\0\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
const GAIN_MAP: &[u8] = b"urn:iso:std:iso:ts:21496:-1\0";

/// Type of a JUMBF superbox that contains Content Credentials (C2PA 2.1, 11.1.4).
const CREDENTIALS: [u8; 16] = *b"c2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq";

/// What becomes of a segment.
pub(super) enum Fate {
    Kept(Option<&'static str>),
    /// Written by the encoder.
    Rewritten,
    /// Dropped, with a note.
    Dropped(&'static str),
}

/// Returns the numbers of the JUMBF boxes that contain Content Credentials. A box may continue in further segments of its number
/// (ISO/IEC 19566-5, annex D).
pub(super) fn credentials(segments: &[Segment]) -> Vec<[u8; 2]> {
    let named = |data: &[u8]| data.windows(CREDENTIALS.len()).any(|bytes| bytes == CREDENTIALS);
    segments.iter().filter(|segment| named(&segment.data)).filter_map(box_number).collect()
}

fn box_number(segment: &Segment) -> Option<[u8; 2]> {
    match (segment.marker, segment.data.as_slice()) {
        (0xeb, [b'J', b'P', high, low, ..]) => Some([*high, *low]),
        _ => None,
    }
}

/// Returns whether a segment holds a part of a layer that decoders add to the picture: a box of JPEG XT (ISO/IEC 18477-3, annex B),
/// which have the segment's form in common with JUMBF, or a ratio image of JPEG-HDR.
fn is_layer(data: &[u8]) -> bool {
    let kind = data.strip_prefix(b"JP").and_then(|data| data.get(10..14));
    kind.is_some_and(|kind| kind != b"jumb") || data.starts_with(b"HDR_RI")
}

/// Returns what becomes of a segment; `credentials` is the result of [`credentials`].
pub(super) fn fate(segment: &Segment, credentials: &[[u8; 2]], loses_color: bool) -> Fate {
    match (segment.marker, segment.data.as_slice()) {
        (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => Fate::Rewritten,
        (0xe0, [b'J', b'F', b'X', b'X', 0, ..]) => Fate::Dropped("The JFIF thumbnail showed the old pixels."),
        (0xe2, [b'M', b'P', b'F', 0, ..]) => {
            Fate::Dropped("The other pictures in this JPEG (MPF: a gain map or previews) showed the old pixels.")
        }
        (0xe2, data) if data.starts_with(GAIN_MAP) => {
            Fate::Dropped("The gain map's parameters (ISO 21496-1) were for the old pixels.")
        }
        (0xe2, [b'I', b'C', b'C', b'_', b'P', ..]) if loses_color => {
            Fate::Dropped("The colour profile (ICC) is for colours; the result is gray.")
        }
        (0xeb, _) if box_number(segment).is_some_and(|number| credentials.contains(&number)) => {
            Fate::Dropped("The Content Credentials (C2PA) were signed for the old pixels.")
        }
        (0xeb, data) if is_layer(data) => {
            Fate::Dropped("The layers for high dynamic range or alpha (JPEG XT, JPEG-HDR) were for the old pixels.")
        }
        (0xee, [b'A', b'd', b'o', b'b', b'e', ..]) if loses_color => Fate::Rewritten,
        (0xe2, [b'I', b'C', b'C', b'_', b'P', ..]) => Fate::Kept(Some("the colour profile (ICC)")),
        (0xe1, [b'E', b'x', b'i', b'f', 0, ..]) => Fate::Kept(Some("EXIF")),
        (0xe1, data) if data.starts_with(b"http://ns.adobe.com/") => Fate::Kept(Some("XMP")),
        (0xed, data) if data.strip_prefix(PHOTOSHOP).is_some_and(photoshop::has_iptc) => Fate::Kept(Some("IPTC")),
        (0xed, _) => Fate::Kept(Some("Photoshop's resources")),
        (0xfe, _) => Fate::Kept(Some("the comment")),
        _ => Fate::Kept(None),
    }
}

/// Removes from a kept segment what became false. Returns whether anything of it remains.
pub(super) fn edit(segment: &mut Segment, keeping: &mut Keeping) -> Result<bool> {
    let data = &mut segment.data;
    if segment.marker == 0xed && data.starts_with(PHOTOSHOP) {
        let mut resources = data.split_off(PHOTOSHOP.len());
        if photoshop::forget_thumbnail(&mut resources)? {
            keeping.change("Photoshop's thumbnail showed the old pixels.");
        }
        data.append(&mut resources);
    } else if segment.marker == 0xe1 && data.starts_with(EXIF) {
        refresh_exif(&mut data[EXIF.len()..], keeping);
    } else if segment.marker == 0xe1 && data.starts_with(XMP) {
        let mut packet = data.split_off(XMP.len());
        let remains = xmp::refresh(&mut packet, keeping);
        data.append(&mut packet);
        // Edited packets only get shorter, unless their tags had been written in an unusual way.
        return Ok(remains && data.len() <= usize::from(u16::MAX) - 2);
    }
    Ok(true)
}
