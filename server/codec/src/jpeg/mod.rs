//! Baseline JPEG with the original's quantization tables, subsampling and metadata. Every row of MCUs is a restart
//! interval (ITU-T T.81, E.1.4 and F.1.1.5.1), so parts are encoded independently and joined by concatenation.

mod fate;
mod huffman;
mod join;
mod planes;
mod scan;
#[cfg(test)]
mod tests;
mod transform;

use shared::decode::jpeg::{
    ARITHMETIC, ARITHMETIC_PROGRESSIVE, Colors, Ending, Header, PROGRESSIVE, Sampling, Segment, ending, header,
};
use shared::job::{ImageInfo, Keeping};
use shared::pixels::Layout;

use super::{Result, Source, refuse};
use fate::Fate;

/// Encoding parameters, and the segments before the image.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Quantization tables, by number.
    tables: Vec<Box<[u16; 64]>>,
    /// The number of each component's table.
    table_of: Vec<u8>,
    sampling: Sampling,
    colors: Colors,
    /// Identifiers of the components.
    ids: Vec<u8>,
    /// The original's JFIF segment, without its thumbnail.
    jfif: Option<Vec<u8>>,
    segments: Vec<u8>,
}

/// Reports how the original's coding differs from the result's, and its defects.
fn describe(source: &mut &mut dyn Source, header: &Header, keeping: &mut Keeping) -> Result<()> {
    if matches!(header.frame, PROGRESSIVE | ARITHMETIC_PROGRESSIVE) {
        keeping.change("The JPEG was progressive; the result is baseline, of the same quality.");
    }
    if matches!(header.frame, ARITHMETIC | ARITHMETIC_PROGRESSIVE) {
        keeping.change("The JPEG was arithmetic-coded; the result is Huffman-coded, of the same quality.");
    }
    if header.result_sampling()?.changed {
        keeping.change(
            "The colours were subsampled by more than a JPEG of one scan can be; the result's aren't subsampled.",
        );
    }
    match ending(source, header)? {
        Ending::Marker => {}
        Ending::Cut => keeping
            .change("The JPEG had no end (EOI marker), as if it had been cut off; pixels that were missing are gray."),
        Ending::More { video: true, .. } => {
            keeping.change("The video after the picture (a motion photo's) was left out.")
        }
        Ending::More { bytes, .. } => keeping.change(format!("{bytes} bytes after the JPEG's end were left out.")),
    }
    match header.stray {
        0 => {}
        1 => keeping.change("A byte between the JPEG's segments belonged to none and was left out."),
        n => keeping.change(format!("{n} bytes between the JPEG's segments belonged to none and were left out.")),
    }
    Ok(())
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
        describe(&mut source, &header, keeping)?;
        let originals = &header.tables;
        let table = |component: usize| -> Result<Box<[u16; 64]>> {
            let number = header.components.get(component).map(|component| usize::from(component.table));
            let Some(table) = number.and_then(|number| originals.get(number).copied().flatten()) else {
                return refuse("The JPEG file is damaged: a quantization table is missing before its first scan.");
            };
            // Baseline requires 8-bit tables. A smaller step than the original's only loses less.
            Ok(Box::new(table.map(|step| step.clamp(1, 255))))
        };
        let (tables, table_of) = match (info.layout, header.components.len()) {
            (Layout::Gray, _) | (_, 1) => (vec![table(0)?], vec![0]),
            // The chroma components share a table.
            (_, 3) => {
                let (blue, red) = (table(1)?, table(2)?);
                (vec![table(0)?, Box::new(std::array::from_fn(|i| blue[i].min(red[i])))], vec![0, 1, 1])
            }
            (_, count) => distinct((0..count).map(table).collect::<Result<_>>()?),
        };
        let mut sampling = header.result_sampling()?;
        let mut colors = header.colors();
        if info.layout == Layout::Gray {
            sampling.factors = vec![(1, 1)];
            colors = Colors::Gray;
        }
        // Without Adobe's segment, only the identifiers mark the components as red, green and blue, or as inks.
        let ids = match colors {
            Colors::Rgb | Colors::Cmyk | Colors::Ycck => {
                header.components.iter().map(|component| component.id).collect()
            }
            _ => (1..=sampling.factors.len() as u8).collect(),
        };
        let mut head = Self { tables, table_of, sampling, colors, ids, jfif: None, segments: Vec::new() };
        let credentials = fate::credentials(&header.segments);
        for segment in &mut header.segments {
            match fate::fate(segment, &credentials, loses_color) {
                Fate::Dropped(note) => keeping.change(note),
                Fate::Rewritten => head.rewrite(segment, keeping),
                Fate::Kept(name) => {
                    if fate::edit(segment, keeping)? {
                        name.into_iter().for_each(|name| keeping.keep(name));
                        put(&mut head.segments, segment.marker, &segment.data);
                    }
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
        // Without a unit, the density is only the pixel aspect ratio (ITU-T T.871, 10.1).
        if density[7] != 0 {
            keeping.keep("the resolution");
        }
        self.jfif = Some([density, &[0, 0]].concat());
    }
}

/// Returns the different ones of the components' tables, and the number of each component's.
fn distinct(of_components: Vec<Box<[u16; 64]>>) -> (Vec<Box<[u16; 64]>>, Vec<u8>) {
    let mut tables: Vec<Box<[u16; 64]>> = Vec::new();
    let numbers = of_components.into_iter().map(|table| {
        let known = tables.iter().position(|other| *other == table);
        known.unwrap_or_else(|| {
            tables.push(table);
            tables.len() - 1
        }) as u8
    });
    let numbers = numbers.collect();
    (tables, numbers)
}

/// Appends a segment.
pub(super) fn put(file: &mut Vec<u8>, marker: u8, data: &[u8]) {
    let length = u16::try_from(data.len() + 2).expect("it was read from a segment, or is short");
    file.extend_from_slice(&[0xff, marker]);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(data);
}
