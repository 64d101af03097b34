//! Parts of a JPEG → the file.

use shared::job::ImageInfo;

use super::super::{PartIndex, Result, refuse};
use super::scan::END;
use super::{Head, Parts};

/// Puts encoded parts behind one another; collects raw ones and encodes the image at the end.
pub(in crate::codec) struct Joiner {
    head: Head,
    info: ImageInfo,
    raw: Vec<u8>,
}

impl Joiner {
    /// Begins with parts of the head's kind.
    pub(in crate::codec) fn new(head: &Head, info: &ImageInfo, index: &[PartIndex]) -> Result<Self> {
        let encoded = head.parts == Parts::Encoded;
        if index.iter().any(|part| part.pieces.is_empty() == encoded) {
            return refuse("Some of the parts are encoded and some are not: they can't be joined to a JPEG.");
        }
        Ok(Self { head: head.clone(), info: info.clone(), raw: Vec::new() })
    }

    /// All before the pixels, where it can be told before them.
    pub(in crate::codec) fn begin(&self) -> Result<Vec<u8>> {
        match self.head.parts {
            Parts::Encoded => self.head.front(&self.info),
            Parts::Raw => Ok(Vec::new()),
        }
    }

    /// What follows with the next part.
    pub(in crate::codec) fn part(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if self.head.parts == Parts::Encoded {
            return bytes;
        }
        if self.raw.is_empty() {
            // `inspect` held the whole image to what may be in memory.
            self.raw.reserve_exact(usize::try_from(self.info.raw_bytes()).unwrap_or(0).max(bytes.len()));
        }
        self.raw.append(&mut bytes);
        Vec::new()
    }

    /// The rest.
    pub(in crate::codec) fn end(self) -> Result<Vec<u8>> {
        let Self { head, info, raw } = self;
        if head.parts == Parts::Encoded {
            return Ok(END.to_vec());
        }
        if raw.len() as u64 != info.raw_bytes() {
            return refuse(format!("Expected {} bytes of pixels, got {}.", info.raw_bytes(), raw.len()));
        }
        head.file(&info, &raw)
    }
}
