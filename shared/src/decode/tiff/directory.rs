//! Header and directories of a TIFF file (TIFF 6.0, section 2; BigTIFF).

use std::io::{Read, Seek, SeekFrom};

use super::super::error::{Result, blame, damaged, refuse, truncated};
use super::super::limits::{Limits, too_many};
use super::tag;
use crate::job::Format;

/// Byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Least significant byte first: `II`.
    Little,
    /// Most significant byte first: `MM`.
    Big,
}

impl Order {
    /// Returns the number encoded by at most 8 bytes.
    pub fn number(self, bytes: &[u8]) -> u64 {
        let add = |number, byte: &u8| number << 8 | u64::from(*byte);
        match self {
            Order::Little => bytes.iter().rev().fold(0, add),
            Order::Big => bytes.iter().fold(0, add),
        }
    }

    /// Appends the lowest `size` bytes of a number.
    pub fn put(self, bytes: &mut Vec<u8>, number: u64, size: usize) {
        match self {
            Order::Little => bytes.extend_from_slice(&number.to_le_bytes()[..size]),
            Order::Big => bytes.extend_from_slice(&number.to_be_bytes()[8 - size..]),
        }
    }
}

/// Field of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Tag.
    pub tag: u16,
    /// Numeric type of its values.
    pub kind: u16,
    /// Number of values.
    pub count: u64,
    /// The values if they fit into the field, else their offset.
    place: Vec<u8>,
}

/// Directory (IFD): the description of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Fields, in file order.
    pub entries: Vec<Entry>,
    /// Number of fields in the file's directory, including the unreadable ones.
    pub fields: usize,
    /// Tags of fields that are left out: of an unknown type, or with values beyond the end of the file.
    pub unreadable: Vec<u16>,
    /// Offset of the next directory; 0 if this is the last.
    pub next: u64,
}

impl Directory {
    /// Returns the field with a tag.
    pub fn find(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }
}

/// Returns the size in bytes of a value of a type; `None` if the type is unknown.
pub fn size_of(kind: u16) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16..=18 => Some(8),
        _ => None,
    }
}

/// Header of a TIFF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiff {
    /// Byte order of numbers and samples.
    pub order: Order,
    /// Whether it is a BigTIFF, which has 8-byte offsets.
    pub big: bool,
    /// Offset of the first directory.
    pub first: u64,
    /// Length of the file.
    pub length: u64,
}

