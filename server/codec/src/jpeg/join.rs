//! The bytes before and after the scan data.

use shared::decode::jpeg::Colors;
use shared::job::ImageInfo;

use super::super::{Envelope, Result, refuse};
use super::huffman::{CHROMA_AC, CHROMA_DC, LUMA_AC, LUMA_DC, Table};
use super::transform::ZIGZAG;
use super::{Head, put};

/// Start and end of image.
const START: [u8; 2] = [0xff, 0xd8];
const END: [u8; 2] = [0xff, 0xd9];
/// JFIF 1.2 (ITU-T T.871, 10.1) without a density, for originals that have none.
const JFIF: [u8; 14] = *b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0";

impl Head {
    /// Returns the bytes around the parts, which the file contains verbatim.
    pub(crate) fn join(&self, info: &ImageInfo) -> Result<Envelope> {
        Ok(Envelope { begin: self.begin(info)?, end: END.to_vec() })
    }

    fn begin(&self, info: &ImageInfo) -> Result<Vec<u8>> {
        let (Ok(width), Ok(height)) = (u16::try_from(info.width), u16::try_from(info.height)) else {
            return refuse("A JPEG has at most 65,535 pixels a side.");
        };
        let count = self.ids.len();
        let codes_of = |component: usize| u8::from(self.has_chroma_codes(component));

        let mut file = START.to_vec();
        match (self.colors, &self.jfif) {
            // JFIF implies YCbCr; with four components it only defines the resolution.
            (Colors::Rgb, _) | (Colors::Cmyk | Colors::Ycck, None) => {}
            (_, jfif) => put(&mut file, 0xe0, jfif.as_deref().unwrap_or(&JFIF)),
        }
        file.extend_from_slice(&self.segments);

        for (number, table) in (0..).zip(&self.tables) {
            // `Head::read` has limited the steps to 8 bits.
            let steps = ZIGZAG.map(|place| table[8 * (place % 8) + place / 8] as u8);
            put(&mut file, 0xdb, &[&[number], steps.as_slice()].concat());
        }
        let mut frame = vec![8];
        frame.extend(height.to_be_bytes());
        frame.extend(width.to_be_bytes());
        frame.push(count as u8);
        for ((id, (across, down)), table) in self.ids.iter().zip(&self.sampling.factors).zip(&self.table_of) {
            frame.extend([*id, across << 4 | down, *table]);
        }
        put(&mut file, 0xc0, &frame);
        let codes = [(0x00, LUMA_DC), (0x10, LUMA_AC), (0x01, CHROMA_DC), (0x11, CHROMA_AC)];
        for (class_and_number, Table { counts, values }) in
            &codes[..if (0..count).any(|component| self.has_chroma_codes(component)) { 4 } else { 2 }]
        {
            put(&mut file, 0xc4, &[&[*class_and_number], counts.as_slice(), values].concat());
        }
        let Ok(interval) = u16::try_from(self.mcus(info)) else { return refuse("The JPEG is too wide.") };
        put(&mut file, 0xdd, &interval.to_be_bytes());
        let mut scan = vec![count as u8];
        scan.extend(self.ids.iter().enumerate().flat_map(|(component, id)| [*id, codes_of(component) * 0x11]));
        scan.extend([0, 63, 0]);
        put(&mut file, 0xda, &scan);
        Ok(file)
    }
}
