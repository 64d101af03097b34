//! Errors of the store.

use std::error::Error as StdError;
use std::io;

use base::causes::SharedError;

/// Why a store operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The object doesn't exist.
    #[error("the store has no object {0}")]
    NotFound(String),
    /// The object already exists, with other content.
    #[error("the store already has an object {0}")]
    Exists(String),
    /// The object ends before the requested range does.
    #[error("object {key} ends before byte {end}")]
    OutOfRange {
        /// The object.
        key: String,
        /// End of the requested range, in bytes.
        end: u64,
    },
    /// The key or the store's address is invalid; nothing was tried.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The store can't be opened: its configuration is invalid.
    #[error("can't open the store {address}")]
    Open {
        /// The store's address.
        address: String,
        /// The cause.
        #[source]
        cause: SharedError,
    },
    /// The store is full: no disk space, or a quota is used up. The object wasn't written. Retrying is useless until space is
    /// freed.
    #[error("the store is full ({doing})")]
    Full {
        /// The attempted operation.
        doing: String,
    },
    /// The store can't be reached, failed, or didn't answer in time; the outcome of a write is unknown. Retryable.
    #[error("the store is unavailable ({doing})")]
    Unavailable {
        /// The attempted operation.
        doing: String,
        /// The cause.
        #[source]
        cause: SharedError,
    },
}

/// What is wrong with a key, or with the store's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Not a key that [`keys`](super::keys) may spell.
    #[error("{0:?} is not a key of the store")]
    Key(String),
    /// The address is empty.
    #[error("the store's address is empty")]
    NoAddress,
    /// The address has this scheme.
    #[error("the store can be a folder, file://… or s3://bucket/prefix, not {0}://…")]
    Scheme(String),
    /// The address with the scheme `file` names no local folder.
    #[error("{0:?} is not the address of a local folder, like file:///srv/evenlight")]
    Folder(String),
    /// The address with the scheme `s3` names no bucket.
    #[error("the store's address has no bucket: s3://bucket/prefix")]
    NoBucket,
}

/// Result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Maps an error of `object_store` for an object.
pub(super) fn failed(doing: &str, key: &str, error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound(key.to_owned()),
        object_store::Error::AlreadyExists { .. } => Error::Exists(key.to_owned()),
        error if is_full(&error) => Error::Full { doing: format!("{doing} {key}") },
        error => unavailable(doing, key, error),
    }
}

/// Maps the error of a call on an object's file. A file that doesn't exist is an object that doesn't; a folder that doesn't exist
/// would be an outage.
pub(super) fn file_failed(doing: &str, key: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(key.to_owned()),
        _ => failed(doing, key, object_store::Error::Generic { store: "folder", source: error.into() }),
    }
}

/// Makes an error from its cause.
pub(super) fn unavailable(doing: &str, what: &str, cause: impl Into<SharedError>) -> Error {
    Error::Unavailable { doing: format!("{doing} {what}"), cause: cause.into() }
}

/// Whether an error means that the store is full: a file system reports it by its code (ENOSPC, EDQUOT), an object store by the
/// code in its answer (MinIO, Ceph) or by the status 507.
fn is_full(error: &(dyn StdError + 'static)) -> bool {
    let by_code = causes(error).filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
    let mut codes = by_code.filter(|kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded));
    codes.next().is_some() || {
        let answer = causes(error).last().map(ToString::to_string).unwrap_or_default();
        ["XMinioStorageFull", "QuotaExceeded", "507 Insufficient Storage"].iter().any(|full| answer.contains(full))
    }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use base::causes::chain;

    use super::*;

    fn generic(source: impl Into<Box<dyn StdError + Send + Sync>>) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: source.into() }
    }

    #[test]
    fn a_full_disk_and_a_used_up_quota_differ_from_other_failures() {
        let [enospc, edquot, eio] =
            [28, 122, 5].map(|code| failed("writing", "a", generic(io::Error::from_raw_os_error(code))));
        assert_eq!(enospc, Error::Full { doing: "writing a".into() });
        assert_eq!(edquot, enospc);
        assert!(matches!(eio, Error::Unavailable { .. }));
        let minio = "Server returned non-2xx status code: 507 Insufficient Storage: <Code>XMinioStorageFull</Code>";
        assert_eq!(failed("writing", "a", generic(minio)), enospc);
    }

    #[test]
    fn a_cause_is_named_once() {
        let error = failed("reading", "a", generic(io::Error::other("the cable is out")));
        let line = chain(&error).to_string();
        assert_eq!(line.matches("the cable is out").count(), 1, "{line}");
        assert!(line.starts_with("the store is unavailable (reading a): "), "{line}");
    }
}
