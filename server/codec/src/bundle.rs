//! Bundles: several parts as one object of the store, their index first, then their bytes.
//!
//! Format: `EVP1`, the length of the JSON (u32, little-endian), the index as JSON, the parts' bytes. The index holds
//! each part's [hash](PartHash), so a reader that knows the hash of the head (everything before the parts) can verify
//! each part by itself.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::{Error, Part, PartIndex, Result};

const MAGIC: &[u8; 4] = b"EVP1";
const PREFIX: usize = 8;

/// Hash of a part.
pub type Hash = [u8; 32];

/// Hash function for parts passed between tasks. Each byte is hashed once by its writer and once by every reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartHash {
    /// SHA-256, as for the files that users see. It took a quarter of a JPEG's time.
    Sha256,
    /// BLAKE3.
    Blake3,
}

impl PartHash {
    /// Returns the hash function of a job's arithmetic version.
    pub const fn of(algo: u32) -> Self {
        if algo < 6 { PartHash::Sha256 } else { PartHash::Blake3 }
    }

    /// Hashes bytes.
    pub fn digest(self, bytes: &[u8]) -> Hash {
        match self {
            PartHash::Sha256 => Sha256::digest(bytes).into(),
            PartHash::Blake3 => blake3::hash(bytes).into(),
        }
    }
}

/// A part in the index.
#[derive(serde::Serialize, serde::Deserialize)]
struct Entry {
    #[serde(flatten)]
    part: PartIndex,
    /// The JSON name is that of the first function used.
    #[serde(rename = "sha256")]
    hash: Hash,
}

/// A bundle's parts and the positions of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The parts, in order.
    pub parts: Vec<PartIndex>,
    /// The hash of each part's bytes.
    pub hashes: Vec<Hash>,
    /// Offset of the first part in the object.
    pub offset: u64,
}

impl Bundle {
    /// Returns the range of each part in the object.
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

/// Bundles parts as one object: its head, and what follows it, part by part.
pub fn bundle(parts: Vec<Part>, hash: PartHash) -> (Vec<u8>, Vec<Vec<u8>>) {
    let entry = |part: &Part| Entry { part: part.index.clone(), hash: hash.digest(&part.bytes) };
    let index: Vec<Entry> = parts.iter().map(entry).collect();
    let json = serde_json::to_vec(&index).expect("numbers and lists are always JSON");
    let mut head = Vec::with_capacity(PREFIX + json.len());
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(&u32::try_from(json.len()).expect("a task has fewer parts than that").to_le_bytes());
    head.extend_from_slice(&json);
    (head, parts.into_iter().map(|part| part.bytes).collect())
}

/// Parses the head of a bundle.
///
/// # Errors
/// [`Error::Refused`] if it is no bundle.
pub fn open_bundle(head: &[u8]) -> Result<Bundle> {
    let Some(json) = head.strip_prefix(MAGIC).and_then(|rest| rest.get(4..)) else {
        return Err(Error::Refused("Expected the parts of an image, got another object.".to_owned()));
    };
    let index: Vec<Entry> = serde_json::from_slice(json)
        .map_err(|error| Error::Refused(format!("The index of an image's parts can't be read: {error}.")))?;
    let (parts, hashes) = index.into_iter().map(|entry| (entry.part, entry.hash)).unzip();
    Ok(Bundle { parts, hashes, offset: head.len() as u64 })
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
            overviews: Vec::new(),
            adler32: Some(7),
            raw_bytes: 9,
        };
        Part { index, bytes: bytes.to_vec() }
    }

    #[test]
    fn every_part_is_found_again_and_has_its_hash() {
        let parts = vec![part(b"one"), part(b""), part(b"three")];
        for hash in [PartHash::Sha256, PartHash::Blake3] {
            let (head, pieces) = bundle(parts.clone(), hash);
            let (found, object) = (open_bundle(&head).unwrap(), [head, pieces.concat()].concat());
            let bytes: Vec<&[u8]> =
                found.ranges().into_iter().map(|at| &object[at.start as usize..at.end as usize]).collect();
            assert_eq!(bytes, [&b"one"[..], b"", b"three"]);
            assert!(found.hashes.iter().zip(bytes).all(|(found, bytes)| *found == hash.digest(bytes)));
            assert!(found.parts.iter().eq(parts.iter().map(|part| &part.index)));
        }
    }

    #[test]
    fn something_else_is_no_bundle() {
        assert!(open_bundle(b"\x89PNG\r\n\x1a\n").is_err());
    }
}
