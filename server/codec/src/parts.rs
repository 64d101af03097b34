//! Encoded parts of a file, and the bytes around them.

/// What the join needs to know of a part without having its bytes. Small; stored as JSON before the parts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PartIndex {
    /// Length of the part in bytes.
    pub bytes: u64,
    /// Number of rows.
    pub rows: u32,
    /// Lengths of the part's pieces (TIFF strips or tiles); empty if there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<u64>,
    /// Lengths of its overview strips (TIFF), per overview, or of its raw rows of the overview (COG); these follow the part's own
    /// pieces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overviews: Vec<Vec<u64>>,
    /// Adler-32 of the uncompressed bytes, for PNG.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adler32: Option<u32>,
    /// Length of the uncompressed bytes.
    pub raw_bytes: u64,
}

/// Encoded rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Index entry for the join.
    pub index: PartIndex,
    /// Encoded bytes.
    pub bytes: Vec<u8>,
}

/// The parts of a file in order, which can be read several times: each call starts with the first part.
pub type Parts<'a> = dyn FnMut() -> Box<dyn Iterator<Item = std::io::Result<Vec<u8>>> + 'a> + 'a;

/// The bytes around the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Bytes before the first part.
    pub begin: Vec<u8>,
    /// Bytes after the last part.
    pub end: Vec<u8>,
}
