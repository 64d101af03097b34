//! The one scan of a file, encoded in pieces of whole rows of MCUs.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, QuantizationTableType, SamplingFactor};
use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows};

use super::super::{Error, Part, PartIndex, Result, refuse};
use super::{Head, Parts};

/// The start of the image and the encoder's own JFIF segment.
const ENCODERS_START: usize = 20;
/// End of image.
pub(super) const END: [u8; 2] = [0xff, 0xd9];
/// Start of frame, baseline.
const FRAME: u8 = 0xc0;
/// Start of scan.
const SCAN: u8 = 0xda;

impl Head {
    /// Encodes the rows from `first_row` on: what the scan has of them, the restart marker before them included.
    pub(in crate::codec) fn part(&self, info: &ImageInfo, first_row: u32, rows: &Rows) -> Result<Part> {
        let raw = rows.to_le_bytes();
        let (raw_bytes, height) = (raw.len() as u64, rows.height());
        let bytes = match self.parts {
            Parts::Encoded => self.scan(info, first_row / self.mcu_height(), height, &raw)?,
            Parts::Raw => raw,
        };
        let length = bytes.len() as u64;
        // Only what is encoded has a piece, so that neither is ever taken for the other.
        let pieces = if self.parts == Parts::Encoded { vec![length] } else { Vec::new() };
        Ok(Part { index: PartIndex { bytes: length, rows: height as u32, pieces, adler32: None, raw_bytes }, bytes })
    }

    fn mcu_height(&self) -> u32 {
        8 * u32::from(self.sampling.1)
    }

    /// What the scan has of some rows, before which there are so many rows of MCUs.
    fn scan(&self, info: &ImageInfo, before: u32, height: usize, raw: &[u8]) -> Result<Vec<u8>> {
        let mut file = self.encode(info, height, raw)?;
        let start = scan_start(&file);
        file.truncate(file.len() - END.len());
        renumber_restarts(&mut file[start..], before);
        if before == 0 {
            return Ok(file.split_off(start));
        }
        let marker = [0xff, restart_marker(before - 1)];
        Ok([&marker, &file[start..]].concat())
    }

    /// The file of some rows, as the encoder writes it.
    fn encode(&self, info: &ImageInfo, height: usize, raw: &[u8]) -> Result<Vec<u8>> {
        let (Ok(width), Ok(height)) = (u16::try_from(info.width), u16::try_from(height)) else {
            return refuse("A JPEG has at most 65,535 pixels a side.");
        };
        let Some(sampling) = SamplingFactor::from_factors(self.sampling.0, self.sampling.1) else {
            return refuse("This JPEG subsamples its colours in an unusual way, which can't be kept yet.");
        };
        let color = if info.layout == Layout::Gray { ColorType::Luma } else { ColorType::Rgb };
        let mut file = Vec::with_capacity(raw.len() / 4 + 1_024);
        let mut encoder = Encoder::new(&mut file, 100);
        encoder.set_quantization_tables(
            QuantizationTableType::Custom(self.luma.clone()),
            QuantizationTableType::Custom(self.chroma.clone()),
        );
        encoder.set_sampling_factor(sampling);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        if self.parts == Parts::Encoded {
            encoder.set_restart_interval(width.div_ceil(8 * u16::from(self.sampling.0)));
        }
        encoder.encode(raw, width, height, color).map_err(|error| Error::Refused(format!("{error}.")))?;
        Ok(file)
    }

    /// All that stands before the scan's data.
    pub(super) fn front(&self, info: &ImageInfo) -> Result<Vec<u8>> {
        let Ok(height) = u16::try_from(info.height) else {
            return refuse("A JPEG has at most 65,535 pixels a side.");
        };
        // The file of one row has the same tables, and differs only in the height that it tells.
        let mut file = self.encode(info, 1, &vec![0; info.row_bytes() as usize])?;
        file.truncate(scan_start(&file));
        let frame = segments(&file).find(|(marker, _)| *marker == FRAME);
        if let Some((_, at)) = frame {
            // Length, precision, height (T.81, B.2.2).
            file[at + 3..at + 5].copy_from_slice(&height.to_be_bytes());
        }
        Ok(self.with_segments(&file))
    }

    /// The whole file.
    pub(super) fn file(&self, info: &ImageInfo, raw: &[u8]) -> Result<Vec<u8>> {
        Ok(self.with_segments(&self.encode(info, info.height as usize, raw)?))
    }

    /// The encoder's file with the original's segments instead of the encoder's own.
    fn with_segments(&self, file: &[u8]) -> Vec<u8> {
        let (start, rest) = file.split_at(ENCODERS_START);
        let jfif = self.jfif.as_deref().unwrap_or(&start[2..]);
        [&start[..2], jfif, &self.segments, rest].concat()
    }
}

/// The markers of an encoder's file up to its first scan, and where the lengths that follow them are.
fn segments(file: &[u8]) -> impl Iterator<Item = (u8, usize)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let [0xff, marker, high, low] = *file.get(at..at + 4)? else { return None };
        let segment = (marker, at + 2);
        at = if marker == SCAN { file.len() } else { at + 2 + usize::from(u16::from_be_bytes([high, low])) };
        Some(segment)
    })
}

/// Where the data of an encoder's file's first scan begin.
fn scan_start(file: &[u8]) -> usize {
    let scan = segments(file).find(|(marker, _)| *marker == SCAN);
    scan.map_or(file.len(), |(_, at)| at + usize::from(u16::from_be_bytes([file[at], file[at + 1]])))
}

/// The marker after so many others (T.81, B.2.1: they count modulo 8).
fn restart_marker(others: u32) -> u8 {
    0xd0 + (others % 8) as u8
}

/// Restart markers that count from 0 go on where the rows of MCUs before have left off. Data never look like a marker: after
/// 0xff there is a 0 (T.81, F.1.2.3).
fn renumber_restarts(data: &mut [u8], before: u32) {
    if before.is_multiple_of(8) {
        return;
    }
    for at in 1..data.len() {
        if data[at - 1] == 0xff && (0xd0..=0xd7).contains(&data[at]) {
            data[at] = restart_marker(u32::from(data[at] - 0xd0) + before);
        }
    }
}
