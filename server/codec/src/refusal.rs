//! Refusals of files.

use base::panics;

use super::{Error, Result};

/// Runs a decoder or encoder and converts its panic, which a hostile file may cause, to a refusal of the file.
pub(super) fn contain<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // State that a panic leaves inconsistent is dropped, or refuses further use.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let words = panics::message(&*panic).unwrap_or("no reason given");
        refuse(format!("The file made the decoder fail ({words})."))
    })
}

/// Returns a refusal with this sentence.
pub(super) fn refuse<T>(sentence: impl Into<String>) -> Result<T> {
    Err(Error::Refused(sentence.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_decoder_is_a_refusal_with_its_words() {
        let failed: Result<()> = contain(|| panic!("index {} out of bounds", 7));
        assert!(failed.is_err_and(|error| error.to_string().contains("index 7")));
    }
}
