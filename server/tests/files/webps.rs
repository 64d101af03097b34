//! WebP: read lossy and lossless, written lossless.

use std::io::Cursor;

use server::codec::{self, Error};
use shared::decode::webp::header;
use shared::pixels::{Depth, Layout, Rows, Samples};

use super::{carry, inspect, make, read, sample, write};

/// Encodes a file with the image-webp crate, which keeps everything.
fn lossless(rows: &Rows) -> Vec<u8> {
    let Samples::U8(samples) = &rows.samples else { panic!("WebP has 8 bits") };
    let mut file = Vec::new();
    let color = if rows.layout == Layout::Rgba { image_webp::ColorType::Rgba8 } else { image_webp::ColorType::Rgb8 };
    image_webp::WebPEncoder::new(&mut file).encode(samples, rows.width, rows.height() as u32, color).unwrap();
    file
}

fn keeping(file: &[u8], layout: Layout) -> shared::job::Keeping {
    let info = inspect(file).unwrap();
    codec::head(&mut Cursor::new(file), &info, layout).unwrap().keeping().clone()
}

#[test]
fn pixels_come_out_bit_by_bit_whatever_the_parts() {
    for (layout, (width, height)) in
        [(Layout::Rgb, (1, 1)), (Layout::Rgb, (37, 29)), (Layout::Rgba, (33, 300)), (Layout::Rgba, (300, 17))]
    {
        let rows = make::pixels(layout, Depth::Eight, width, height);
        let original = lossless(&rows);
        let (info, found) = read(&original, 7).unwrap();
        assert_eq!((info.layout, info.depth, info.width, info.height), (layout, Depth::Eight, width, height));
        assert_eq!(found, rows);
        let result = carry(&original, 5);
        assert_eq!(read(&result, 300).unwrap().1, rows);
        assert!(result == carry(&original, 1));
        assert_eq!(keeping(&original, layout), shared::job::Keeping::default(), "nothing to tell");
    }
}

#[test]
fn what_was_lossy_is_read_once_and_loses_nothing_more() {
    for name in ["pillow_lossy.webp", "pillow_lossy_alpha.webp", "pillow_lossless_alpha.webp"] {
        let original = sample(&format!("made/{name}"));
        let (info, rows) = read(&original, 9).unwrap();
        let result = carry(&original, 4);
        assert_eq!(read(&result, 9).unwrap().1, rows, "{name}");
        assert!(!header(&mut Cursor::new(&result)).unwrap().lossy);
        let told = keeping(&original, info.layout).changed;
        assert_eq!(told.iter().any(|sentence| sentence.contains("was lossy")), name.contains("lossy"), "{told:?}");
    }
}

#[test]
fn profile_exif_and_xmp_are_kept_and_what_is_not_known_is_told() {
    let mut original = sample("made/pillow_lossy.webp");
    assert_eq!(inspect(&original).unwrap().orientation, 6);
    let more = [&b"ABCD"[..], &3_u32.to_le_bytes(), b"xyz\0"].concat();
    original.extend(&more);
    let length = original.len() as u32 - 8;
    original[4..8].copy_from_slice(&length.to_le_bytes());
    let result = carry(&original, 4);
    let chunks = |file: &[u8]| header(&mut Cursor::new(file)).unwrap().chunks;
    let kinds: Vec<[u8; 4]> = chunks(&result).iter().map(|chunk| chunk.kind).collect();
    assert_eq!(kinds, [*b"ICCP", *b"EXIF", *b"XMP "]);
    assert!(chunks(&result).iter().all(|chunk| chunks(&original).contains(chunk)), "byte by byte");
    assert_eq!(inspect(&result).unwrap().orientation, 6);
    let told = keeping(&original, Layout::Rgb);
    assert_eq!(told.kept, ["the colour profile (ICC)", "EXIF", "XMP"]);
    assert!(told.changed.iter().any(|sentence| sentence.contains("ABCD")), "{told:?}");

    let gray = make::pixels(Layout::Gray, Depth::Eight, 71, 53);
    let to_gray = write(&original, &gray, 4);
    assert!(chunks(&to_gray).iter().all(|chunk| &chunk.kind != b"ICCP"));
    let (_, colors) = read(&to_gray, 53).unwrap();
    let (Samples::U8(colors), Samples::U8(gray)) = (&colors.samples, &gray.samples) else { unreachable!() };
    assert!(colors.chunks(3).zip(gray).all(|(pixel, gray)| pixel == [*gray; 3]));
    assert!(keeping(&original, Layout::Gray).changed.iter().any(|sentence| sentence.contains("colour profile")));
}

#[test]
fn of_an_animation_the_first_frame_is_taken() {
    let animated = sample("made/pillow_animated.webp");
    let (info, rows) = read(&animated, 9).unwrap();
    assert_eq!((info.width, info.height, rows.height()), (71, 53, 53));
    let told = keeping(&animated, info.layout).changed;
    assert!(told.iter().any(|sentence| sentence.contains("frames (3)")), "{told:?}");
}

#[test]
fn what_decoding_and_encoding_hold_is_told_from_the_header_and_held_to_the_limit() {
    // A square, lossless file without any pixel data (RFC 9649, section 3.4: 14 bits for each side minus one).
    let of_side = |side: u32| {
        let data = [&[0x2f], &((side - 1) | (side - 1) << 14).to_le_bytes()[..], &[0; 5]].concat();
        let chunk = [b"WEBPVP8L", &(data.len() as u32).to_le_bytes()[..], &data].concat();
        [b"RIFF", &(chunk.len() as u32).to_le_bytes()[..], &chunk].concat()
    };
    assert!(inspect(&of_side(1 << 14)).unwrap_err().to_string().contains("16,383 can"));
    let file = of_side(16_383);
    let Err(Error::Refused(sentence)) = inspect(&file) else { panic!("it was taken") };
    assert!(
        sentence.starts_with("A WebP must be decoded and encoded at once, which takes 3,840 MiB for 16,383 × 16,383")
            && sentence.ends_with("the limit is 1,024 MiB."),
        "{sentence}"
    );
    let limits = codec::Limits { max_whole_decode: 1 << 33, ..codec::Limits::default() };
    let info = codec::inspect(&mut Cursor::new(&file), &limits).unwrap();
    assert_eq!(codec::join_memory(&info), 15 * 16_383 * 16_383);
    let pixels = codec::Limits { max_pixels: 1 << 27, ..limits };
    assert!(codec::inspect(&mut Cursor::new(&file), &pixels).unwrap_err().to_string().contains("268,402,689 in all"));
}

#[test]
fn parts_that_are_not_the_whole_picture_are_refused() {
    let original = sample("made/pillow_lossy.webp");
    let (info, rows) = read(&original, 100).unwrap();
    let head = codec::head(&mut Cursor::new(&original), &info, info.layout).unwrap();
    let part = codec::part(&head, 0, &rows).unwrap();
    let all = part.bytes.len();
    for bytes in [vec![0; all - 1], vec![0; all + 1]] {
        let joiner = codec::join(&head, std::slice::from_ref(&part.index)).unwrap();
        let written = joiner.write(&mut super::repeatable(&[bytes]), &mut |_| Ok(()));
        assert!(matches!(written, Err(Error::Refused(_))), "{written:?}");
    }
    let joiner = codec::join(&head, std::slice::from_ref(&part.index)).unwrap();
    let mut full = |_| Err(std::io::Error::other("the disk is full"));
    let failed = joiner.write(&mut super::repeatable(&[part.bytes]), &mut full);
    assert!(matches!(failed, Err(Error::Source(error)) if error.to_string() == "the disk is full"));
}
