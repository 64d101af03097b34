//! Numeric access to a page's fields.

use std::io::{Read, Seek};

use super::super::error::{Error, Result, damaged, refuse};
use super::directory::{Directory, Entry, Tiff};
use crate::job::Format;

/// Maximum number of values read from a field: enough for a palette of 256 colours (768), or one value per band.
const MOST_NUMBERS: u64 = 1_024;

fn empty(tag: u16) -> Error {
    damaged(Format::Tiff, format!("its field {tag} is empty"))
}

/// Reads a page's fields as numbers.
pub(super) struct Fields<'a, R> {
    tiff: Tiff,
    directory: &'a Directory,
    source: &'a mut R,
}

impl<'a, R: Read + Seek> Fields<'a, R> {
    pub(super) fn new(tiff: Tiff, directory: &'a Directory, source: &'a mut R) -> Self {
        Self { tiff, directory, source }
    }

    pub(super) fn find(&self, tag: u16) -> Option<&'a Entry> {
        self.directory.find(tag)
    }

    /// Reads a field's bytes; refuses more than `most`.
    pub(super) fn bytes(&mut self, tag: u16, most: u64) -> Result<Option<Vec<u8>>> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        let length = self.tiff.length_of(entry)?;
        if length > most {
            return refuse(format!("The field {tag} of this TIFF has {length} bytes; the limit is {most}."));
        }
        self.tiff.bytes(self.source, entry).map(Some)
    }

    /// Reads a field's values as integers, at most [`MOST_NUMBERS`].
    pub(super) fn all(&mut self, tag: u16) -> Result<Option<Vec<u64>>> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        match entry.count {
            0 => Err(empty(tag)),
            1..=MOST_NUMBERS => self.tiff.numbers(self.source, entry).map(Some),
            count => Err(damaged(Format::Tiff, format!("its field {tag} has {count} values"))),
        }
    }

    /// Reads a field of at most 16 rational numbers; a denominator of 0 makes 0, as in libtiff.
    pub(super) fn rationals(&mut self, tag: u16) -> Result<Option<Vec<f32>>> {
        const RATIONAL: u16 = 5;
        match self.find(tag) {
            None => Ok(None),
            Some(entry) if entry.kind == RATIONAL => {
                let bytes = self.bytes(tag, 16 * 8)?.unwrap_or_default();
                let number = |bytes: &[u8]| self.tiff.order.number(bytes) as f64;
                let rational = |[above, below]: [f64; 2]| if below == 0.0 { 0.0 } else { (above / below) as f32 };
                let pairs = bytes.as_chunks::<8>().0.iter();
                Ok(Some(pairs.map(|pair| rational([number(&pair[..4]), number(&pair[4..])])).collect()))
            }
            Some(_) => Err(damaged(Format::Tiff, format!("its field {tag} doesn't hold rational numbers"))),
        }
    }

    fn first(&mut self, tag: u16) -> Result<Option<u64>> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        self.tiff.first_number(self.source, entry)?.ok_or_else(|| empty(tag)).map(Some)
    }

    pub(super) fn one(&mut self, tag: u16, default: u64) -> Result<u64> {
        Ok(self.first(tag)?.unwrap_or(default))
    }

    pub(super) fn must(&mut self, tag: u16, what: &str) -> Result<u32> {
        let number = self.first(tag)?;
        match number.map(u32::try_from) {
            Some(Ok(number)) => Ok(number),
            _ => Err(damaged(Format::Tiff, format!("it doesn't say {what}"))),
        }
    }
}