impl Tiff {
    /// Reads the header.
    pub fn header<R: Read + Seek>(source: &mut R) -> Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        source.seek(SeekFrom::Start(0))?;
        let start: [u8; 8] = read(source)?;
        let order = if start[0] == b'I' { Order::Little } else { Order::Big };
        let big = order.number(&start[2..4]) == 43;
        let first = if big {
            if (order.number(&start[4..6]), order.number(&start[6..8])) != (8, 0) {
                return Err(damaged(Format::Tiff, "its BigTIFF header is wrong"));
            }
            order.number(&read::<8>(source)?)
        } else {
            order.number(&start[4..8])
        };
        Ok(Self { order, big, first, length })
    }

    /// Reads a directory. Fields with values beyond the end of the file are left out, unless they say where or how pixels are
    /// stored.
    pub fn directory<R: Read + Seek>(&self, source: &mut R, at: u64) -> Result<Directory> {
        if at >= self.length {
            return Err(truncated(Format::Tiff));
        }
        source.seek(SeekFrom::Start(at))?;
        let (count_size, entry_size, offset_size) = if self.big { (8, 20, 8) } else { (2, 12, 4) };
        let mut count = [0; 8];
        source.read_exact(&mut count[..count_size]).map_err(|error| blame(Format::Tiff, error))?;
        let count = self.order.number(&count[..count_size]);
        // A classic TIFF stores the count in 16 bits.
        let fits = count <= (self.length - at) / entry_size as u64;
        if count == 0 || count > u64::from(u16::MAX) && !fits {
            return Err(damaged(Format::Tiff, format!("one of its directories has {count} fields")));
        }
        if !fits {
            return Err(truncated(Format::Tiff));
        }
        if count > Limits::MAX_BLOCKS as u64 {
            return too_many(Format::Tiff, "fields in a directory", Limits::MAX_BLOCKS);
        }
        let count = count as usize;
        let mut bytes = vec![0; count * entry_size + offset_size];
        source.read_exact(&mut bytes).map_err(|error| blame(Format::Tiff, error))?;
        let (fields, next) = bytes.split_at(count * entry_size);
        let entries = fields.chunks_exact(entry_size).map(|field| Entry {
            tag: self.order.number(&field[..2]) as u16,
            kind: self.order.number(&field[2..4]) as u16,
            count: self.order.number(&field[4..entry_size - offset_size]),
            place: field[entry_size - offset_size..].to_vec(),
        });
        let (mut readable, mut unreadable) = (Vec::with_capacity(count), Vec::new());
        for entry in entries {
            match size_of(entry.kind).map(|_| self.locate(&entry)) {
                Some(Ok(_)) => readable.push(entry),
                Some(Err(error)) if tag::PIXELS.contains(&entry.tag) => return Err(error),
                _ => unreadable.push(entry.tag),
            }
        }
        Ok(Directory { entries: readable, fields: count, unreadable, next: self.order.number(next) })
    }

    /// Returns whether there may be a directory: its fields lie within the file, and there are some.
    pub fn has_directory<R: Read + Seek>(&self, source: &mut R, at: u64) -> Result<bool> {
        let (count_size, entry_size) = if self.big { (8, 20) } else { (2, 12) };
        if at.saturating_add(count_size) > self.length {
            return Ok(false);
        }
        source.seek(SeekFrom::Start(at))?;
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..count_size as usize];
        source.read_exact(bytes).map_err(|error| blame(Format::Tiff, error))?;
        let count = self.order.number(bytes);
        Ok(count > 0 && count <= (self.length - at) / entry_size)
    }

    /// Returns the length of a field's values, and their offset unless they are stored in the field itself.
    fn locate(&self, entry: &Entry) -> Result<(u64, Option<u64>)> {
        let size = size_of(entry.kind).unwrap_or(1);
        let length = entry.count.checked_mul(size).ok_or_else(|| truncated(Format::Tiff))?;
        if length <= entry.place.len() as u64 {
            return Ok((length, None));
        }
        let at = self.order.number(&entry.place);
        if at.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(truncated(Format::Tiff));
        }
        Ok((length, Some(at)))
    }

    /// Returns the length of a field's values in bytes.
    ///
    /// # Errors
    /// Refused if they don't lie within the file.
    pub fn length_of(&self, entry: &Entry) -> Result<u64> {
        Ok(self.locate(entry)?.0)
    }

    /// Reads a field's values as raw bytes.
    pub fn bytes<R: Read + Seek>(&self, source: &mut R, entry: &Entry) -> Result<Vec<u8>> {
        let (length, at) = self.locate(entry)?;
        let Some(at) = at else { return Ok(entry.place[..length as usize].to_vec()) };
        if length > Limits::MAX_METADATA {
            return refuse(format!("The field {} of this TIFF is larger than 64 MiB.", entry.tag));
        }
        source.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; length as usize];
        source.read_exact(&mut bytes).map_err(|error| blame(Format::Tiff, error))?;
        Ok(bytes)
    }

    /// Reads a field's values as integers.
    pub fn numbers<R: Read + Seek>(&self, source: &mut R, entry: &Entry) -> Result<Vec<u64>> {
        let size = whole(entry)?;
        let bytes = self.bytes(source, entry)?;
        Ok(bytes.chunks_exact(size).map(|bytes| self.order.number(bytes)).collect())
    }

    /// Reads the first of a field's values as an integer, without reading the others, of which there may be millions. Returns
    /// `None` if the field is empty.
    pub fn first_number<R: Read + Seek>(&self, source: &mut R, entry: &Entry) -> Result<Option<u64>> {
        let size = whole(entry)?;
        let (length, at) = self.locate(entry)?;
        if length == 0 {
            return Ok(None);
        }
        let Some(at) = at else { return Ok(Some(self.order.number(&entry.place[..size]))) };
        source.seek(SeekFrom::Start(at))?;
        let mut bytes = [0; 8];
        source.read_exact(&mut bytes[..size]).map_err(|error| blame(Format::Tiff, error))?;
        Ok(Some(self.order.number(&bytes[..size])))
    }
}

/// Returns the size in bytes of the values of an integer field.
fn whole(entry: &Entry) -> Result<usize> {
    match entry.kind {
        // Signed ones too, which some programs write; a negative number is then too large for anything it may mean.
        1 | 3 | 4 | 6 | 8 | 9 | 13 | 16..=18 => Ok(size_of(entry.kind).unwrap_or(1) as usize),
        _ => Err(damaged(Format::Tiff, format!("its field {} doesn't hold whole numbers", entry.tag))),
    }
}

fn read<const N: usize>(source: &mut impl Read) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(|error| blame(Format::Tiff, error))?;
    Ok(bytes)
}
