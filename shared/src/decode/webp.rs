//! WebP decoding (RFC 9649): lossy and lossless; of an animation, the first frame.

mod patched;

use std::io::{BufReader, Read, Seek, SeekFrom};

use image_webp::{DecodingError, WebPDecoder};

use self::patched::Patched;
use super::error::{Error, Result, blame, damaged, refuse, truncated};
use super::exif;
use super::limits::{Blocks, Limits};
use crate::job::{Format, ImageExtras, ImageInfo};
use crate::pixels::{Depth, Layout};

/// RIFF chunk of the file's container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Chunk type.
    pub kind: [u8; 4],
    /// Chunk data.
    pub data: Vec<u8>,
}

/// Contents of a file besides its pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Chunks other than pixel data, in file order.
    pub chunks: Vec<Chunk>,
    /// Whether the pixels (of an animation: those of the first frame) were compressed with loss.
    pub lossy: bool,
    /// Number of frames of an animation; 0 for a still image.
    pub frames: u32,
    /// Bytes to read in place of the file's; see [`header`].
    patches: Vec<(u64, u8)>,
}

impl Header {
    /// Returns the EXIF data. Some writers prefix it with the signature used in JPEG, which is removed.
    pub fn exif(&self) -> Option<&[u8]> {
        let chunk = self.chunks.iter().find(|chunk| &chunk.kind == b"EXIF")?;
        Some(chunk.data.strip_prefix(b"Exif\0\0").unwrap_or(&chunk.data))
    }
}

/// Reads the contents besides pixels.
///
/// # Errors
/// Refused if it isn't a WebP, or its metadata exceeds [`Limits::MAX_METADATA`].
pub fn header<R: Read + Seek>(source: &mut R) -> Result<Header> {
    let end = source.seek(SeekFrom::End(0))?;
    source.rewind()?;
    let mut riff = [0; 12];
    source.read_exact(&mut riff).map_err(blamed)?;
    let said = u64::from(u32::from_le_bytes([riff[4], riff[5], riff[6], riff[7]])) + 8;
    if !riff.starts_with(b"RIFF") || &riff[8..] != b"WEBP" {
        return Err(damaged(Format::Webp, "its header is missing"));
    }
    if said > end {
        return Err(truncated(Format::Webp));
    }
    let mut header = Header { chunks: Vec::new(), lossy: false, frames: 0, patches: Vec::new() };
    let (mut at, mut blocks, mut flags) = (12, Blocks::new(Format::Webp, "chunks"), None);
    // A chunk is its type and length, then its data, padded to an even length.
    while at + 8 <= said {
        let mut start = [0; 8];
        source.seek(SeekFrom::Start(at))?;
        source.read_exact(&mut start).map_err(blamed)?;
        let kind = [start[0], start[1], start[2], start[3]];
        let length = u64::from(u32::from_le_bytes([start[4], start[5], start[6], start[7]]));
        let data_at = at + 8;
        at = data_at + length + length % 2;
        blocks.add(0)?;
        match &kind {
            b"VP8 " => header.lossy = true,
            b"VP8X" => {
                let mut first = [0];
                source.read_exact(&mut first).map_err(blamed)?;
                flags = flags.or(Some((data_at, first[0])));
            }
            b"ANMF" => {
                if header.frames == 0 {
                    header.first_frame(source, data_at)?;
                }
                header.frames += 1;
            }
            b"VP8L" | b"ALPH" | b"ANIM" => {}
            _ => {
                blocks.hold(length)?;
                let mut data = Vec::new();
                source.by_ref().take(length).read_to_end(&mut data)?;
                if data.len() as u64 != length {
                    return Err(truncated(Format::Webp));
                }
                header.chunks.push(Chunk { kind, data });
            }
        }
    }
    if let Some((at, flags)) = flags {
        // The decoder refuses a file that announces metadata but lacks it; libwebp reads it.
        let absent = |kind: &[u8; 4], flag: u8| match header.chunks.iter().any(|chunk| &chunk.kind == kind) {
            true => 0,
            false => flag,
        };
        let unfounded = flags & (absent(b"EXIF", EXIF_FLAG) | absent(b"XMP ", XMP_FLAG));
        if unfounded != 0 {
            header.patches.push((at, flags & !unfounded));
        }
    }
    Ok(header)
}

