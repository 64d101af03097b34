//! Pictures for browsers: views, thumbnails and the tiles of pyramids.

pub mod renders;

pub(crate) mod pyramid;
pub(crate) mod views;
