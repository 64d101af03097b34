//! The way of an image: accept → split → histogram → reduce → equalize → stitch → publish.

pub mod accept;
pub mod pixels;
