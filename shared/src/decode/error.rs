//! Errors of decoding: refusals, with a sentence for the user, and failures of the source.

use std::io;

use crate::image_info::Format;

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is at fault; with a sentence for the user. Retrying can't help.
    #[error("{0}")]
    Refused(String),
    /// The source failed. Retryable.
    #[error("reading the file failed: {0}")]
    Source(#[from] io::Error),
}

/// Result of this module's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Returns a refusal.
pub(crate) fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}

/// Classifies an I/O error from a decoder: a refusal if data is missing or invalid, else an error of the source.
pub(crate) fn blame(format: Format, error: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        UnexpectedEof => truncated(format),
        InvalidData | InvalidInput => damaged(format, error),
        _ => Error::Source(error),
    }
}

/// Returns the refusal of a file that ends too early.
pub(crate) fn truncated(format: Format) -> Error {
    Error::Refused(format!(
        "The {} file ends before its image does: it is truncated. Copy or download it again.",
        name(format)
    ))
}

/// Returns the refusal of a file with invalid structure or data.
pub(crate) fn damaged(format: Format, what: impl std::fmt::Display) -> Error {
    let what = what.to_string();
    Error::Refused(format!(
        "The {} file is damaged: {}. Copy or download it again, or save it anew with the program that wrote it.",
        name(format),
        what.trim_end_matches('.')
    ))
}

/// Returns the format's name, as in sentences.
pub(super) fn name(format: Format) -> &'static str {
    match format {
        Format::Png => "PNG",
        Format::Jpeg => "JPEG",
        Format::Tiff => "TIFF",
        Format::Webp => "WebP",
    }
}
