//! Header of an image file: format, dimensions and samples, and what only some files have.

use serde::{Deserialize, Serialize};

use crate::packed::Packed;
use crate::pixels::{Depth, Layout};

/// File formats that Evenlight reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG (JFIF or EXIF).
    Jpeg,
    /// TIFF, classic or BigTIFF.
    Tiff,
    /// WebP, lossy or lossless; results are lossless.
    Webp,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 4] = [Format::Png, Format::Jpeg, Format::Tiff, Format::Webp];

    /// Returns the name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpeg",
            Format::Tiff => "tiff",
            Format::Webp => "webp",
        }
    }

    /// Returns the media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::Tiff => "image/tiff",
            Format::Webp => "image/webp",
        }
    }

    /// Returns the usual file name extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpg",
            Format::Tiff => "tif",
            Format::Webp => "webp",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "png" => Ok(Format::Png),
            "jpeg" => Ok(Format::Jpeg),
            "tiff" => Ok(Format::Tiff),
            "webp" => Ok(Format::Webp),
            other => Err(format!("expected png, jpeg, tiff or webp, got {other:?}")),
        }
    }
}

/// What a result keeps of the original's structure and metadata, as sentences for the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeping {
    /// What is kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
    /// What is changed or dropped, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl Keeping {
    /// Maximum length of each list, so that the record stays small whatever the file contains.
    pub const MOST: usize = 40;

    /// Adds a sentence to what is kept, unless already listed.
    pub fn keep(&mut self, what: impl Into<String>) {
        Self::add(&mut self.kept, what.into());
    }

    /// Adds a sentence to what is changed or dropped, unless already listed.
    pub fn change(&mut self, what: impl Into<String>) {
        Self::add(&mut self.changed, what.into());
    }

    /// Creates a record of these changes.
    pub fn of_changes(changes: impl IntoIterator<Item = String>) -> Self {
        let mut keeping = Self::default();
        changes.into_iter().for_each(|what| keeping.change(what));
        keeping
    }

    fn add(list: &mut Vec<String>, what: String) {
        const MORE: &str = "And more.";
        if list.len() < Self::MOST && !list.contains(&what) {
            list.push(if list.len() + 1 < Self::MOST { what } else { MORE.to_owned() });
        }
    }

    /// Whether both lists are empty.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.changed.is_empty()
    }
}

/// Header of an image: all that the master needs to cut it, without reading a pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// File format.
    pub format: Format,
    /// Width in pixels, as stored.
    pub width: u32,
    /// Height in pixels, as stored.
    pub height: u32,
    /// Samples of a pixel.
    pub layout: Layout,
    /// Type of a sample.
    #[serde(flatten)]
    pub depth: Depth,
    /// EXIF orientation, 1 to 8; 1 is upright.
    pub orientation: u8,
    /// Number of rows that can only be read or written together: the height of a TIFF strip or tile or of a JPEG MCU; 1 for
    /// PNG. Parts are cut at multiples of it.
    pub unit_rows: u32,
    /// Whether workers can read rows of the original in place (TIFF strips and tiles). If not, a split task decodes it once.
    pub regions: bool,
    /// Whether decoding needs the whole image in memory (JPEG, interlaced PNG).
    pub whole_decode: bool,
    /// Properties that only some files have.
    #[serde(default)]
    pub more: ImageExtras,
}

/// Properties that only some files have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageExtras {
    /// Index of the page that [`ImageInfo`] describes, from 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub page: u32,
    /// Number of pages after the first one. A multi-page file is processed page by page, with several pages to a task.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub further_pages: u32,
    /// Location of the page's directories, if they were just looked up.
    #[serde(skip)]
    pub place: Option<Place>,
    /// Overviews of the page, regenerated from its result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overviews: Vec<Overview>,
    /// Decoded bytes of the largest page of a multi-page file.
    #[serde(default, skip_serializing_if = "is_zero_bytes")]
    pub largest_page: u64,
    /// Nodata value, from GDAL's tag: pixels whose samples all equal it are left unchanged and not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodata: Option<f64>,
    /// Bits of the file's samples, if they are packed; [`ImageInfo::depth`] is then 16, to which they are widened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<Packed>,
    /// What results keep of the file's structure and metadata.
    #[serde(default, skip_serializing_if = "Keeping::is_empty")]
    pub keeping: Keeping,
}

/// Locations of a page's directories in a TIFF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The page's own directory.
    pub page: u64,
    /// The directory of its mask.
    pub mask: Option<u64>,
    /// Index of its slice, if the directory describes several; else 0.
    pub slice: u32,
}

/// Overview: a reduced-resolution copy of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Reduction factor: each pixel covers a square of `factor` × `factor` pixels, less at the page's edges.
    pub factor: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Whether it is a child of the page (SubIFDs) instead of following it in the directory chain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
}

impl Overview {
    /// Returns the overview of this size, if both sides are the page's divided by the same factor, both rounded up or both
    /// rounded down. Two factors may fit an overview that is smaller than they are: a power of two is more likely.
    pub fn of((width, height): (u32, u32), (small_width, small_height): (u32, u32), below: bool) -> Option<Self> {
        let about = width.checked_div(small_width)?;
        let roundings: [fn(u32, u32) -> u32; 2] = [u32::div_ceil, |side, factor| side / factor];
        let all = roundings.into_iter().flat_map(|divided| {
            let factors = about.max(2)..=about.saturating_add(1);
            factors.filter(move |factor| {
                (small_width, small_height) == (divided(width, *factor), divided(height, *factor))
            })
        });
        let factor = all.clone().find(|factor| factor.is_power_of_two()).or_else(|| all.clone().next())?;
        (small_height > 0).then_some(Self { factor, width: small_width, height: small_height, below })
    }
}

pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_bytes(bytes: &u64) -> bool {
    *bytes == 0
}

impl ImageInfo {
    /// Whether both images have the same pixel format and dimensions, whatever [`ImageExtras`] contains.
    pub fn is_like(&self, other: &ImageInfo) -> bool {
        *self == ImageInfo { more: self.more.clone(), ..other.clone() }
    }

    /// Returns the bits of a sample in the file.
    pub fn bits(&self) -> u8 {
        self.more.packed.map_or(self.depth.bits(), Packed::bits)
    }

    /// Returns the bytes of one decoded row.
    pub fn row_bytes(&self) -> u64 {
        u64::from(self.width) * (self.layout.channels() * self.depth.bytes()) as u64
    }

    /// Returns the bytes of the decoded image.
    pub fn raw_bytes(&self) -> u64 {
        self.row_bytes() * u64::from(self.height)
    }

    /// Returns the number of pages in the file.
    pub fn pages(&self) -> u32 {
        self.more.further_pages.saturating_add(1)
    }

    /// Returns the number of pixels.
    pub fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// Returns width and height as displayed, after applying the orientation.
    pub fn displayed(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_is_reduced_by_a_power_of_two_if_one_fits() {
        let factor = |page, small| Overview::of(page, small, false).map(|overview| overview.factor);
        // As GDAL halves, rounding down; the 257th part, rounded up, is as large.
        assert_eq!(factor((100_001, 100_001), (390, 390)), Some(256));
        assert_eq!(factor((100, 83), (6, 5)), Some(16));
        assert_eq!(factor((517, 389), (65, 49)), Some(8), "rounded up");
        assert_eq!(factor((517, 389), (64, 48)), Some(8), "rounded down");
        assert_eq!(factor((900, 600), (300, 200)), Some(3));
        assert_eq!(factor((1_000, 500), (250, 120)), None);
        assert_eq!(factor((1_000, 500), (0, 0)), None);
    }
}
