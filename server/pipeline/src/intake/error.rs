//! Errors of uploads: why one isn't accepted, worded for the user.

use std::time::Duration;

use super::full::Full;
use crate::compute::pixels;
use crate::job::companions::Missing;

/// Why an upload isn't accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The body is empty.
    #[error("The image is empty: it has 0 bytes.")]
    Empty,
    /// The first bytes, here, match no supported format.
    #[error("{}", codec::foreign::refusal(.0))]
    NotAnImage(Vec<u8>),
    /// The body exceeds the maximum size, in bytes.
    #[error("The image is too large: the limit is {0} bytes.")]
    TooLarge(u64),
    /// The image can't be kept; a sentence for the user.
    #[error("{0}")]
    Refused(String),
    /// Reading the header used up its processor time.
    #[error(
        "Reading this file's metadata took more than {:.0} s, so it was rejected. Save it again with an image \
         editor, and send the new file.",
        .0.as_secs_f64()
    )]
    Overran(Duration),
    /// The header couldn't be read in time, for whatever reason.
    #[error(
        "The image couldn't be inspected within {:.0} s: this pod or its store is slow, or the file is unusual. Send it again; if \
         that fails as well, save it with an image editor first.",
        .0.as_secs_f64()
    )]
    Busy(Duration),
    /// The idempotency key was used before, with a different body or recipe.
    #[error("This Idempotency-Key was used before, with another {0}; use a new key for a new upload.")]
    KeyReused(&'static str),
    /// The idempotency key was used before, for an image that has been deleted since.
    #[error(
        "The image that was accepted with this Idempotency-Key has been deleted; use a new key to upload it again."
    )]
    Deleted,
    /// Another request with the same key took over.
    #[error("Another request with the same Idempotency-Key took over this upload.")]
    TakenOver,
    /// The upload was abandoned: it stalled for too long, or its client deleted it.
    #[error("The upload was cancelled, or ended because no data came for too long; send it again.")]
    Abandoned,
    /// The bytes don't start at the current offset.
    #[error("Expected bytes from offset {expected}, got offset {got}.")]
    Offset {
        /// Number of bytes received so far.
        expected: u64,
        /// Offset that the request gave.
        got: u64,
    },
    /// The store is full.
    #[error("The store is full: there is no space for the image.")]
    Full,
    /// The array has no capacity for the upload right now.
    #[error(transparent)]
    NoRoom(#[from] Full),
    /// The store failed.
    #[error(transparent)]
    Store(store::Error),
    /// The catalog is unavailable: nothing is accepted, or the acceptance has an unknown outcome.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// The pixel threads failed.
    #[error(transparent)]
    Pixels(pixels::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Full { .. } => Error::Full,
            error => Error::Store(error),
        }
    }
}

impl From<Missing> for Error {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Refused(reason) => Error::Refused(reason),
            Missing::Catalog(error) => error.into(),
        }
    }
}

/// Result of this module's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;
