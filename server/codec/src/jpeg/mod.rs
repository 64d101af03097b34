//! Baseline JPEG with the original's quantization tables, subsampling and metadata. Every row of MCUs is a restart
//! interval (ITU-T T.81, E.1.4 and F.1.1.5.1), so parts are encoded independently and joined by concatenation.

mod huffman;
mod join;
mod planes;
mod scan;
#[cfg(test)]
mod tests;
mod transform;

use shared::decode::exif::forget_thumbnail;
use shared::decode::jpeg::{PROGRESSIVE, Segment, header};
use shared::job::{ImageInfo, Keeping};
use shared::pixels::Layout;

use super::{Result, Source, photoshop, refuse};

/// Prefix of Photoshop's resources.
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";

/// Encoding parameters, and the segments before the image.
#[derive(Debug, Clone)]
pub(super) struct Head {
    luma: Box<[u16; 64]>,
    chroma: Box<[u16; 64]>,
    /// Pixels per chroma sample, horizontally and vertically.
    sampling: (u8, u8),
    /// The original's JFIF segment, without its thumbnail.
    jfif: Option<Vec<u8>>,
    segments: Vec<u8>,
}

/// What becomes of a segment.
enum Fate {
    Kept(Option<&'static str>),
    /// Written by the encoder.
    Rewritten,
    /// Dropped, with a note.
    Dropped(&'static str),
}

fn fate(segment: &Segment, loses_color: bool) -> Fate {
    match (segment.marker, segment.data.as_slice()) {
        (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => Fate::Rewritten,
        (0xe0, [b'J', b'F', b'X', b'X', 0, ..]) => Fate::Dropped("The JFIF thumbnail showed the old pixels."),
        (0xe2, [b'M', b'P', b'F', 0, ..]) => {
            Fate::Dropped("The other pictures in this JPEG (MPF: a gain map or previews) showed the old pixels.")
        }
        (0xe2, [b'I', b'C', b'C', b'_', b'P', ..]) if loses_color => {
            Fate::Dropped("The colour profile (ICC) is for colours; the result is gray.")
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

impl Head {
    /// Reads the original's tables and segments.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        keeping: &mut Keeping,
    ) -> Result<Self> {
        let mut header = header(&mut source)?;
        if header.frame == PROGRESSIVE {
            keeping.change("The JPEG was progressive; the result is baseline, of the same quality.");
        }
        let tables = &header.tables;
        let table = |component: usize| -> Result<Box<[u16; 64]>> {
            let number = header.components.get(component).map(|component| usize::from(component.table));
            let Some(table) = number.and_then(|number| tables.get(number).copied().flatten()) else {
                return refuse("The JPEG file is damaged: a quantization table is missing before its first scan.");
            };
            // Baseline requires 8-bit tables. A smaller step than the original's only loses less.
            Ok(Box::new(table.map(|step| step.clamp(1, 255))))
        };
        let luma = table(0)?;
        let chroma = if header.components.len() == 3 {
            let (blue, red) = (table(1)?, table(2)?);
            Box::new(std::array::from_fn(|i| blue[i].min(red[i])))
        } else {
            luma.clone()
        };
        let sampling = if info.layout == Layout::Gray { (1, 1) } else { header.sampling()? };
        let mut head = Self { luma, chroma, sampling, jfif: None, segments: Vec::new() };
        for segment in &mut header.segments {
            match fate(segment, loses_color) {
                Fate::Dropped(note) => keeping.change(note),
                Fate::Rewritten => head.rewrite(segment, keeping),
                Fate::Kept(name) => {
                    name.into_iter().for_each(|name| keeping.keep(name));
                    if forget_photoshop_thumbnail(segment)? {
                        keeping.change("Photoshop's thumbnail showed the old pixels.");
                    }
                    let exif = (segment.marker == 0xe1).then(|| segment.data.strip_prefix(b"Exif\0\0")).flatten();
                    if let Some(length) = exif.map(<[u8]>::len) {
                        let at = segment.data.len() - length;
                        if forget_thumbnail(&mut segment.data[at..]) {
                            keeping.change("The EXIF thumbnail showed the old pixels.");
                        }
                    }
                    put(&mut head.segments, segment.marker, &segment.data);
                }
            }
        }
        Ok(head)
    }

    /// Keeps the density of a JFIF segment, without its thumbnail.
    fn rewrite(&mut self, segment: &Segment, keeping: &mut Keeping) {
        let Some(density) = segment.data.get(..12).filter(|_| segment.marker == 0xe0 && self.jfif.is_none()) else {
            return;
        };
        if segment.data.get(12..14).is_some_and(|size| size != [0, 0]) {
            keeping.change("The JFIF thumbnail showed the old pixels.");
        }
        // Without a unit, the density is only the pixel aspect ratio (ITU-T T.871, 10.1).
        if density[7] != 0 {
            keeping.keep("the resolution");
        }
        self.jfif = Some([density, &[0, 0]].concat());
    }
}

/// Removes the thumbnail from Photoshop's resources; returns whether there was one.
fn forget_photoshop_thumbnail(segment: &mut Segment) -> Result<bool> {
    if segment.marker != 0xed || !segment.data.starts_with(PHOTOSHOP) {
        return Ok(false);
    }
    let mut resources = segment.data.split_off(PHOTOSHOP.len());
    let changed = photoshop::forget_thumbnail(&mut resources)?;
    segment.data.append(&mut resources);
    Ok(changed)
}

/// Appends a segment.
pub(super) fn put(file: &mut Vec<u8>, marker: u8, data: &[u8]) {
    let length = u16::try_from(data.len() + 2).expect("it was read from a segment, or is short");
    file.extend_from_slice(&[0xff, marker]);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(data);
}
