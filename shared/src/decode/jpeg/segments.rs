//! Marker segments of a JPEG file up to its first scan (T.81, annex B).

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

use super::super::error::{Error, Result, blame, damaged};
use super::super::limits::{Blocks, too_many};
use crate::job::Format;

/// Row-major index for each zig-zag position (T.81, figure A.6).
pub(super) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// Maximum number of 0xff fill bytes before a marker. Valid files don't need any.
const MOST_FILL: usize = 64 << 10;

/// Maximum number of scans. Each scan is a pass over the whole image, so a file with more is meant to exhaust the decoder;
/// libjpeg writes 10.
const MOST_SCANS: usize = 500;

/// Colour component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Component identifier.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub horizontal: u8,
    /// Vertical sampling factor, 1 to 4.
    pub vertical: u8,
    /// Index of its quantization table, 0 to 3.
    pub table: u8,
}

/// Application segment or comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Second byte of the marker: `0xe0..=0xef` or `0xfe`.
    pub marker: u8,
    /// Data after the length field.
    pub data: Vec<u8>,
}

/// Contents of a JPEG file before its first scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Second byte of the frame's marker, which determines the coding process.
    pub frame: u8,
    /// Bits per sample.
    pub precision: u8,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels; 0 if the file defines it after the first scan (DNL).
    pub height: u16,
    /// Components, in order.
    pub components: Vec<Component>,
    /// Quantization tables by index, in row-major order.
    pub tables: [Option<[u16; 64]>; 4],
    /// Application segments and comments, in order.
    pub segments: Vec<Segment>,
    /// File offset of the first scan's marker.
    pub scan_offset: u64,
    /// Number of components in the first scan.
    pub scan_components: u8,
    /// Number of bytes between segments that belong to none.
    pub stray: usize,
}

impl Header {
    /// Returns the EXIF data, starting with the byte order mark.
    pub fn exif(&self) -> Option<&[u8]> {
        self.segments
            .iter()
            .filter(|segment| segment.marker == 0xe1)
            .find_map(|segment| segment.data.strip_prefix(b"Exif\0\0"))
    }

    /// Returns the colour transform of the Adobe segment: 0 none, 1 YCbCr, 2 YCCK.
    pub fn adobe_transform(&self) -> Option<u8> {
        self.segments
            .iter()
            .filter(|segment| segment.marker == 0xee && segment.data.starts_with(b"Adobe"))
            .find_map(|segment| segment.data.get(11).copied())
    }
}

fn number<const N: usize>(source: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(blamed)?;
    Ok(bytes)
}

/// Reads the segments before the first scan.
pub fn header<R: Read + Seek>(source: &mut R) -> Result<Header> {
    source.seek(SeekFrom::Start(0))?;
    let mut source = BufReader::with_capacity(16 << 10, source);
    if number::<2>(&mut source)? != [0xff, 0xd8] {
        return Err(damaged(Format::Jpeg, "it doesn't begin with its marker"));
    }
    let mut header = Header {
        frame: 0,
        precision: 0,
        width: 0,
        height: 0,
        components: Vec::new(),
        tables: [None; 4],
        segments: Vec::new(),
        scan_offset: 0,
        scan_components: 0,
        stray: 0,
    };
    let mut blocks = Blocks::new(Format::Jpeg, "segments before its pixels");
    loop {
        let marker = marker(&mut source, &mut header.stray)?;
        blocks.add(0)?;
        if marker == 0xda {
            header.scan_offset = source.stream_position()? - 2;
            let [_, _, components] = number(&mut source)?;
            header.scan_components = components;
            if header.components.is_empty() {
                return Err(damaged(Format::Jpeg, "a scan begins before the frame's header"));
            }
            return Ok(header);
        }
        if matches!(marker, 0x01 | 0xd0..=0xd7) {
            continue;
        }
        if marker == 0xd9 {
            return Err(damaged(Format::Jpeg, "it ends without image data"));
        }
        let length = usize::from(u16::from_be_bytes(number(&mut source)?));
        let Some(length) = length.checked_sub(2) else {
            return Err(damaged(Format::Jpeg, "a segment has no length"));
        };
        blocks.hold(length as u64)?;
        let mut data = vec![0; length];
        source.read_exact(&mut data).map_err(blamed)?;
        match marker {
            0xdb => tables(&mut header.tables, &data)?,
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf | 0xf7 => frame(&mut header, marker, &data)?,
            0xe0..=0xef | 0xfe => header.segments.push(Segment { marker, data }),
            _ => {}
        }
    }
}

