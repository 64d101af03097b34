//! Records of znodes: JSON, read leniently.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Error, Result};

/// A record's bytes.
pub(super) fn to_bytes<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(record).map_err(|error| Error::Invalid(format!("a record can't be written as JSON: {error}")))
}

/// The record in a znode's bytes, `None` (and a line in the log) if it is none of ours.
pub(super) fn from_bytes<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes)
        .inspect_err(|error| tracing::warn!(path, %error, "a znode holds something that is not its record"))
        .ok()
}
