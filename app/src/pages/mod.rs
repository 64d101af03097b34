//! The pages, one per file.

mod cluster;
mod gallery;
mod image;
mod not_found;
mod status;

pub use cluster::ClusterPage;
pub use gallery::GalleryPage;
pub use image::ImagePage;
pub use not_found::NotFoundPage;
pub use status::StatusPage;
