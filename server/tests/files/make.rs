//! Files made without the codec: with the png crate, and with a separate TIFF writer.

use std::io::Write;

use shared::for_samples;
use shared::pixels::{Depth, Layout, Rows, SampleType, Samples, f16};
use tiff::encoder::compression::{CompressionAlgorithm, Lzw, Packbits};

/// Returns deterministic pixels with gradients, edges and noise.
pub fn pixels(layout: Layout, depth: Depth, width: u32, height: u32) -> Rows {
    let mut state = 0x2545_f491_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 24
    };
    let mut values = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for channel in 0..layout.channels() as u32 {
                let edge = if (x / 7 + y / 5) % 3 == 0 { 9_000 } else { 0 };
                values.push((x * 511 + y * 257 * (channel + 1) + edge + noise()) as u16);
            }
        }
    }
    let float = |value: u16| f64::from(value) / 7.0 - 1_000.0;
    let values = values.into_iter();
    let samples = match depth {
        Depth::Eight => Samples::U8(values.map(|value| (value >> 8) as u8).collect()),
        Depth::Sixteen => Samples::U16(values.collect()),
        Depth::Half => Samples::F16(values.map(|value| f16::nearest(float(value))).collect()),
        Depth::Float => Samples::F32(values.map(|value| f32::from(value) / 7.0 - 1_000.0).collect()),
        Depth::Double => Samples::F64(values.map(float).collect()),
        Depth::Int32 => Samples::I32(values.map(|value| (i64::from(value) * 60_001 - 2_000_000_000) as i32).collect()),
        Depth::Uint32 => Samples::U32(values.map(|value| u32::from(value) * 65_521 + 7).collect()),
    };
    Rows { width, layout, samples }
}

pub fn big_endian(rows: &Rows) -> Vec<u8> {
    for_samples!(&rows.samples, samples => SampleType::be_bytes(samples))
}

fn color(layout: Layout) -> png::ColorType {
    match layout {
        Layout::Gray => png::ColorType::Grayscale,
        Layout::GrayAlpha => png::ColorType::GrayscaleAlpha,
        Layout::Rgb => png::ColorType::Rgb,
        Layout::Rgba => png::ColorType::Rgba,
        Layout::Cmyk | Layout::Bands(_) | Layout::BandsAlpha(_) => panic!("a PNG has no bands"),
    }
}

/// Encodes a PNG with the png crate.
pub fn png(rows: &Rows) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, rows.width, rows.height() as u32);
    encoder.set_color(color(rows.layout));
    encoder.set_depth(if rows.samples.depth() == Depth::Eight { png::BitDepth::Eight } else { png::BitDepth::Sixteen });
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&big_endian(rows)).unwrap();
    writer.finish().unwrap();
    file
}

/// Returns a chunk of a PNG.
pub fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = crc32fast::Hasher::new();
    crc.update(kind);
    crc.update(data);
    [&(data.len() as u32).to_be_bytes()[..], kind, data, &crc.finalize().to_be_bytes()].concat()
}

/// Returns a PNG's start: signature and header.
pub fn png_start(width: u32, height: u32, bits: u8, color: u8, interlaced: u8) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[bits, color, 0, 0, interlaced]].concat();
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header)].concat()
}

/// Inserts chunks after a file's header.
pub fn with_chunks(png: &[u8], chunks: &[Vec<u8>]) -> Vec<u8> {
    [&png[..33], &chunks.concat(), &png[33..]].concat()
}

pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Encodes an interlaced PNG (Adam7, no filters).
pub fn interlaced_png(rows: &Rows) -> Vec<u8> {
    let (width, height) = (rows.width as usize, rows.height());
    let pixel = rows.layout.channels() * rows.samples.depth().bytes();
    let bytes = big_endian(rows);
    let mut data = Vec::new();
    for (x, y, across, down) in
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    {
        if x >= width {
            continue;
        }
        for row in (y..height).step_by(down) {
            data.push(0);
            for column in (x..width).step_by(across) {
                let at = (row * width + column) * pixel;
                data.extend_from_slice(&bytes[at..at + pixel]);
            }
        }
    }
    let color = [0, 4, 2, 6][[Layout::Gray, Layout::GrayAlpha, Layout::Rgb, Layout::Rgba]
        .iter()
        .position(|layout| *layout == rows.layout)
        .unwrap()];
    let start = png_start(rows.width, rows.height() as u32, rows.samples.depth().bits(), color, 1);
    [start, chunk(b"IDAT", &zlib(&data)), chunk(b"IEND", &[])].concat()
}

/// Encodes a strip or tile as a separate JPEG.
fn jpeg(raw: &[u8], width: u32, height: u32, channels: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let color = if channels == 1 { jpeg_encoder::ColorType::Luma } else { jpeg_encoder::ColorType::Rgb };
    jpeg_encoder::Encoder::new(&mut file, 95).encode(raw, width as u16, height as u16, color).unwrap();
    file
}

