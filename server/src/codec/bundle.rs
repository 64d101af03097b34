//! Several parts as one object of the store: their indices first, then their bytes.
//!
//! `EVP1`, the length of the JSON (u32, little-endian), the indices as JSON, the parts' bytes.

use std::ops::Range;

use super::{Error, Part, PartIndex, Result};

const MAGIC: &[u8; 4] = b"EVP1";
const PREFIX: usize = 8;

/// What the first bytes of a bundle tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleIndex {
    /// The whole index.
    Complete(Bundle),
    /// The index isn't in these bytes; read this many from the object's start.
    Needs(u64),
}

/// A bundle's parts and where their bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The parts, in order.
    pub parts: Vec<PartIndex>,
    /// Where the first part's bytes begin in the object.
    pub offset: u64,
}

impl Bundle {
    /// Where each part's bytes are in the object.
    pub fn ranges(&self) -> Vec<Range<u64>> {
        let mut next = self.offset;
        self.parts
            .iter()
            .map(|part| {
                let start = next;
                next = next.saturating_add(part.bytes);
                start..next
            })
            .collect()
    }
}

/// Parts as one object.
pub fn bundle(parts: Vec<Part>) -> Vec<u8> {
    let index: Vec<&PartIndex> = parts.iter().map(|part| &part.index).collect();
    let json = serde_json::to_vec(&index).expect("numbers and lists are always JSON");
    let total = parts.iter().map(|part| part.bytes.len()).sum::<usize>();
    let mut object = Vec::with_capacity(PREFIX + json.len() + total);
    object.extend_from_slice(MAGIC);
    object.extend_from_slice(&u32::try_from(json.len()).expect("a task has fewer parts than that").to_le_bytes());
    object.extend_from_slice(&json);
    for part in parts {
        object.extend_from_slice(&part.bytes);
    }
    object
}

/// The index of a bundle, from the object's first bytes.
///
/// # Errors
/// [`Error::Refused`] if it is no bundle.
pub fn bundle_index(start: &[u8]) -> Result<BundleIndex> {
    let Some((prefix, rest)) = start.split_first_chunk::<PREFIX>() else {
        return Ok(BundleIndex::Needs(PREFIX as u64));
    };
    if &prefix[..4] != MAGIC {
        return Err(Error::Refused("Expected the parts of an image, but the object begins otherwise.".to_owned()));
    }
    let length = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]) as usize;
    let Some(json) = rest.get(..length) else {
        return Ok(BundleIndex::Needs((PREFIX + length) as u64));
    };
    let parts = serde_json::from_slice(json)
        .map_err(|error| Error::Refused(format!("The index of an image's parts can't be read: {error}.")))?;
    Ok(BundleIndex::Complete(Bundle { parts, offset: (PREFIX + length) as u64 }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn part(bytes: &[u8]) -> Part {
        let index = PartIndex {
            bytes: bytes.len() as u64,
            rows: 1,
            pieces: vec![bytes.len() as u64],
            adler32: Some(7),
            raw_bytes: 9,
        };
        Part { index, bytes: bytes.to_vec() }
    }

    #[test]
    fn every_part_is_found_again_however_little_is_read_at_first() {
        let parts = vec![part(b"one"), part(b""), part(b"three")];
        let object = bundle(parts.clone());
        let mut seen = 0;
        let found = loop {
            match bundle_index(&object[..seen]).unwrap() {
                BundleIndex::Complete(found) => break found,
                BundleIndex::Needs(more) => {
                    assert!(more > seen as u64);
                    seen = usize::try_from(more).unwrap();
                }
            }
        };
        let bytes: Vec<&[u8]> =
            found.ranges().into_iter().map(|at| &object[at.start as usize..at.end as usize]).collect();
        assert_eq!(bytes, [&b"one"[..], b"", b"three"]);
        assert_eq!(found.parts, parts.into_iter().map(|part| part.index).collect::<Vec<_>>());
    }

    #[test]
    fn something_else_is_no_bundle() {
        assert!(bundle_index(b"\x89PNG\r\n\x1a\n").is_err());
    }
}