/// Reads a marker, with any fill bytes before it, and returns its second byte. Bytes that belong to no segment are skipped, as by
/// libjpeg, and added to `stray`.
fn marker(source: &mut impl Read, stray: &mut usize) -> Result<u8> {
    let mut before = 0;
    for _ in 0..MOST_FILL {
        let [byte] = number(source)?;
        match (before, byte) {
            (_, 0xff) => {}
            (0xff, 0) => *stray += 2,
            (0xff, marker) => return Ok(marker),
            _ => *stray += 1,
        }
        before = byte;
    }
    Err(damaged(Format::Jpeg, "there are too many bytes before a segment that belong to none"))
}

fn frame(header: &mut Header, marker: u8, data: &[u8]) -> Result<()> {
    let wrong = || damaged(Format::Jpeg, "its frame header is wrong");
    if !header.components.is_empty() {
        return Err(damaged(Format::Jpeg, "it has two frames"));
    }
    let (start, rest) = data.split_first_chunk::<6>().ok_or_else(wrong)?;
    let count = usize::from(start[5]);
    if count == 0 || rest.len() != 3 * count {
        return Err(wrong());
    }
    header.frame = marker;
    header.precision = start[0];
    header.height = u16::from_be_bytes([start[1], start[2]]);
    header.width = u16::from_be_bytes([start[3], start[4]]);
    for three in rest.chunks_exact(3) {
        let component = Component { id: three[0], horizontal: three[1] >> 4, vertical: three[1] & 15, table: three[2] };
        let factors = 1..=4;
        if !factors.contains(&component.horizontal) || !factors.contains(&component.vertical) || component.table > 3 {
            return Err(wrong());
        }
        header.components.push(component);
    }
    Ok(())
}

pub(super) fn tables(tables: &mut [Option<[u16; 64]>; 4], mut data: &[u8]) -> Result<()> {
    let wrong = || damaged(Format::Jpeg, "its quantization tables are wrong");
    while let Some((&start, rest)) = data.split_first() {
        let (wide, number) = (start >> 4, usize::from(start & 15));
        let size = match wide {
            0 => 64,
            1 => 128,
            _ => return Err(wrong()),
        };
        let values = rest.get(..size).ok_or_else(wrong)?;
        let table = tables.get_mut(number).ok_or_else(wrong)?.insert([0; 64]);
        for (i, at) in ZIGZAG.into_iter().enumerate() {
            table[at] = match wide {
                0 => values[i].into(),
                _ => u16::from_be_bytes([values[2 * i], values[2 * i + 1]]),
            };
        }
        data = &rest[size..];
    }
    Ok(())
}

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an end-of-image marker: the image's, or that of another one after it.
    Marker,
    /// With further bytes after the image's end.
    More {
        /// Their number.
        bytes: u64,
        /// Whether they are a video: the file is a motion photo.
        video: bool,
    },
    /// Before the image's end.
    Cut,
}

