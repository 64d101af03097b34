//! JPEG with the original's quantization tables, subsampling and metadata. A part is raw rows, for the join to encode.

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, QuantizationTableType, SamplingFactor};
use shared::decode::exif::forget_thumbnail;
use shared::decode::jpeg::{PROGRESSIVE, Segment, header};
use shared::job::{ImageInfo, Keeping};
use shared::pixels::{Layout, Rows};

use super::{Error, Part, PartIndex, Result, Source, photoshop, refuse};

/// The start of the image and the encoder's own JFIF segment.
const ENCODERS_START: usize = 20;

/// What Photoshop's resources begin with.
const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";

/// How to encode, and the segments before the image.
#[derive(Debug, Clone)]
pub(super) struct Head {
    luma: Box<[u16; 64]>,
    chroma: Box<[u16; 64]>,
    sampling: (u8, u8),
    /// The original's JFIF segment, marker and length included.
    jfif: Option<Vec<u8>>,
    segments: Vec<u8>,
}

/// What becomes of a segment.
enum Fate {
    Kept(Option<&'static str>),
    /// It is the encoder's to write.
    Rewritten,
    /// Dropped, with a note.
    Dropped(&'static str),
}

fn fate(segment: &Segment, loses_color: bool) -> Fate {
    match (segment.marker, segment.data.as_slice()) {
        (0xe0, [b'J', b'F', b'I', b'F', 0, ..]) => Fate::Rewritten,
        (0xe0, [b'J', b'F', b'X', b'X', 0, ..]) => Fate::Dropped("The JFIF thumbnail showed the old pixels."),
        (0xe2, [b'M', b'P', b'F', 0, ..]) => {
            Fate::Dropped("The further pictures in this JPEG (MPF: a gain map or previews) were of the old pixels.")
        }
        (0xe2, [b'I', b'C', b'C', b'_', b'P', ..]) if loses_color => {
            Fate::Dropped("The colour profile (ICC) is for colours; the result is gray.")
        }
        (0xee, [b'A', b'd', b'o', b'b', b'e', ..]) if loses_color => Fate::Rewritten,
        (0xe2, [b'I', b'C', b'C', b'_', b'P', ..]) => Fate::Kept(Some("the colour profile (ICC)")),
        (0xe1, [b'E', b'x', b'i', b'f', 0, ..]) => Fate::Kept(Some("EXIF")),
        (0xe1, data) if data.starts_with(b"http://ns.adobe.com/") => Fate::Kept(Some("XMP")),
        (0xed, data) if data.strip_prefix(PHOTOSHOP).is_some_and(photoshop::has_iptc) => Fate::Kept(Some("IPTC")),
        (0xed, _) => Fate::Kept(Some("Photoshop's resources")),
        (0xfe, _) => Fate::Kept(Some("the comment")),
        _ => Fate::Kept(None),
    }
}

impl Head {
    /// Reads the original's tables and segments.
    pub(super) fn read(
        mut source: &mut dyn Source,
        info: &ImageInfo,
        loses_color: bool,
        keeping: &mut Keeping,
    ) -> Result<Self> {
        let mut header = header(&mut source)?;
        if header.frame == PROGRESSIVE {
            keeping.change("The JPEG was progressive; the result is baseline, of the same quality.");
        }
        let tables = &header.tables;
        let table = |component: usize| -> Result<Box<[u16; 64]>> {
            let number = header.components.get(component).map(|component| usize::from(component.table));
            let Some(table) = number.and_then(|number| tables.get(number).copied().flatten()) else {
                return refuse("The JPEG file is damaged: a quantization table is missing before its first scan.");
            };
            // Baseline has tables of 8 bits. A smaller step than the original's only loses less.
            Ok(Box::new(table.map(|step| step.clamp(1, 255))))
        };
        let luma = table(0)?;
        let chroma = if header.components.len() == 3 {
            let (blue, red) = (table(1)?, table(2)?);
            Box::new(std::array::from_fn(|i| blue[i].min(red[i])))
        } else {
            luma.clone()
        };
        let sampling = if info.layout == Layout::Gray { (1, 1) } else { header.sampling()? };
        let mut head = Self { luma, chroma, sampling, jfif: None, segments: Vec::new() };
        for segment in &mut header.segments {
            match fate(segment, loses_color) {
                Fate::Dropped(note) => keeping.change(note),
                Fate::Rewritten => head.rewrite(segment, keeping),
                Fate::Kept(name) => {
                    name.into_iter().for_each(|name| keeping.keep(name));
                    if forget_photoshop_thumbnail(segment) {
                        keeping.change("Photoshop's thumbnail showed the old pixels.");
                    }
                    let exif = (segment.marker == 0xe1).then(|| segment.data.strip_prefix(b"Exif\0\0")).flatten();
                    if let Some(length) = exif.map(<[u8]>::len) {
                        let at = segment.data.len() - length;
                        if forget_thumbnail(&mut segment.data[at..]) {
                            keeping.change("The EXIF thumbnail showed the old pixels.");
                        }
                    }
                    put(&mut head.segments, segment);
                }
            }
        }
        Ok(head)
    }

    /// Keeps the density of a JFIF segment, without its thumbnail.
    fn rewrite(&mut self, segment: &Segment, keeping: &mut Keeping) {
        let Some(density) = segment.data.get(..12).filter(|_| segment.marker == 0xe0 && self.jfif.is_none()) else {
            return;
        };
        if segment.data.get(12..14).is_some_and(|size| size != [0, 0]) {
            keeping.change("The JFIF thumbnail showed the old pixels.");
        }
        let mut jfif = Vec::new();
        put(&mut jfif, &Segment { marker: 0xe0, data: [density, &[0, 0]].concat() });
        self.jfif = Some(jfif);
    }
}

/// Takes the thumbnail out of Photoshop's resources; says whether there was one.
fn forget_photoshop_thumbnail(segment: &mut Segment) -> bool {
    if segment.marker != 0xed || !segment.data.starts_with(PHOTOSHOP) {
        return false;
    }
    let mut resources = segment.data.split_off(PHOTOSHOP.len());
    let changed = photoshop::forget_thumbnail(&mut resources);
    segment.data.append(&mut resources);
    changed
}

fn put(file: &mut Vec<u8>, segment: &Segment) {
    let length = u16::try_from(segment.data.len() + 2).expect("it was read from a segment");
    file.extend_from_slice(&[0xff, segment.marker]);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&segment.data);
}

/// Rows as they are.
pub(super) fn part(rows: &Rows) -> Part {
    let bytes = rows.to_le_bytes();
    let length = bytes.len() as u64;
    let index =
        PartIndex { bytes: length, rows: rows.height() as u32, pieces: Vec::new(), adler32: None, raw_bytes: length };
    Part { index, bytes }
}

/// Collects the raw image, and encodes it at the end.
pub(super) struct Joiner {
    head: Head,
    info: ImageInfo,
    raw: Vec<u8>,
}

impl Joiner {
    pub(super) fn new(head: &Head, info: &ImageInfo) -> Self {
        Self { head: head.clone(), info: info.clone(), raw: Vec::new() }
    }

