//! PNG decoding (W3C recommendation, third edition).

mod chunks;

use std::io::{BufReader, Read, Seek};
use std::ops::Range;

pub(super) use chunks::profile;
pub use chunks::{Chunk, Color, Header, Place, Structure, header, structure};

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
    if structure.chunks.iter().any(|chunk| &chunk.kind == b"acTL") {
        return refuse("This PNG is animated (APNG), which isn't supported.");
    }
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
    Ok(info)
}

fn explain(error: png::DecodingError) -> Error {
    match error {
        png::DecodingError::IoError(error) => blame(Format::Png, error),
        png::DecodingError::LimitsExceeded => Error::Refused("This PNG needs too much memory.".to_owned()),
        other => damaged(Format::Png, other),
    }
}

/// Row reader: sequential, or random access to the whole decoded image if it is interlaced.
pub(super) struct Reader<R: Read + Seek> {
    info: ImageInfo,
    rows: Source<R>,
}

enum Source<R: Read + Seek> {
    Whole(Vec<u8>),
    Stream { decoder: Box<png::Reader<BufReader<R>>>, next: u32 },
}

impl<R: Read + Seek> Reader<R> {
    pub(super) fn open(source: R, info: &ImageInfo) -> Result<Self> {
        let mut decoder = png::Decoder::new(BufReader::with_capacity(64 << 10, source));
        // EXPAND is lossless: it turns palettes into colours, a transparent colour into alpha, and 1, 2 and 4 bits into 8;
        // everything else is unchanged.
        decoder.set_transformations(png::Transformations::EXPAND);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        // Besides the whole image, the decoder holds a few rows and data chunks.
        let bytes = usize::try_from(info.row_bytes() * 8).unwrap_or(usize::MAX).saturating_add(64 << 20);
        decoder.set_limits(png::Limits { bytes });
        let mut decoder = decoder.read_info().map_err(explain)?;
        let line = decoder.output_line_size(info.width).unwrap_or(0) as u64;
        if decoder.info().size() != (info.width, info.height) || line != info.row_bytes() {
            return refuse("The PNG file has changed since its header was read.");
        }
        let rows = if info.whole_decode {
            let mut all = vec![0; bytes_of(info, &(0..info.height)).end];
            decoder.next_frame(&mut all).map_err(explain)?;
            decoder.finish().map_err(explain)?;
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
                    let row = decoder.read_row(&mut bytes[at..at + row_bytes]).map_err(explain)?;
                    if row.is_none() {
                        return Err(truncated(Format::Png));
                    }
                    *next += 1;
                    if *next == self.info.height {
                        // The last checksum follows the last row.
                        decoder.finish().map_err(explain)?;
                    }
                }
                bytes
            }
        };
        Ok(from_be(self.info.depth, bytes))
    }
}
