//! Downloads: originals and results, whole, by ranges, or several in a zip file.

pub(crate) mod download;
pub(crate) mod range;
pub(crate) mod zip;
