//! A page: where its directories are, and how many of them a file may have.

/// Maximum number of directories in a file: pages, overviews and masks.
pub(super) const MAX_DIRECTORIES: usize = 10_000;

/// Maximum number of fields in all directories together. Directories may overlap, so even a short file could have very many.
pub(super) const MOST_FIELDS: usize = 1_000_000;

/// Locations of a page's directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Offset of the page's own directory.
    pub at: u64,
    /// Offset of the directory of its mask (GDAL's internal mask), which marks the valid pixels.
    pub mask: Option<u64>,
    /// Index of the slice behind this directory, if it describes several; else 0.
    pub slice: u32,
}
