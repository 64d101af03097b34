//! Fields of a TIFF directory: reading them from the original and writing them at new offsets.

use shared::decode::Blocks;
use shared::decode::tiff::{Entry, Order, Tiff, size_of, tag};
use shared::job::Keeping;

use super::super::{Result, Source, photoshop, refuse, xmp};
use super::fate;

pub(super) const SHORT: u16 = 3;
pub(super) const LONG: u16 = 4;
pub(super) const LONG8: u16 = 16;

/// Maximum nesting of directories: EXIF, and interoperability within it.
const MOST_DEPTH: usize = 3;

/// A field with its values.
#[derive(Debug, Clone)]
pub(super) struct Field {
    tag: u16,
    kind: u16,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    /// The values as stored, in the file's byte order.
    Bytes(Vec<u8>),
    /// The directory that the field points to.
    Directory(Vec<Field>),
}

impl Field {
    /// Creates a field of integers.
    pub(super) fn numbers(order: Order, tag: u16, kind: u16, values: &[u64]) -> Self {
        let size = size_of(kind).unwrap_or(1) as usize;
        let mut bytes = Vec::with_capacity(values.len() * size);
        for value in values {
            order.put(&mut bytes, *value, size);
        }
        Self { tag, kind, value: Value::Bytes(bytes) }
    }

    /// Returns whether the field has this tag.
    pub(super) const fn is(&self, tag: u16) -> bool {
        self.tag == tag
    }

    /// Creates a field of bytes.
    pub(super) const fn bytes(tag: u16, kind: u16, bytes: Vec<u8>) -> Self {
        Self { tag, kind, value: Value::Bytes(bytes) }
    }

    /// Returns whether the field has no values.
    pub(super) fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Bytes(bytes) if bytes.is_empty())
    }

    /// Changes the field's text; returns whether `change` did.
    pub(super) fn change_text(&mut self, change: impl FnOnce(&str) -> Option<String>) -> bool {
        let Value::Bytes(bytes) = &mut self.value else { return false };
        let Some(changed) = std::str::from_utf8(bytes).ok().and_then(change) else { return false };
        *bytes = changed.into_bytes();
        true
    }

    /// Reads a field's values, or the directory that it points to. Fields may share bytes, and pointers may share a
    /// directory, so `blocks` counts the memory of all of a page's fields. Returns `None`, and reports it, if it points to a
    /// directory that can't be read.
    pub(super) fn read(
        source: &mut dyn Source,
        tiff: &Tiff,
        entry: &Entry,
        blocks: &mut Blocks,
        keeping: &mut Keeping,
    ) -> Result<Option<Self>> {
        Self::read_at(source, tiff, entry, blocks, keeping, 0)
    }

    fn read_at(
        mut source: &mut dyn Source,
        tiff: &Tiff,
        entry: &Entry,
        blocks: &mut Blocks,
        keeping: &mut Keeping,
        depth: usize,
    ) -> Result<Option<Self>> {
        blocks.add(tiff.length_of(entry)?)?;
        if blocks.bytes() > tiff.length {
            return refuse(
                "The TIFF file is damaged: its fields share their bytes, and together are longer than the file.",
            );
        }
        let pointer = matches!(entry.tag, tag::EXIF_IFD | tag::GPS_IFD | tag::INTEROPERABILITY_IFD);
        if !pointer {
            let value = Value::Bytes(tiff.bytes(&mut source, entry)?);
            return Ok(Some(Self { tag: entry.tag, kind: entry.kind, value }));
        }
        if depth == MOST_DEPTH {
            return refuse("The TIFF file is damaged: its directories are nested too deeply.");
        }
        let at = tiff.first_number(&mut source, entry)?.unwrap_or(0);
        if !tiff.has_directory(&mut source, at)? {
            fate::lost_directory(entry.tag, keeping);
            return Ok(None);
        }
        let directory = tiff.directory(&mut source, at)?;
        fate::unreadable(&directory, keeping);
        let mut fields = Vec::new();
        for entry in &directory.entries {
            fields.extend(Self::read_at(source, tiff, entry, blocks, keeping, depth + 1)?);
        }
        Ok(Some(Self { tag: entry.tag, kind: LONG, value: Value::Directory(fields) }))
    }

    /// Removes the thumbnail from Photoshop's resources; returns whether there was one.
    ///
    /// # Errors
    /// Refused if there are too many resources.
    pub(super) fn forget_photoshop_thumbnail(&mut self) -> Result<bool> {
        match &mut self.value {
            Value::Bytes(bytes) => photoshop::forget_thumbnail(bytes),
            Value::Directory(_) => Ok(false),
        }
    }

    /// Drops from XMP what became false, and reports it. Returns whether anything remains.
    pub(super) fn refresh_xmp(&mut self, keeping: &mut Keeping) -> bool {
        match &mut self.value {
            Value::Bytes(bytes) => xmp::refresh(bytes, keeping),
            Value::Directory(_) => true,
        }
    }

    /// Removes the statistics from GDAL's metadata, which is XML; returns whether there were any.
    pub(super) fn forget_statistics(&mut self) -> bool {
        let Value::Bytes(bytes) = &mut self.value else { return false };
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let mut kept = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("<Item name=\"STATISTICS_") {
            let Some(end) = rest[start..].find("</Item>") else { break };
            kept.push_str(rest[..start].trim_end_matches([' ', '\t']));
            rest = rest[start + end + "</Item>".len()..].trim_start_matches(['\r', '\n']);
        }
        kept.push_str(rest);
        let changed = kept.len() != text.len();
        *bytes = kept.into_bytes();
        changed
    }
}

