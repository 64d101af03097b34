//! Lengths of ancillary chunks (PNG, section 11.3). A chunk of another length is damaged.

use super::chunks::{Color, Header};

impl Header {
    /// Returns what is wrong with an ancillary chunk whose checksum is right, if anything is.
    pub(super) fn fault(&self, kind: [u8; 4], length: usize) -> Option<&'static str> {
        let expected = match &kind {
            b"sRGB" => 1,
            b"gAMA" | b"cICP" => 4,
            b"tIME" => 7,
            b"acTL" | b"cLLI" => 8,
            b"pHYs" | b"oFFs" => 9,
            b"mDCV" => 24,
            b"cHRM" => 32,
            b"sBIT" => match self.color {
                Color::Gray => 1,
                Color::GrayAlpha => 2,
                Color::Rgb | Color::Palette => 3,
                Color::Rgba => 4,
            },
            b"bKGD" => match self.color {
                Color::Palette => 1,
                Color::Gray | Color::GrayAlpha => 2,
                Color::Rgb | Color::Rgba => 6,
            },
            // Decoders take longer ones, up to a palette's.
            b"tRNS" => match self.color {
                Color::Palette => length.clamp(1, 256),
                Color::Gray => length.clamp(2, 256),
                Color::Rgb => length.clamp(6, 256),
                Color::GrayAlpha | Color::Rgba => return Some("the image has alpha already"),
            },
            _ => length,
        };
        (length != expected).then_some("its length is wrong")
    }
}
