//! PNG of parts that were encoded apart: the standard lets one zlib stream lie in many IDAT chunks, and a sync flush
//! lets one deflate stream be made of pieces (RFC 1951, 3.2.4; zlib's `Z_SYNC_FLUSH`).

mod filter;

use shared::decode::png::{Chunk, Place, structure};
use shared::job::ImageInfo;
use shared::pixels::{Layout, Rows, Samples};

use super::deflate::{LAST_BLOCK, ZLIB_HEADER, adler32, adler32_combine, filtered_piece};
use super::{Part, PartIndex, Result, Source, refuse};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// No chunk of image data is longer, so that their lengths fit.
const MOST_DATA: usize = 1 << 30;

/// The header and the chunks that aren't image data.
#[derive(Debug, Clone)]
pub(super) struct Head {
    front: Vec<u8>,
    back: Vec<u8>,
}

/// Whether a chunk is kept, or why not.
enum Fate {
    Kept,
    /// Dropped, with a note.
    Dropped(String),
}

fn fate(chunk: &Chunk, loses_color: bool) -> Fate {
    let kind = String::from_utf8_lossy(&chunk.kind).into_owned();
    match &chunk.kind {
        b"PLTE" | b"sPLT" | b"hIST" => Fate::Dropped(format!("The suggested palette ({kind}) was of the old colours.")),
        b"iCCP" if loses_color => {
            Fate::Dropped("The colour profile (iCCP) is for colours; the result is gray.".to_owned())
        }
        b"bKGD" | b"sBIT" | b"cICP" if loses_color => {
            Fate::Dropped(format!("The chunk {kind} is for colours; the result is gray."))
        }
        b"cHRM" | b"gAMA" | b"iCCP" | b"sBIT" | b"sRGB" | b"cICP" | b"mDCV" | b"cLLI" | b"bKGD" | b"pHYs" | b"oFFs"
        | b"pCAL" | b"sCAL" | b"tIME" | b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" => Fate::Kept,
        // The fourth letter says whether a program that doesn't know the chunk may copy it beside changed pixels.
        [_, _, _, safe] if safe.is_ascii_lowercase() => Fate::Kept,
        _ => Fate::Dropped(format!("The chunk {kind} says of itself that it doesn't outlive a change of pixels.")),
    }
}

impl Head {
    /// Reads the original's chunks.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let structure = structure(&mut source)?;
        let mut head = Self { front: SIGNATURE.to_vec(), back: Vec::new() };
        let mut header = Vec::with_capacity(13);
        header.extend(info.width.to_be_bytes());
        header.extend(info.height.to_be_bytes());
        header.extend([info.depth.bits(), color_type(info.layout), 0, 0, 0]);
        put(&mut head.front, *b"IHDR", &header);
        for mut chunk in structure.chunks {
            match fate(&chunk, loses_color) {
                Fate::Dropped(note) => {
                    notes.push(note);
                    continue;
                }
                Fate::Kept => {}
            }
            if &chunk.kind == b"eXIf" && shared::decode::exif::forget_thumbnail(&mut chunk.data) {
                notes.push("The EXIF thumbnail showed the old pixels.".to_owned());
            }
            let place = if chunk.place == Place::Front { &mut head.front } else { &mut head.back };
            put(place, chunk.kind, &chunk.data);
        }
        put(&mut head.back, *b"IEND", &[]);
        Ok(head)
    }

    /// Encodes rows as chunks of image data.
    pub(super) fn part(&self, info: &ImageInfo, rows: &Rows) -> Result<Part> {
        let row_bytes = rows.width as usize * info.layout.channels() * info.depth.bytes();
        let raw = filter::filter(&big_endian(&rows.samples), row_bytes, info.layout.channels() * info.depth.bytes());
        let data = filtered_piece(&raw);
        let mut bytes = Vec::with_capacity(data.len() + 12);
        for data in data.chunks(MOST_DATA) {
            put(&mut bytes, *b"IDAT", data);
        }
        let index = PartIndex {
            bytes: bytes.len() as u64,
            rows: rows.height() as u32,
            pieces: Vec::new(),
            adler32: Some(adler32(&raw)),
            raw_bytes: raw.len() as u64,
        };
        Ok(Part { index, bytes })
    }

    pub(super) fn join(&self, info: &ImageInfo, index: &[PartIndex]) -> Result<Joiner> {
        let mut sum = adler32(&[]);
        for part in index {
            let raw = (info.row_bytes() + 1) * u64::from(part.rows);
            let (Some(adler), true) = (part.adler32, part.raw_bytes == raw) else {
                return refuse("The index of a part is not that of a PNG's part.");
            };
            sum = adler32_combine(sum, adler, part.raw_bytes);
        }
        let mut front = self.front.clone();
        put(&mut front, *b"IDAT", &ZLIB_HEADER);
        let mut back = Vec::with_capacity(self.back.len() + 18);
        let [a, b, c, d] = sum.to_be_bytes();
        put(&mut back, *b"IDAT", &[LAST_BLOCK[0], LAST_BLOCK[1], a, b, c, d]);
        back.extend_from_slice(&self.back);
        Ok(Joiner { front, back })
    }
}

/// What stands before and after the parts.
pub(super) struct Joiner {
    front: Vec<u8>,
    back: Vec<u8>,
}

impl Joiner {
    pub(super) fn begin(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.front)
    }

    pub(super) fn end(self) -> Vec<u8> {
        self.back
    }
}

const fn color_type(layout: Layout) -> u8 {
    match layout {
        Layout::Gray => 0,
        Layout::Rgb => 2,
        Layout::GrayAlpha => 4,
        Layout::Rgba => 6,
    }
}

fn big_endian(samples: &Samples) -> std::borrow::Cow<'_, [u8]> {
    match samples {
        Samples::U8(samples) => samples.into(),
        Samples::U16(samples) => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect::<Vec<u8>>().into(),
    }
}

/// Appends a chunk.
fn put(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("data are cut, and metadata read, in lengths that fit");
    let mut crc = crc32fast::Hasher::new();
    crc.update(&kind);
    crc.update(data);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    file.extend_from_slice(&crc.finalize().to_be_bytes());
}
