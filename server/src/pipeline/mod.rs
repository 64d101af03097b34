//! The way of an image from its file to its result.

pub mod local;
mod ordered;
