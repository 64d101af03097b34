//! PNG from independently encoded parts: a zlib stream may span many IDAT chunks, and a sync flush allows one deflate
//! stream to be concatenated from pieces (RFC 1951, 3.2.4; zlib's `Z_SYNC_FLUSH`).

mod filter;
mod text;

use shared::decode::png::{Animation, Chunk, Color, Place, Structure, structure};
use shared::for_samples;
use shared::job::{ImageInfo, Keeping};
use shared::pixels::{Layout, Rows, SampleType, Samples};

use super::deflate::{LAST_BLOCK, ZLIB_HEADER, adler32, adler32_combine, filtered_piece};
use super::{Envelope, Part, PartIndex, Result, Source, refresh_exif, refuse};

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];

/// Maximum bytes of image data per chunk, so that its length fits.
const MOST_DATA: usize = 1 << 30;

/// The header and the chunks other than image data.
#[derive(Debug, Clone)]
pub(super) struct Head {
    front: Vec<u8>,
    back: Vec<u8>,
}

/// What becomes of a chunk: kept, with its name in the report, or not, with the reason.
enum Fate {
    Kept(Option<&'static str>),
    /// Its meaning is in the pixels now.
    Rewritten,
    /// Dropped, with a note.
    Dropped(String),
}

fn fate(chunk: &Chunk, original: &Structure, loses_color: bool) -> Fate {
    let kind = String::from_utf8_lossy(&chunk.kind).into_owned();
    let few_bits = original.header.bits < 8;
    let gains_alpha = original.has_transparency();
    match &chunk.kind {
        // `promotion` reports what became of these.
        b"PLTE" if original.header.color == Color::Palette => Fate::Rewritten,
        b"tRNS" => Fate::Rewritten,
        b"PLTE" | b"sPLT" | b"hIST" => {
            Fate::Dropped(format!("The suggested palette ({kind}) was for the old colours."))
        }
        b"iCCP" if loses_color => {
            Fate::Dropped("The colour profile (iCCP) is for colours; the result is gray.".to_owned())
        }
        b"bKGD" | b"sBIT" | b"cICP" if loses_color => {
            Fate::Dropped(format!("The chunk {kind} is for colours; the result is gray."))
        }
        b"bKGD" | b"sBIT" if few_bits || original.header.color == Color::Palette => {
            Fate::Dropped(format!("The chunk {kind} was for {} bits or a palette.", original.header.bits))
        }
        b"sBIT" if gains_alpha => Fate::Dropped("The chunk sBIT was for pixels without alpha.".to_owned()),
        b"caBX" => Fate::Dropped("The Content Credentials (C2PA) were signed for the old pixels.".to_owned()),
        b"sBIT" if chunk.data.iter().any(|bits| *bits != original.header.bits) => Fate::Dropped(format!(
            "The chunk sBIT declared fewer than {} significant bits; the result uses all of them.",
            original.header.bits
        )),
        b"pCAL" | b"cLLI" => Fate::Dropped(format!("The chunk {kind} was about the values of the old pixels.")),
        b"iCCP" | b"sRGB" | b"cICP" | b"gAMA" | b"cHRM" => Fate::Kept(Some("the colour space (ICC profile or chunks)")),
        b"eXIf" => Fate::Kept(Some("EXIF")),
        b"iTXt" if chunk.data.starts_with(text::KEYWORD) => Fate::Kept(Some("XMP")),
        b"tEXt" | b"zTXt" | b"iTXt" => Fate::Kept(Some(profile(&chunk.data).unwrap_or("text"))),
        b"pHYs" => Fate::Kept(Some("the resolution")),
        b"tIME" => Fate::Kept(Some("the date")),
        b"sBIT" | b"mDCV" | b"bKGD" | b"oFFs" | b"sCAL" => Fate::Kept(None),
        // The case of the fourth letter says whether editors that don't know the chunk may copy it when pixels changed.
        [_, _, _, safe] if safe.is_ascii_lowercase() => Fate::Kept(None),
        _ => Fate::Dropped(format!("The chunk {kind} is marked as invalid once pixels change.")),
    }
}

/// Returns the kind of metadata in a text chunk where ImageMagick and others store it as hexadecimal digits.
fn profile(text: &[u8]) -> Option<&'static str> {
    match text.strip_prefix(b"Raw profile type ")?.split(|byte| *byte == 0).next()? {
        b"iptc" | b"8bim" => Some("IPTC"),
        b"exif" | b"APP1" => Some("EXIF"),
        b"xmp" => Some("XMP"),
        _ => None,
    }
}

/// Reports how the sample format changes in the result.
fn promotion(original: &Structure, keeping: &mut Keeping) {
    let bits = original.header.bits;
    if original.header.color == Color::Palette {
        keeping.change(format!(
            "The palette of {bits} bits became colours of 8 bits each: an equalized image has more colours than a palette."
        ));
    } else if bits < 8 {
        let bits = if bits == 1 { "1 bit".to_owned() } else { format!("{bits} bits") };
        keeping.change(format!("Samples of {bits} became 8 bits, so that an equalized image has all its shades."));
    }
    if original.header.interlaced {
        keeping.change("The PNG was interlaced; the result isn't.");
    }
    if original.has_transparency() {
        keeping.change("The transparent colours (tRNS) became an alpha channel.");
    }
}