/// Encodes rows of whole bytes of 8 pixels each by ITU-T T.6.
fn fax(raw: &[u8], bytes: u32) -> Vec<u8> {
    let mut encoder = fax::encoder::Encoder::new(fax::VecWriter::new());
    for row in raw.chunks(bytes as usize) {
        let bit = |i: usize| if row[i / 8] & (0x80 >> (i % 8)) == 0 { fax::Color::White } else { fax::Color::Black };
        encoder.encode_line((0..row.len() * 8).map(bit), (row.len() * 8) as u16).unwrap();
    }
    encoder.finish().unwrap().finish()
}

/// How to store a TIFF.
#[derive(Debug, Clone)]
pub struct Tiff {
    pub little: bool,
    pub big: bool,
    /// 1, 5, 8, 32946 or 32773.
    pub compression: u16,
    pub predictor: bool,
    /// Whether each channel has its own strips or tiles.
    pub planar: bool,
    /// Width and height of a tile; strips if the width is 0.
    pub piece: (u32, u32),
    /// Further fields: tag, type, count, values in the file's byte order.
    pub fields: Vec<(u16, u16, u32, Vec<u8>)>,
}

impl Default for Tiff {
    fn default() -> Self {
        Self {
            little: true,
            big: false,
            compression: 1,
            predictor: false,
            planar: false,
            piece: (0, 8),
            fields: Vec::new(),
        }
    }
}

impl Tiff {
    pub fn number(&self, value: u64, size: usize) -> Vec<u8> {
        if self.little { value.to_le_bytes()[..size].to_vec() } else { value.to_be_bytes()[8 - size..].to_vec() }
    }

    fn shorts(&self, values: &[u64]) -> Vec<u8> {
        values.iter().flat_map(|value| self.number(*value, 2)).collect()
    }