    pub(super) fn part(&mut self, mut bytes: Vec<u8>) {
        if self.raw.is_empty() {
            // `inspect` held the whole image to what may be in memory.
            self.raw.reserve_exact(usize::try_from(self.info.raw_bytes()).unwrap_or(0).max(bytes.len()));
        }
        self.raw.append(&mut bytes);
    }

    pub(super) fn end(self) -> Result<Vec<u8>> {
        let Self { head, info, raw } = self;
        let (Ok(width), Ok(height)) = (u16::try_from(info.width), u16::try_from(info.height)) else {
            return refuse("A JPEG has at most 65,535 pixels a side.");
        };
        if raw.len() as u64 != info.raw_bytes() {
            return refuse(format!("Expected {} bytes of pixels, got {}.", info.raw_bytes(), raw.len()));
        }
        let color = if info.layout == Layout::Gray { ColorType::Luma } else { ColorType::Rgb };
        let Some(sampling) = SamplingFactor::from_factors(head.sampling.0, head.sampling.1) else {
            return refuse("This JPEG subsamples its colours in an unusual way, which can't be kept yet.");
        };
        let mut image = Vec::new();
        let mut encoder = Encoder::new(&mut image, 100);
        encoder.set_quantization_tables(
            QuantizationTableType::Custom(head.luma),
            QuantizationTableType::Custom(head.chroma),
        );
        encoder.set_sampling_factor(sampling);
        encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
        encoder.encode(&raw, width, height, color).map_err(|error| Error::Refused(format!("{error}.")))?;
        let (start, rest) = image.split_at(ENCODERS_START);
        let jfif = head.jfif.as_deref().unwrap_or(&start[2..]);
        Ok([&start[..2], jfif, &head.segments, rest].concat())
    }
}
