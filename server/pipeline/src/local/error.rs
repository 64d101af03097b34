//! Errors of local equalization.

use std::io;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The original can't be read or its result can't be made.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// The output or a temporary file can't be written.
    #[error("writing failed: {0}")]
    Write(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Codec(codec::Error::Source(error))
    }
}