/// Returns how the file ends. Looks at the last two bytes first, because most files need nothing else.
///
/// # Errors
/// Those of the source.
pub fn ending<R: Read + Seek>(source: &mut R, header: &Header) -> Result<Ending> {
    let mut last = [0; 2];
    let length = source.seek(SeekFrom::End(-2))? + 2;
    source.read_exact(&mut last)?;
    if last == [0xff, 0xd9] {
        return Ok(Ending::Marker);
    }
    source.seek(SeekFrom::Start(header.scan_offset))?;
    let mut source = BufReader::with_capacity(64 << 10, source);
    let (mut at, mut before) = (header.scan_offset, 0);
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            return Ok(Ending::Cut);
        }
        let ends_marker =
            |byte: &u8| std::mem::replace(&mut before, *byte) == 0xff && !matches!(byte, 0 | 0x01 | 0xd0..=0xd7 | 0xff);
        let found = buffer.iter().position(ends_marker);
        let marker = found.map(|place| buffer[place]);
        let passed = found.map_or(buffer.len(), |place| place + 1);
        source.consume(passed);
        at += passed as u64;
        match marker {
            None => continue,
            Some(0xd9) => break,
            Some(_) => before = 0,
        }
        let mut size = [0; 2];
        match source.read_exact(&mut size) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(Ending::Cut),
            read => read?,
        }
        let size = u16::from_be_bytes(size).max(2);
        source.seek_relative(i64::from(size) - 2)?;
        at += u64::from(size);
    }
    let mut start = Vec::new();
    source.take(64).read_to_end(&mut start)?;
    let names = |name: &[u8]| start.windows(name.len()).any(|bytes| bytes == name);
    Ok(Ending::More { bytes: length - at, video: start.get(4..8) == Some(b"ftyp") || names(b"MotionPhoto_Data") })
}

/// Checks the number of scans before decoding, because a few bytes of scan can cost a decoder another pass over the whole
/// image. `scan` starts with the first scan's marker.
///
/// # Errors
/// Refused if there are more than [`MOST_SCANS`].
pub(in super::super) fn check_scans(scan: &[u8]) -> Result<()> {
    let (mut at, mut scans) = (0, 0);
    while let Some(marker) = next_marker(scan, at) {
        at = marker + 2;
        match scan[marker + 1] {
            0xd9 => break,
            0xda => scans += 1,
            // TEM is the only marker here without a length field.
            0x01 => continue,
            _ => {}
        }
        if scans > MOST_SCANS {
            return too_many(Format::Jpeg, "scans, each of which goes over the whole image", MOST_SCANS);
        }
        let length = scan.get(at..at + 2).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
        at += length;
    }
    Ok(())
}

/// Returns the position of the next marker that isn't a fill byte, a stuffed byte of scan data, or a restart marker.
fn next_marker(scan: &[u8], from: usize) -> Option<usize> {
    let is_marker = |two: &[u8]| two[0] == 0xff && !matches!(two[1], 0 | 0xd0..=0xd7 | 0xff);
    Some(from + scan.get(from..)?.windows(2).position(is_marker)?)
}

/// [`blame`] for this format.
fn blamed(error: std::io::Error) -> Error {
    blame(Format::Jpeg, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds `count` scans of three data bytes each, with a comment containing an end-of-image marker after the first.
    fn scans(count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for scan in 0..count {
            bytes.extend(b"\xff\xda\x00\x04ab\xff\x00\xff\xd3c");
            if scan == 0 {
                bytes.extend(b"\xff\xfe\x00\x04\xff\xd9");
            }
        }
        bytes.extend(b"\xff\xd9");
        bytes
    }

    #[test]
    fn an_image_of_too_many_scans_is_refused() {
        assert!(check_scans(&scans(MOST_SCANS)).is_ok());
        let sentence = check_scans(&scans(MOST_SCANS + 1)).map_err(|error| error.to_string());
        assert!(matches!(&sentence, Err(sentence) if sentence.contains("500 scans")), "{sentence:?}");
    }

    #[test]
    fn what_follows_the_end_is_not_counted() {
        let video = b"\xff\xda\x00\x02".repeat(MOST_SCANS);
        assert!(check_scans(&[scans(MOST_SCANS), video].concat()).is_ok());
    }
}
