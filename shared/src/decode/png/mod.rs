//! PNG decoding (W3C recommendation, third edition).

mod chunks;
mod essence;
mod faults;
mod rows;
mod structure;

use std::io::{BufReader, Read, Seek};
use std::ops::Range;

pub(super) use chunks::profile;
pub use chunks::{Color, Header, header};
pub use structure::{Animation, Chunk, Completeness, Place, Structure, structure};

use essence::Essence;
use rows::rows_there;

use super::error::{Error, Result, blame, damaged, refuse, truncated};
use super::exif;
use super::limits::Limits;
use super::raw::{bytes_of, from_be};
use crate::job::{Format, ImageInfo};
use crate::pixels::Samples;

/// Maximum expansion of deflate: 1,032 bytes from one (RFC 1951: 258 bytes from two bits).
const MOST_EXPANSION: u64 = 1_032;

/// Reads the header of a PNG file.
pub(super) fn inspect<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<ImageInfo> {
    let header = header(source)?;
    limits.size(header.width, header.height)?;
    let structure = structure(source)?;
    let (layout, depth) = structure.pixels();
    let orientation =
        structure.chunks.iter().find(|chunk| &chunk.kind == b"eXIf").map_or(1, |chunk| exif::orientation(&chunk.data));
    let info = ImageInfo {
        format: Format::Png,
        width: header.width,
        height: header.height,
        layout,
        depth,
        orientation,
        unit_rows: 1,
        regions: false,
        whole_decode: header.interlaced,
        more: crate::job::ImageExtras::default(),
    };
    if info.whole_decode {
        limits.whole("An interlaced PNG must be decoded", &info, info.raw_bytes())?;
    }
    if header.data_bytes() > structure.data_bytes.saturating_mul(MOST_EXPANSION) {
        return Err(truncated(Format::Png));
    }
    match structure.completeness {
        Completeness::Ended => Ok(info),
        Completeness::Open => check_rows(source, &info).map(|()| info),
        Completeness::Cut => Err(ends(&info, rows_there(source, &header)?)),
    }
}

/// Checks that image data without a proper end hold all rows, by decoding them.
fn check_rows<R: Read + Seek>(source: &mut R, info: &ImageInfo) -> Result<()> {
    let header = header(source)?;
    let there = rows_there(source, &header)?;
    if there < info.height {
        return Err(ends(info, there));
    }
    let (mut decoder, mut row) = (decoder(&mut *source, info)?, vec![0; info.row_bytes() as usize]);
    // An interlaced image has more, shorter rows.
    while decoder.read_row(&mut row).map_err(|error| explain(error, info, there))?.is_some() {}
    decoder.finish().map_err(|error| explain(error, info, there))
}

/// Returns the refusal of image data that end after this many rows.
fn ends(info: &ImageInfo, found: u32) -> Error {
    let rows = match info.whole_decode {
        true => String::new(),
        false => format!(" after {found} of {} rows", info.height),
    };
    Error::Refused(format!("The image data of this PNG end{rows}: it is truncated. Copy or download it again."))
}

/// Opens the decoder at the first row.
fn decoder<R: Read + Seek>(source: R, info: &ImageInfo) -> Result<png::Reader<BufReader<Essence<R>>>> {
    let mut decoder = png::Decoder::new(BufReader::with_capacity(64 << 10, Essence::new(source)?));
    // EXPAND is lossless: it turns palettes into colours, a transparent colour into alpha, and 1, 2 and 4 bits into 8;
    // everything else is unchanged.
    decoder.set_transformations(png::Transformations::EXPAND);
    // Besides the whole image, the decoder holds a few rows and data chunks.
    let bytes = usize::try_from(info.row_bytes() * 8).unwrap_or(usize::MAX).saturating_add(64 << 20);
    decoder.set_limits(png::Limits { bytes });
    let decoder = decoder.read_info().map_err(|error| explain(error, info, 0))?;
    let line = decoder.output_line_size(info.width).unwrap_or(0) as u64;
    if decoder.info().size() != (info.width, info.height) || line != info.row_bytes() {
        return refuse("The PNG file has changed since its header was read.");
    }
    Ok(decoder)
}

/// Explains an error of the decoder after this many rows.
fn explain(error: png::DecodingError, info: &ImageInfo, found: u32) -> Error {
    match error {
        png::DecodingError::IoError(error) => match blame(Format::Png, error) {
            Error::Refused(_) => ends(info, found),
            source => source,
        },
        png::DecodingError::LimitsExceeded => {
            Error::Refused("This PNG's rows need too much memory. Cut the image into smaller ones.".to_owned())
        }
        other => match other.to_string() {
            words if words.contains("enough data") || words.contains("InsufficientInput") => ends(info, found),
            words if words.starts_with("CRC error") => {
                damaged(Format::Png, "the checksum of its image data is wrong, so some pixels would be wrong as well")
            }
            words => damaged(Format::Png, words),
        },
    }
}

/// Row reader: sequential, or random access to the whole decoded image if it is interlaced.
pub(super) struct Reader<R: Read + Seek> {
    info: ImageInfo,
    rows: Source<R>,
}

enum Source<R: Read + Seek> {
    Whole(Vec<u8>),
    Stream { decoder: Box<png::Reader<BufReader<Essence<R>>>>, next: u32 },
}

impl<R: Read + Seek> Reader<R> {
    pub(super) fn open(source: R, info: &ImageInfo) -> Result<Self> {
        let mut decoder = decoder(source, info)?;
        let rows = if info.whole_decode {
            let mut all = vec![0; bytes_of(info, &(0..info.height)).end];
            decoder.next_frame(&mut all).map_err(|error| explain(error, info, 0))?;
            decoder.finish().map_err(|error| explain(error, info, 0))?;
            Source::Whole(all)
        } else {
            Source::Stream { decoder: Box::new(decoder), next: 0 }
        };
        Ok(Self { info: info.clone(), rows })
    }

    pub(super) fn read(&mut self, rows: Range<u32>) -> Result<Samples> {
        let bytes = match &mut self.rows {
            Source::Whole(all) => all[bytes_of(&self.info, &rows)].to_vec(),
            Source::Stream { decoder, next } => {
                if rows.start < *next {
                    return refuse(format!("Row {} of a PNG was requested after row {next}.", rows.start));
                }
                let row_bytes = self.info.row_bytes() as usize;
                let mut bytes = vec![0; rows.len() * row_bytes];
                while *next < rows.end {
                    let at = next.saturating_sub(rows.start) as usize * row_bytes;
                    let row = decoder.read_row(&mut bytes[at..at + row_bytes]);
                    let row = row.map_err(|error| explain(error, &self.info, *next))?;
                    if row.is_none() {
                        return Err(truncated(Format::Png));
                    }
                    *next += 1;
                    if *next == self.info.height {
                        // The last checksum follows the last row.
                        decoder.finish().map_err(|error| explain(error, &self.info, *next))?;
                    }
                }
                bytes
            }
        };
        Ok(from_be(self.info.depth, bytes))
    }
}
