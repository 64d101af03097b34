//! Code shared by workers, server and browser: the equalization itself, the decoding of image files into rows of samples, and
//! the types that pods, pages and clients exchange.
//!
//! Nothing here does I/O, so that the same code runs in a worker and, as WebAssembly, in a browser.

pub mod clock;
pub mod cluster;
pub mod cut;
pub mod dct;
#[cfg(feature = "decode")]
pub mod decode;
pub mod distribution;
pub mod equalize;
pub mod error;
pub mod event;
pub mod gallery;
pub mod id;
pub mod image_info;
pub mod job;
pub mod log;
pub mod masonry;
pub mod number;
pub mod packed;
pub mod pixels;
pub mod preset;
#[cfg(feature = "decode")]
pub mod preview;
pub mod pyramid;
pub mod route;
pub mod scroll;
pub mod shrink;
pub mod task;
pub mod timeline;
