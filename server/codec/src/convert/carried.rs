//! Metadata that every format can hold: colour profile, EXIF and XMP.

use shared::decode::exif::orientation;
use shared::decode::{jpeg, png, tiff, webp};
use shared::job::{Format, ImageInfo, Keeping};
use shared::pixels::Layout;

use super::super::{Result, Source};

/// Keyword of XMP in an iTXt chunk, with the flags of text that isn't compressed.
const PNG_XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0";
/// Prefixes of EXIF and XMP in a JPEG.
pub(super) const JPEG_EXIF: &[u8] = b"Exif\0\0";
pub(super) const JPEG_XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Most bytes of a JPEG's segment.
const MOST_SEGMENT: usize = 65_533;

/// Metadata for the result.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Colour profile (ICC).
    pub(super) icc: Option<Vec<u8>>,
    /// EXIF data, which start with the byte order mark.
    pub(super) exif: Option<Vec<u8>>,
    /// XMP packet.
    pub(super) xmp: Option<Vec<u8>>,
}

impl Carried {
    /// Reads the metadata of an original; `kept` are those that a result in its own format keeps. Returns what can go to
    /// `format`, and the names of what can't.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        kept: &Keeping,
        format: Format,
        loses_color: bool,
    ) -> Result<(Self, Vec<String>)> {
        let mut carried = Self { icc: super::super::profile(source, info)?, ..Self::default() };
        match info.format {
            Format::Png => {
                for chunk in png::structure(&mut source)?.chunks {
                    match &chunk.kind {
                        b"eXIf" => carried.exif = Some(chunk.data),
                        b"iTXt" => carried.xmp = carried.xmp.or_else(|| png_xmp(&chunk.data)),
                        _ => {}
                    }
                }
            }
            Format::Jpeg => {
                for segment in jpeg::header(&mut source)?.segments.iter().filter(|segment| segment.marker == 0xe1) {
                    let after = |prefix| segment.data.strip_prefix(prefix).map(<[u8]>::to_vec);
                    carried.exif = carried.exif.or_else(|| after(JPEG_EXIF));
                    carried.xmp = carried.xmp.or_else(|| after(JPEG_XMP));
                }
            }
            Format::Webp => {
                let header = webp::header(&mut source)?;
                carried.exif = header.exif().map(<[u8]>::to_vec);
                carried.xmp = header.chunks.into_iter().find(|chunk| &chunk.kind == b"XMP ").map(|chunk| chunk.data);
            }
            Format::Tiff => {
                let (tiff, page) = tiff::page_of(&mut source, info)?;
                let directory = tiff.directory(&mut source, page.at)?;
                carried.xmp = directory.find(tiff::tag::XMP).map(|entry| tiff.bytes(&mut source, entry)).transpose()?;
            }
        }
        carried.fit(info, format, loses_color);
        let mut lost = kept.kept.clone();
        let places =
            [("colour", carried.icc.is_some()), ("EXIF", carried.exif.is_some()), ("XMP", carried.xmp.is_some())];
        for (name, _) in places.iter().filter(|(_, is_carried)| *is_carried) {
            // GPS data are part of EXIF.
            lost.retain(|lost| !lost.contains(name) || lost.contains("GPS"));
        }
        if carried.exif.is_none() && info.orientation != 1 {
            carried.exif = Some(only_orientation(info.orientation));
        }
        Ok((carried, lost))
    }

    /// Drops what the result can't hold.
    fn fit(&mut self, info: &ImageInfo, format: Format, loses_color: bool) {
        // A WebP stores gray as colours, which a gray profile doesn't describe.
        let gray_in_webp = format == Format::Webp && info.layout.colors() == 1;
        // Nor is a profile of inks for the colours that they become.
        let inks = info.layout == Layout::Cmyk && format != Format::Tiff;
        self.icc = self.icc.take().filter(|_| !loses_color && !gray_in_webp && !inks);
        if format == Format::Jpeg {
            self.exif = self.exif.take().filter(|exif| exif.len() + JPEG_EXIF.len() <= MOST_SEGMENT);
            self.xmp = self.xmp.take().filter(|xmp| xmp.len() + JPEG_XMP.len() <= MOST_SEGMENT);
        }
        if format == Format::Tiff {
            // A TIFF's EXIF is a directory of its own; of it, only the orientation is carried over.
            self.exif = None;
        }
    }

    /// Returns the orientation, as in EXIF.
    pub(super) fn orientation(&self) -> u8 {
        self.exif.as_deref().map_or(1, orientation)
    }
}

/// Returns the XMP packet of an iTXt chunk: after the keyword and flags, a language and a translated keyword.
fn png_xmp(text: &[u8]) -> Option<Vec<u8>> {
    let mut fields = text.strip_prefix(PNG_XMP)?.splitn(3, |byte| *byte == 0);
    fields.nth(2).map(<[u8]>::to_vec)
}

/// Returns EXIF data with nothing but the orientation.
fn only_orientation(orientation: u8) -> Vec<u8> {
    let mut exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    exif
}
