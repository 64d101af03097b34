//! File names and the formats that they promise.

use std::path::Path;

use shared::job::Format;

/// Returns the format that a file's extension stands for.
pub fn format_of_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some(Format::Png),
        "jpg" | "jpeg" | "jpe" | "jfif" => Some(Format::Jpeg),
        "tif" | "tiff" => Some(Format::Tiff),
        "webp" => Some(Format::Webp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_promise_formats() {
        assert_eq!(format_of_name(Path::new("a/b.TIFF")), Some(Format::Tiff));
        assert_eq!(format_of_name(Path::new("b.jpeg")), Some(Format::Jpeg));
        assert_eq!(format_of_name(Path::new("png")), None);
    }
}
