//! A PNG file without its image data: its chunks, and the defects that don't affect the pixels.

use std::io::{BufReader, Read, Seek, SeekFrom};

use super::super::error::{Error, Result, damaged, refuse};
use super::super::limits::{Blocks, too_many};
use super::chunks::{Color, Header, begin, critical, data, header};
use crate::job::{Format, Keeping};
use crate::pixels::{Depth, Layout};

/// Number of IDAT chunks above which they must hold [`LEAST_DATA`] bytes on average. With libpng's 8 KiB chunks any supported
/// file passes.
const MOST_SMALL_DATA_CHUNKS: u64 = 100_000;
const LEAST_DATA: u64 = 1_024;

/// Position of a chunk relative to the image data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the image data.
    Front,
    /// After the image data.
    Back,
}

/// Chunk other than IHDR, IDAT and IEND.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Chunk type.
    pub kind: [u8; 4],
    /// Chunk data, with a verified checksum.
    pub data: Vec<u8>,
    /// Position relative to the image data.
    pub place: Place,
}

/// Animation (APNG) around the still image. Its frames aren't read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Animation {
    /// Number of frames (fcTL chunks).
    pub frames: u32,
    /// Whether the still image is the first of them.
    pub still_is_first: bool,
}

/// Whether the image data are known to be all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// The image data are followed by IEND.
    Ended,
    /// The image data are followed by something else. Only decoding them shows whether they are complete.
    Open,
    /// The file ends within the image data.
    Cut,
}

/// A PNG file without its image data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// IHDR chunk.
    pub header: Header,
    /// All other chunks except those of image data and animation and IEND, in order.
    pub chunks: Vec<Chunk>,
    /// Bytes of compressed image data.
    pub data_bytes: u64,
    /// Whether the image data are all there.
    pub completeness: Completeness,
    /// Whether a tRNS chunk precedes the image data.
    pub transparency: bool,
    /// The animation, if there is one.
    pub animation: Option<Animation>,
    /// Defects that don't affect the pixels, as sentences for the user: what is left out or mended.
    pub defects: Vec<String>,
}

impl Structure {
    /// Whether tRNS applies: one colour is transparent, or palette entries have alpha.
    pub fn has_transparency(&self) -> bool {
        let opaque = matches!(self.header.color, Color::Gray | Color::Rgb | Color::Palette);
        opaque && self.transparency
    }

    /// Returns layout and depth after decoding: palettes are expanded to colours, a transparent colour to alpha, and fewer than
    /// 8 bits to 8.
    pub fn pixels(&self) -> (Layout, Depth) {
        let layout = match (self.header.color, self.has_transparency()) {
            (Color::Gray, false) => Layout::Gray,
            (Color::Gray, true) | (Color::GrayAlpha, _) => Layout::GrayAlpha,
            (Color::Rgb | Color::Palette, false) => Layout::Rgb,
            (Color::Rgb | Color::Palette, true) | (Color::Rgba, _) => Layout::Rgba,
        };
        (layout, if self.header.bits == 16 { Depth::Sixteen } else { Depth::Eight })
    }
}

/// Reads all of the file except its image data. Defects of ancillary chunks, and of anything after the image data, are noted;
/// the chunks concerned are left out, as libpng does.
pub fn structure<R: Read + Seek>(source: &mut R) -> Result<Structure> {
    let mut source = BufReader::with_capacity(64 << 10, source);
    let end = source.seek(SeekFrom::End(0))?;
    let mut scan = Scan {
        found: Structure {
            header: header(&mut source)?,
            chunks: Vec::new(),
            data_bytes: 0,
            completeness: Completeness::Open,
            transparency: false,
            animation: None,
            defects: Vec::new(),
        },
        place: Place::Front,
        in_data: false,
        restarted: false,
        data_chunks: 0,
        data_bytes: 0,
        blocks: Blocks::new(Format::Png, "chunks of metadata"),
    };
    while scan.chunk(&mut source, end)? {}
    let Scan { mut found, .. } = scan;
    if found.data_bytes == 0 {
        return Err(damaged(Format::Png, "it has no image data"));
    }
    let rest = end.saturating_sub(source.stream_position()?);
    if found.completeness == Completeness::Ended && found.defects.is_empty() && rest > 0 {
        found.defects.push(format!("{rest} bytes after the end of the PNG were left out."));
    }
    Ok(found)
}

/// State of [`structure`].
struct Scan {
    found: Structure,
    place: Place,
    /// Whether the last chunk was one of image data.
    in_data: bool,
    /// Whether there are further image data after the first run of chunks.
    restarted: bool,
    /// Number and bytes of all chunks that are skipped.
    data_chunks: u64,
    data_bytes: u64,
    blocks: Blocks,
}

