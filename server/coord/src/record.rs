//! Encoding of znode records: JSON, read leniently.

use base::causes::SharedError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use shared::job::RECORD_VERSION;

use super::{Invalid, Result, limits};

/// Serializes a record.
pub(super) fn to_bytes<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Invalid::Record(error.into()).into())
}

/// Serializes a record as JSON. Records are plain data, so this can't fail.
pub fn to_json<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("records have string keys only")
}

/// Why a znode's bytes can't be read as a record by this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has more bytes than a record may.
    #[error("it has {0} bytes, too many for a record")]
    TooLarge(usize),
    /// It isn't a record of this type.
    #[error("it is not a valid record: {0}")]
    Malformed(#[source] SharedError),
    /// A later version wrote it.
    #[error("a later version wrote it (records of version {0})")]
    Later(u64),
}

impl Unreadable {
    /// Returns whether the array didn't write it, not even a later version.
    pub fn is_foreign(&self) -> bool {
        !matches!(self, Unreadable::Later(_))
    }
}

/// Parses the record in a znode's bytes.
///
/// # Errors
/// [`Unreadable`]: this version never wrote such bytes.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    if bytes.len() > limits::ZNODE_BYTES {
        return Err(Unreadable::TooLarge(bytes.len()));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let version =
            serde_json::from_slice::<serde_json::Value>(bytes).ok().and_then(|record| record.get("v")?.as_u64());
        match version.filter(|version| *version > u64::from(RECORD_VERSION)) {
            Some(version) => Unreadable::Later(version),
            None => Unreadable::Malformed(error.into()),
        }
    })
}

/// Parses the record in a znode's bytes; logs a warning and returns `None` if it can't.
pub(super) fn from_bytes<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::warn!(path, %error, "unreadable znode record; ignored"))
        .ok()
}
