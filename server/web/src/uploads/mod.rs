//! Uploads: forms with images, and resumable uploads (tus).

pub(crate) mod tus;
pub(crate) mod upload;

mod multipart;