impl Scan {
    /// Reads a chunk. Returns whether another one may follow.
    fn chunk<R: Read + Seek>(&mut self, source: &mut BufReader<R>, end: u64) -> Result<bool> {
        let (length, kind) = match begin(source) {
            Ok(begun) => begun,
            Err(Error::Refused(_)) if self.place == Place::Back => {
                self.note("The file ends without the chunk IEND, or is damaged after its image data; what followed was left out.");
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let rest = end.saturating_sub(source.stream_position()?);
        let whole = u64::from(length) + 4 <= rest;
        let (was_in_data, is_data) = (self.in_data, &kind == b"IDAT");
        self.in_data = is_data;
        match &kind {
            b"IDAT" if self.place == Place::Front || was_in_data => {
                self.place = Place::Back;
                self.found.data_bytes += u64::from(length).min(rest);
                if !whole {
                    self.found.completeness = Completeness::Cut;
                    return Ok(false);
                }
                self.skip(source, length)?;
            }
            b"IEND" => {
                let intact = length == 0 && data(source, 0, kind).is_ok_and(|(_, intact)| intact);
                if !intact {
                    self.note("The chunk IEND at the end was damaged; it was written anew.");
                }
                if !self.restarted {
                    self.found.completeness = Completeness::Ended;
                }
                return Ok(false);
            }
            b"IHDR" => return Err(damaged(Format::Png, "it has two headers")),
            kind if !whole && self.place == Place::Back => {
                let kind = String::from_utf8_lossy(kind);
                self.note(&format!("The file ends within its chunk {kind}, which was left out."));
                return Ok(false);
            }
            b"IDAT" => {
                self.restarted = true;
                self.note("Further image data (IDAT) after the image's own were left out.");
                self.skip(source, length)?;
            }
            b"acTL" | b"fcTL" | b"fdAT" => {
                let animation = self.found.animation.get_or_insert_default();
                animation.frames += u32::from(&kind == b"fcTL");
                animation.still_is_first |= &kind == b"fcTL" && self.place == Place::Front;
                self.skip(source, length)?;
            }
            _ => self.metadata(source, length, kind)?,
        }
        Ok(true)
    }

    /// Reads a chunk of metadata.
    fn metadata(&mut self, source: &mut impl Read, length: u32, kind: [u8; 4]) -> Result<()> {
        self.blocks.add(length.into())?;
        if kind[0].is_ascii_uppercase() {
            let data = critical(source, length, kind)?;
            if &kind != b"PLTE" {
                let kind = String::from_utf8_lossy(&kind).into_owned();
                return refuse(format!(
                    "This PNG has the unknown critical chunk {kind}: without knowing it, its pixels can't be read. Save it as a plain \
                     PNG with the program that wrote it."
                ));
            }
            self.found.chunks.push(Chunk { kind, data, place: self.place });
            return Ok(());
        }
        let (data, intact) = data(source, length, kind)?;
        let fault = match intact {
            false => Some("its checksum is wrong"),
            true => self.found.header.fault(kind, data.len()).or_else(|| self.misplaced(kind)),
        };
        if let Some(fault) = fault {
            let kind = String::from_utf8_lossy(&kind);
            self.note(&format!("The chunk {kind} is damaged ({fault}); it was left out."));
            return Ok(());
        }
        self.found.transparency |= &kind == b"tRNS";
        self.found.chunks.push(Chunk { kind, data, place: self.place });
        Ok(())
    }

    /// Returns what is wrong with the place of a chunk that the pixels depend on.
    fn misplaced(&self, kind: [u8; 4]) -> Option<&'static str> {
        let has_palette = || self.found.chunks.iter().any(|chunk| &chunk.kind == b"PLTE");
        match &kind {
            b"tRNS" if self.place == Place::Back => Some("it follows the image data"),
            b"tRNS" if self.found.header.color == Color::Palette && !has_palette() => Some("it precedes the palette"),
            _ => None,
        }
    }

    /// Skips a chunk of image data or of the animation.
    fn skip<R: Read + Seek>(&mut self, source: &mut BufReader<R>, length: u32) -> Result<()> {
        self.data_chunks += 1;
        self.data_bytes += u64::from(length);
        if self.data_chunks > MOST_SMALL_DATA_CHUNKS && self.data_bytes < self.data_chunks * LEAST_DATA {
            return too_many(Format::Png, "chunks of image data, most of them tiny", MOST_SMALL_DATA_CHUNKS as usize);
        }
        Ok(source.seek_relative(i64::from(length) + 4)?)
    }

    /// Adds a defect, up to as many as are reported.
    fn note(&mut self, defect: &str) {
        if self.found.defects.len() < Keeping::MOST && !self.found.defects.iter().any(|other| other == defect) {
            self.found.defects.push(defect.to_owned());
        }
    }
}
