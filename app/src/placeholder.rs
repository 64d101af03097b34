//! Placeholder of an image until its thumbnail has loaded: a ThumbHash as 8 × 8 pixels, blurred by the browser.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared::gallery::Image;

/// Side of the placeholder in pixels.
const SIDE: usize = 8;
/// Header of a bitmap: BITMAPFILEHEADER and BITMAPINFOHEADER.
const HEADER: usize = 54;

/// Returns a style that shows an image's placeholder; `None` if it has none, or has alpha, through which the placeholder would
/// show.
pub fn of(image: &Image) -> Option<String> {
    let opaque = image.inks || image.channels % 2 == 1;
    image.thumbhash.as_deref().filter(|_| opaque).and_then(background)
}

/// Returns a style that shows a ThumbHash in base64; `None` if it is invalid.
fn background(thumbhash: &str) -> Option<String> {
    let hash = STANDARD.decode(thumbhash).ok()?;
    let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(&hash).ok()?;
    let color = |x: usize, y: usize| {
        let at = 4 * ((y * height + height / 2) / SIDE * width + (x * width + width / 2) / SIDE);
        rgba.get(at..at + 3)
    };
    let mut bitmap = header();
    // A bitmap stores its bottom row first.
    for y in (0..SIDE).rev() {
        for x in 0..SIDE {
            let [r, g, b] = *color(x, y)? else { return None };
            bitmap.extend([b, g, r]);
        }
    }
    Some(format!("background-image:url(data:image/bmp;base64,{})", STANDARD.encode(&bitmap)))
}

/// Header for 24 bits per pixel, uncompressed.
fn header() -> Vec<u8> {
    let pixels = SIDE * SIDE * 3;
    let word = |number: usize| (number as u32).to_le_bytes();
    let mut header = Vec::with_capacity(HEADER + pixels);
    header.extend(b"BM");
    for number in [HEADER + pixels, 0, HEADER, 40, SIDE, SIDE, 1 | 24 << 16, 0, pixels, 0, 0, 0, 0] {
        header.extend(word(number));
    }
    header
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_becomes_a_small_picture_of_its_colours() {
        // Red above blue.
        let rgba: Vec<u8> =
            (0..32 * 32).flat_map(|i| if i < 512 { [255, 0, 0, 255] } else { [0, 0, 255, 255] }).collect();
        let hash = STANDARD.encode(thumbhash::rgba_to_thumb_hash(32, 32, &rgba));
        let style = background(&hash).unwrap();
        let bitmap = style.strip_prefix("background-image:url(data:image/bmp;base64,").unwrap().trim_end_matches(')');
        let bitmap = STANDARD.decode(bitmap).unwrap();
        assert_eq!((bitmap.len(), &bitmap[..2]), (HEADER + 192, b"BM".as_slice()));
        let (below, above) = (&bitmap[HEADER..HEADER + 3], &bitmap[bitmap.len() - 3..]);
        assert!(below[0] > 150 && below[2] < 100, "blue below: {below:?}");
        assert!(above[2] > 150 && above[0] < 100, "red above: {above:?}");
    }

    #[test]
    fn what_is_no_hash_shows_nothing() {
        for nonsense in ["", "x", "\");alert(1)", "AAAA"] {
            assert_eq!(background(nonsense), None, "{nonsense}");
        }
    }
}
