//! WebP, written lossless (VP8L), with the original's metadata. A part is raw rows; the join encodes the whole image.

use std::io::{self, BufWriter, Write};

use image_webp::{ColorType, EncodingError, WebPEncoder};
use shared::decode::webp::header;
use shared::job::{ImageInfo, Keeping};
use shared::pixels::{Layout, Rows};

use super::{Error, Part, PartIndex, Result, Source, contain, refresh_exif, refuse, xmp};

/// Metadata of the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    icc: Vec<u8>,
    exif: Vec<u8>,
    xmp: Vec<u8>,
}

impl Head {
    /// Reads the original's metadata.
    pub(super) fn read(mut source: &mut dyn Source, loses_color: bool, keeping: &mut Keeping) -> Result<Self> {
        let original = header(&mut source)?;
        if original.lossy {
            keeping.change("The WebP was lossy; the result is lossless, so it is larger.");
        }
        if original.frames > 0 {
            let frames = original.frames;
            keeping.change(format!(
                "This WebP is animated: of its frames ({frames}), only the first is equalized and kept."
            ));
        }
        let mut head = Self::default();
        for chunk in original.chunks {
            let (place, name) = match &chunk.kind {
                b"ICCP" if loses_color => {
                    keeping.change("The colour profile (ICC) is for colours; the result is gray.");
                    continue;
                }
                b"ICCP" => (&mut head.icc, "the colour profile (ICC)"),
                b"EXIF" => (&mut head.exif, "EXIF"),
                b"XMP " => (&mut head.xmp, "XMP"),
                b"C2PA" => {
                    keeping.change("The Content Credentials (C2PA) were signed for the old pixels.");
                    continue;
                }
                other => {
                    let name = String::from_utf8_lossy(other).into_owned();
                    keeping.change(format!("The unknown chunk {} was left out.", name.trim_end().escape_default()));
                    continue;
                }
            };
            // Readers take the first chunk of a kind (RFC 9649, section 2.7).
            if place.is_empty() {
                *place = chunk.data;
                keeping.keep(name);
            }
        }
        if !xmp::refresh(&mut head.xmp, keeping) {
            head.xmp.clear();
        }
        let start = if head.exif.starts_with(b"Exif\0\0") { 6 } else { 0 };
        refresh_exif(&mut head.exif[start..], keeping);
        Ok(head)
    }

    /// Returns the encoder that makes the file from all parts.
    pub(super) fn encoder(&self, info: &ImageInfo) -> Encoder {
        Encoder { head: self.clone(), info: info.clone(), raw: Vec::new() }
    }
}

/// Returns rows as a raw part.
pub(super) fn part(rows: &Rows) -> Part {
    let bytes = rows.to_le_bytes();
    let length = bytes.len() as u64;
    let index = PartIndex {
        bytes: length,
        rows: rows.height() as u32,
        pieces: Vec::new(),
        overviews: Vec::new(),
        adler32: None,
        raw_bytes: length,
    };
    Part { index, bytes }
}

/// Collects the raw image, then encodes the file. Memory: [`super::join_memory`].
#[derive(Debug, Clone, PartialEq)]
pub struct Encoder {
    head: Head,
    info: ImageInfo,
    raw: Vec<u8>,
}

impl Encoder {
    /// Appends the next part.
    ///
    /// # Errors
    /// Refused if the parts exceed the image.
    pub fn part(&mut self, bytes: &[u8]) -> Result<()> {
        let all = self.info.raw_bytes() as usize;
        if bytes.len() > all - self.raw.len() {
            return refuse(format!("The parts of the picture have more than its {all} bytes."));
        }
        if self.raw.is_empty() {
            // `inspect` has checked the whole image against the memory limit.
            self.raw.reserve_exact(all);
        }
        self.raw.extend_from_slice(bytes);
        Ok(())
    }

    /// Encodes the file and passes its pieces to `emit`.
    ///
    /// # Errors
    /// Refused if parts are missing; those of `emit`.
    pub fn file(self, emit: &mut dyn FnMut(Vec<u8>) -> io::Result<()>) -> Result<()> {
        let Self { head, info, raw } = self;
        if raw.len() as u64 != info.raw_bytes() {
            return refuse(format!("Expected {} bytes of pixels, got {}.", info.raw_bytes(), raw.len()));
        }
        let color = match info.layout {
            Layout::Gray => ColorType::L8,
            Layout::GrayAlpha => ColorType::La8,
            Layout::Rgb => ColorType::Rgb8,
            Layout::Rgba => ColorType::Rgba8,
            Layout::Cmyk => return refuse("A WebP has no inks."),
            Layout::Bands(bands) | Layout::BandsAlpha(bands) => return refuse(format!("A WebP has no {bands} bands.")),
        };
        contain(|| {
            let mut file = BufWriter::new(Pieces(emit));
            let mut encoder = WebPEncoder::new(&mut file);
            encoder.set_icc_profile(head.icc);
            encoder.set_exif_metadata(head.exif);
            encoder.set_xmp_metadata(head.xmp);
            encoder.encode(&raw, info.width, info.height, color).map_err(|error| match error {
                EncodingError::IoError(error) => Error::Source(error),
                error => Error::Refused(format!("The result can't be written as a WebP: {error}.")),
            })?;
            Ok(file.flush()?)
        })
    }
}

/// A writer that passes pieces to `emit`; it splits them, as the encoder writes the whole image at once.
struct Pieces<'a>(&'a mut dyn FnMut(Vec<u8>) -> io::Result<()>);

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        const PIECE: usize = 1 << 20;
        let piece = &bytes[..bytes.len().min(PIECE)];
        (self.0)(piece.to_vec())?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