/// Flags of the VP8X chunk: the file has EXIF data or XMP.
const EXIF_FLAG: u8 = 8;
const XMP_FLAG: u8 = 4;

/// Flag of a frame: its pixels replace those of the canvas, and aren't blended with them.
const REPLACE_FLAG: u8 = 2;

/// Bytes of a frame's header: position, size, duration and flags.
const FRAME_HEADER: usize = 16;

impl Header {
    /// Notes what decoding needs of the first frame. Nothing is below it, so it isn't blended: blending with the transparent
    /// canvas would round its colours.
    fn first_frame<R: Read>(&mut self, source: &mut R, at: u64) -> Result<()> {
        let mut start = [0; FRAME_HEADER + 4];
        source.read_exact(&mut start).map_err(blamed)?;
        self.lossy |= matches!(&start[FRAME_HEADER..], b"VP8 " | b"ALPH");
        self.patches.push((at + FRAME_HEADER as u64 - 1, start[FRAME_HEADER - 1] | REPLACE_FLAG));
        Ok(())
    }
}

/// Reads the header of a WebP file.
pub(super) fn inspect<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<ImageInfo> {
    let header = header(source)?;
    let end = source.seek(SeekFrom::End(0))?;
    let decoder = decoder(&mut *source, &header)?;
    let (width, height) = decoder.dimensions();
    // image-webp reads the largest possible side of a lossless file as 0.
    if !header.lossy && (width == 0 || height == 0) {
        return refuse(
            "This WebP has a side of 16,384 pixels, which can't be read; 16,383 can. Convert it with `dwebp in.webp -o out.png`.",
        );
    }
    limits.size(width, height)?;
    let info = ImageInfo {
        format: Format::Webp,
        width,
        height,
        layout: if decoder.has_alpha() { Layout::Rgba } else { Layout::Rgb },
        depth: Depth::Eight,
        orientation: header.exif().map_or(1, exif::orientation),
        unit_rows: 1,
        regions: false,
        whole_decode: true,
        more: ImageExtras::default(),
    };
    let memory = decoder_memory(&info).max(encoder_memory(&info));
    limits.whole("A WebP must be decoded and encoded", &info, end + memory)?;
    Ok(info)
}

/// Opens the decoder.
fn decoder<R: Read + Seek>(mut source: R, header: &Header) -> Result<WebPDecoder<BufReader<Patched<R>>>> {
    source.rewind()?;
    WebPDecoder::new(BufReader::new(Patched::new(source, header.patches.clone()))).map_err(explain)
}

/// Returns the memory of decoding in bytes: the image, and the decoder's own copy of it (four bytes per pixel, or planes of
/// luma and chroma and a separately decoded alpha); for an animation, a frame and the canvas.
pub fn decoder_memory(info: &ImageInfo) -> u64 {
    info.raw_bytes() + 11 * info.pixels()
}

/// Returns the memory of lossless encoding in bytes: the image, the encoder's copy of four bytes per pixel, and the output, in
/// a buffer of up to twice its size.
pub fn encoder_memory(info: &ImageInfo) -> u64 {
    info.raw_bytes() + 12 * info.pixels()
}

/// Decodes the whole image.
pub(super) fn decode<R: Read + Seek>(mut source: R, info: &ImageInfo) -> Result<Vec<u8>> {
    let header = header(&mut source)?;
    let mut decoder = decoder(source, &header)?;
    // `inspect` checked the size against the limits.
    decoder.set_memory_limit(usize::try_from(8 * info.pixels() + Limits::MAX_METADATA).unwrap_or(usize::MAX));
    let changed = || refuse("The WebP file has changed since its header was read.");
    if decoder.dimensions() != (info.width, info.height)
        || decoder.output_buffer_size().map(|size| size as u64) != Some(info.raw_bytes())
    {
        return changed();
    }
    let mut all = vec![0; info.raw_bytes() as usize];
    decoder.read_image(&mut all).map_err(explain)?;
    Ok(all)
}

fn explain(error: DecodingError) -> Error {
    match error {
        DecodingError::IoError(error) => blamed(error),
        DecodingError::NotEnoughInitData => truncated(Format::Webp),
        error => damaged(Format::Webp, error),
    }
}

/// [`blame`] for this format.
fn blamed(error: std::io::Error) -> Error {
    blame(Format::Webp, error)
}