    /// Returns a strip or tile of these channels.
    fn piece(&self, rows: &Rows, of: std::ops::Range<usize>, at: (u32, u32), size: (u32, u32)) -> Vec<u8> {
        let channels = rows.layout.channels();
        let ((left, top), (width, height)) = (at, size);
        let value = |x: u32, y: u32, channel: usize| -> u64 {
            let (x, y) = (x.min(rows.width - 1), y.min(rows.height() as u32 - 1));
            let at = (y as usize * rows.width as usize + x as usize) * channels + channel;
            match &rows.samples {
                Samples::U8(samples) => samples[at].into(),
                Samples::U16(samples) => samples[at].into(),
                Samples::F16(samples) => samples[at].to_bits().into(),
                Samples::F32(samples) => samples[at].to_bits().into(),
                Samples::F64(samples) => samples[at].to_bits(),
                Samples::I32(samples) => samples[at].cast_unsigned().into(),
                Samples::U32(samples) => samples[at].into(),
            }
        };
        let size = rows.samples.depth().bytes();
        let mut packed = Vec::new();
        let mut raw = Vec::new();
        for y in top..top + height {
            let start = raw.len();
            for x in left..left + width {
                for channel in of.clone() {
                    let before = if self.predictor && x > left { value(x - 1, y, channel) } else { 0 };
                    raw.extend(self.number(value(x, y, channel).wrapping_sub(before), size));
                }
            }
            if self.predictor && rows.samples.depth().is_float() {
                // All highest bytes of a row first, each as the difference from the one a pixel before.
                let big: Vec<u8> = (left..left + width)
                    .flat_map(|x| {
                        of.clone().flat_map(move |channel| value(x, y, channel).to_be_bytes()[8 - size..].to_vec())
                    })
                    .collect();
                let planes: Vec<u8> = (0..size).flat_map(|byte| big[byte..].iter().step_by(size).copied()).collect();
                raw.truncate(start);
                raw.extend(
                    (0..planes.len())
                        .map(|i| planes[i].wrapping_sub(if i < of.len() { 0 } else { planes[i - of.len()] })),
                );
            }
            if self.compression == 32_773 {
                Packbits.write_to(&mut packed, &raw[start..]).unwrap();
            }
        }
        match self.compression {
            1 => return raw,
            5 => drop(Lzw.write_to(&mut packed, &raw).unwrap()),
            8 | 32_946 => packed = zlib(&raw),
            50_000 => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                packed = ruzstd::encoding::compress_to_vec(raw.as_slice(), level);
            }
            7 => packed = jpeg(&raw, width, height, of.len()),
            4 => packed = fax(&raw, width),
            _ => {}
        }
        packed
    }

    /// Returns the file.
    pub fn file(&self, rows: &Rows) -> Vec<u8> {
        Self::pages(&[(self, rows)])
    }

    /// Returns a file of several pages, in the first one's byte order and kind.
    pub fn pages(pages: &[(&Tiff, &Rows)]) -> Vec<u8> {
        let first = pages[0].0;
        let mut file = if first.little { b"II".to_vec() } else { b"MM".to_vec() };
        let (header, size) = if first.big { (16, 8) } else { (8, 4) };
        file.resize(header, 0);
        let start =
            if first.big { [43, 8, 0].map(|value| first.number(value, 2)).concat() } else { first.number(42, 2) };
        file[2..2 + start.len()].copy_from_slice(&start);
        let mut pointer = header - size;
        for (page, rows) in pages {
            let at = page.page(rows, &mut file);
            file[pointer..pointer + size].copy_from_slice(&first.number(at, size));
            pointer = file.len() - size;
        }
        file
    }

    /// Appends a page; returns the offset of its directory.
    fn page(&self, rows: &Rows, file: &mut Vec<u8>) -> u64 {
        let (width, height) = (rows.width, rows.height() as u32);
        let (mut offsets, mut lengths) = (Vec::new(), Vec::new());
        let tiled = self.piece.0 > 0;
        let channels = rows.layout.channels();
        let together = if self.planar { 1 } else { channels };
        for of in (0..channels).step_by(together).map(|first| first..first + together) {
            for top in (0..height).step_by(self.piece.1 as usize) {
                for left in (0..width).step_by(if tiled { self.piece.0 } else { width } as usize) {
                    let size = if tiled { self.piece } else { (width, self.piece.1.min(height - top)) };
                    let piece = self.piece(rows, of.clone(), (left, top), size);
                    offsets.push(file.len() as u64);
                    lengths.push(piece.len() as u64);
                    file.extend(piece);
                }
            }
        }
        let long = |values: &[u64]| values.iter().flat_map(|value| self.number(*value, 4)).collect::<Vec<u8>>();
        let mut fields = vec![
            (256, 4, 1, long(&[width.into()])),
            (257, 4, 1, long(&[height.into()])),
            (258, 3, channels as u32, self.shorts(&vec![rows.samples.depth().bits().into(); channels])),
            (259, 3, 1, self.shorts(&[self.compression.into()])),
            (
                262,
                3,
                1,
                self.shorts(&[match rows.layout {
                    Layout::Cmyk => 5,
                    layout if layout.colors() == 3 => 2,
                    _ => 1,
                }]),
            ),
            (277, 3, 1, self.shorts(&[channels as u64])),
        ];
        let mut extra = vec![0; rows.layout.bands().map_or(0, |bands| usize::from(bands) - 1)];
        extra.extend(rows.layout.has_alpha().then_some(2));
        if !extra.is_empty() {
            fields.push((338, 3, extra.len() as u32, self.shorts(&extra)));
        }
        if rows.layout.bands().is_some() {
            fields.retain(|field| field.0 != 262);
            fields.push((262, 3, 1, self.shorts(&[1])));
        }
        match rows.samples.depth() {
            Depth::Int32 => fields.push((339, 3, channels as u32, self.shorts(&vec![2; channels]))),
            depth if depth.is_float() => fields.push((339, 3, channels as u32, self.shorts(&vec![3; channels]))),
            _ => {}
        }
        if self.predictor {
            let float = rows.samples.depth().is_float();
            fields.push((317, 3, 1, self.shorts(&[if float { 3 } else { 2 }])));
        }
        if self.planar {
            fields.push((284, 3, 1, self.shorts(&[2])));
        }
        let (at, of) = if tiled { (324, 325) } else { (273, 279) };
        fields.push((at, 4, offsets.len() as u32, long(&offsets)));
        fields.push((of, 4, lengths.len() as u32, long(&lengths)));
        if tiled {
            fields.push((322, 3, 1, self.shorts(&[self.piece.0.into()])));
            fields.push((323, 3, 1, self.shorts(&[self.piece.1.into()])));
        } else {
            fields.push((278, 4, 1, long(&[self.piece.1.into()])));
        }
        for field in &self.fields {
            fields.retain(|old| old.0 != field.0);
            fields.push(field.clone());
        }
        self.directory(fields, file)
    }

    /// Appends a directory; returns its offset.
    pub fn directory(&self, mut fields: Vec<(u16, u16, u32, Vec<u8>)>, file: &mut Vec<u8>) -> u64 {
        fields.sort_by_key(|field| field.0);
        let (count, size) = if self.big { (8, 8) } else { (2, 4) };
        let mut directory = self.number(fields.len() as u64, count);
        for (tag, kind, values, mut bytes) in fields {
            directory.extend(self.number(tag.into(), 2));
            directory.extend(self.number(kind.into(), 2));
            directory.extend(self.number(values.into(), size));
            if bytes.len() > size {
                let at = file.len() as u64;
                file.append(&mut bytes);
                bytes = self.number(at, size);
            }
            bytes.resize(size, 0);
            directory.extend(bytes);
        }
        directory.extend(self.number(0, size));
        let at = file.len() as u64;
        file.extend(directory);
        at
    }
}