/// Reports what is lost of an animation.
fn still(animation: Animation) -> String {
    let frames = animation.frames;
    match animation.still_is_first {
        true => format!("This PNG is animated: of its frames ({frames}), only the first is equalized and kept."),
        false => {
            format!("This PNG has an animation: its frames ({frames}) were left out; the still image is equalized.")
        }
    }
}

impl Head {
    /// Reads the original's chunks.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        keeping: &mut Keeping,
    ) -> Result<Self> {
        let structure = structure(&mut source)?;
        let mut head = Self { front: start(info)?, back: Vec::new() };
        promotion(&structure, keeping);
        structure.defects.iter().for_each(|defect| keeping.change(defect));
        if let Some(animation) = structure.animation {
            keeping.change(still(animation));
        }
        for chunk in &structure.chunks {
            let chunk = match fate(chunk, &structure, loses_color) {
                Fate::Dropped(note) => {
                    keeping.change(note);
                    continue;
                }
                Fate::Rewritten => continue,
                Fate::Kept(name) => {
                    let mut chunk = chunk.clone();
                    if &chunk.kind == b"eXIf" {
                        refresh_exif(&mut chunk.data, keeping);
                    }
                    if !text::refresh(&mut chunk, keeping) {
                        continue;
                    }
                    name.into_iter().for_each(|name| keeping.keep(name));
                    chunk
                }
            };
            let place = if chunk.place == Place::Front { &mut head.front } else { &mut head.back };
            put(place, chunk.kind, &chunk.data);
        }
        put(&mut head.back, *b"IEND", &[]);
        Ok(head)
    }

    /// Encodes rows as IDAT chunks.
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
            overviews: Vec::new(),
            adler32: Some(adler32(&raw)),
            raw_bytes: raw.len() as u64,
        };
        Ok(Part { index, bytes })
    }

    pub(super) fn join(&self, info: &ImageInfo, index: &[PartIndex]) -> Result<Envelope> {
        let mut sum = adler32(&[]);
        for part in index {
            let raw = (info.row_bytes() + 1) * u64::from(part.rows);
            let (Some(adler), true) = (part.adler32, part.raw_bytes == raw) else {
                return refuse("The index of a part is not that of a PNG's part.");
            };
            sum = adler32_combine(sum, adler, part.raw_bytes);
        }
        let mut begin = self.front.clone();
        put(&mut begin, *b"IDAT", &ZLIB_HEADER);
        let mut end = Vec::with_capacity(self.back.len() + 18);
        let [a, b, c, d] = sum.to_be_bytes();
        put(&mut end, *b"IDAT", &[LAST_BLOCK[0], LAST_BLOCK[1], a, b, c, d]);
        end.extend_from_slice(&self.back);
        Ok(Envelope { begin, end })
    }

    /// Returns the number of bytes before the parts.
    pub(super) fn begin_bytes(&self) -> usize {
        self.front.len() + CHUNK + ZLIB_HEADER.len()
    }
}

/// Bytes of a chunk without its data.
const CHUNK: usize = 12;

/// Returns the signature and the header of a file.
pub(super) fn start(info: &ImageInfo) -> Result<Vec<u8>> {
    let mut header = Vec::with_capacity(13);
    header.extend(info.width.to_be_bytes());
    header.extend(info.height.to_be_bytes());
    header.extend([info.depth.bits(), color_type(info.layout)?, 0, 0, 0]);
    let mut file = SIGNATURE.to_vec();
    put(&mut file, *b"IHDR", &header);
    Ok(file)
}

fn color_type(layout: Layout) -> Result<u8> {
    match layout {
        Layout::Gray => Ok(0),
        Layout::Rgb => Ok(2),
        Layout::GrayAlpha => Ok(4),
        Layout::Rgba => Ok(6),
        Layout::Cmyk => refuse("A PNG can't have inks."),
        Layout::Bands(bands) | Layout::BandsAlpha(bands) => refuse(format!("A PNG can't have {bands} bands.")),
    }
}

fn big_endian(samples: &Samples) -> std::borrow::Cow<'_, [u8]> {
    match samples {
        Samples::U8(samples) => samples.into(),
        samples => for_samples!(samples, samples => SampleType::be_bytes(samples)).into(),
    }
}

/// Appends a chunk.
pub(super) fn put(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    let length = u32::try_from(data.len()).expect("data are cut, and metadata read, in lengths that fit");
    let mut crc = crc32fast::Hasher::new();
    crc.update(&kind);
    crc.update(data);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    file.extend_from_slice(&crc.finalize().to_be_bytes());
}
