//! Bytes of image files → rows of samples as stored.