/// Appends a directory's values and then the directory itself to `file`, which starts at offset `base` of the whole
/// file; returns the directory's offset. Both are aligned to even offsets, as the standard requires.
pub(super) fn directory(order: Order, big: bool, fields: Vec<Field>, base: u64, file: &mut Vec<u8>) -> u64 {
    let entries = entries(order, big, fields, base, file);
    even(base, file);
    let at = base + file.len() as u64;
    file.extend_from_slice(&entries);
    at
}

/// Returns a directory at the even offset `at`, followed by its values. If another one follows, it comes directly behind.
pub(super) fn directory_first(order: Order, big: bool, fields: Vec<Field>, at: u64, another: bool) -> Vec<u8> {
    let (count_size, entry_size, number_size) = if big { (8, 20, 8) } else { (2, 12, 4) };
    let length = count_size + fields.len() * entry_size + number_size;
    let base = at + length as u64;
    let mut values = Vec::new();
    let mut bytes = entries(order, big, fields, base, &mut values);
    even(base, &mut values);
    if another {
        bytes.truncate(length - number_size);
        order.put(&mut bytes, base + values.len() as u64, number_size);
    }
    bytes.extend(values);
    bytes
}

/// Returns a directory's entries, without a next one; appends their values to `file`, which starts at offset `base`.
fn entries(order: Order, big: bool, mut fields: Vec<Field>, base: u64, file: &mut Vec<u8>) -> Vec<u8> {
    fields.sort_by_key(|field| field.tag);
    let (count_size, number_size) = if big { (8, 8) } else { (2, 4) };
    let mut entries = Vec::new();
    order.put(&mut entries, fields.len() as u64, count_size);
    for field in fields {
        let (kind, bytes) = match field.value {
            Value::Bytes(bytes) => (field.kind, bytes),
            Value::Directory(fields) => {
                let at = directory(order, big, fields, base, file);
                let mut bytes = Vec::new();
                order.put(&mut bytes, at, number_size);
                (if big { LONG8 } else { LONG }, bytes)
            }
        };
        order.put(&mut entries, field.tag.into(), 2);
        order.put(&mut entries, kind.into(), 2);
        order.put(&mut entries, bytes.len() as u64 / size_of(kind).unwrap_or(1), number_size);
        if bytes.len() <= number_size {
            entries.extend_from_slice(&bytes);
            entries.resize(entries.len() + number_size - bytes.len(), 0);
        } else {
            even(base, file);
            order.put(&mut entries, base + file.len() as u64, number_size);
            file.extend_from_slice(&bytes);
        }
    }
    order.put(&mut entries, 0, number_size);
    entries
}

fn even(base: u64, file: &mut Vec<u8>) {
    if !(base + file.len() as u64).is_multiple_of(2) {
        file.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_statistics_leave_gdals_metadata() {
        let text = "<GDALMetadata>\n  <Item name=\"AREA\">a</Item>\n  <Item name=\"STATISTICS_MEAN\" sample=\"0\">1</Item>\n  \
                    <Item name=\"UNIT\">m</Item>\n</GDALMetadata>\n\0";
        let mut field = Field { tag: tag::GDAL_METADATA, kind: 2, value: Value::Bytes(text.into()) };
        assert!(field.forget_statistics());
        assert!(!field.forget_statistics());
        let Value::Bytes(bytes) = field.value else { panic!("it was bytes") };
        let kept = String::from_utf8_lossy(&bytes).into_owned();
        assert!(kept.contains("AREA") && kept.contains("UNIT") && !kept.contains("MEAN"), "{kept}");
    }
}
