//! A page's fields as numbers.

use std::io::{Read, Seek};

use super::super::{Result, damaged};
use super::directory::{Directory, Entry, Tiff};
use crate::job::Format;

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

    pub(super) fn bytes(&mut self, tag: u16) -> Result<Option<Vec<u8>>> {
        self.find(tag).map(|entry| self.tiff.bytes(self.source, entry)).transpose()
    }

    pub(super) fn all(&mut self, tag: u16) -> Result<Option<Vec<u64>>> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        if entry.count == 0 {
            return Err(damaged(Format::Tiff, format!("its field {tag} is empty")));
        }
        self.tiff.numbers(self.source, entry).map(Some)
    }

    pub(super) fn one(&mut self, tag: u16, default: u64) -> Result<u64> {
        Ok(self.all(tag)?.map_or(default, |numbers| numbers[0]))
    }

    pub(super) fn must(&mut self, tag: u16, what: &str) -> Result<u32> {
        let number = self.all(tag)?.map(|numbers| numbers[0]);
        match number.map(u32::try_from) {
            Some(Ok(number)) => Ok(number),
            _ => Err(damaged(Format::Tiff, format!("it doesn't say {what}"))),
        }
    }
}
