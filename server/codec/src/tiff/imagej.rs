//! ImageJ's metadata: display ranges, which are of the old pixels.
//!
//! The description has lines `min=` and `max=`. The fields 50838 and 50839 (IJMetadata) hold blocks: 50838 the length of the
//! header and then of each item, 50839 the header ("IJIJ", then type and number of items of each kind) and the items
//! (<https://github.com/imagej/ImageJ/blob/master/ij/io/TiffEncoder.java>).

use std::io::{Read, Seek};

use shared::decode::Limits;
use shared::decode::tiff::{Order, Structure, tag};
use shared::job::Keeping;

use super::super::Result;
use super::field::{self, Field};

/// Length of the magic number, and of a kind in the header.
const MAGIC: usize = 4;
const KIND: usize = 8;

/// Removes the display range from an ImageJ description; returns whether there was one.
pub(super) fn forget_range(description: &mut Field) -> bool {
    description.change_text(without_range)
}

fn without_range(text: &str) -> Option<String> {
    if !text.starts_with("ImageJ=") {
        return None;
    }
    let is_range = |line: &&str| line.starts_with("min=") || line.starts_with("max=");
    let kept: String = text.split_inclusive('\n').filter(|line| !is_range(line)).collect();
    // The last line may end with the text's terminator instead.
    let kept = if text.ends_with('\0') && !kept.ends_with('\0') { kept + "\0" } else { kept };
    (kept.len() != text.len()).then_some(kept)
}

/// Returns the two fields of a page's IJMetadata without display ranges, empty if nothing else is left; none if they have no
/// ranges, or can't be parsed.
pub(super) fn metadata<R: Read + Seek>(source: &mut R, page: &Structure, keeping: &mut Keeping) -> Result<Vec<Field>> {
    let find = |tag| {
        page.directory
            .find(tag)
            .filter(|entry| page.tiff.length_of(entry).is_ok_and(|length| length <= Limits::MAX_METADATA))
    };
    let (Some(counts), Some(blocks)) = (find(tag::IMAGEJ_BYTE_COUNTS), find(tag::IMAGEJ)) else {
        return Ok(Vec::new());
    };
    let (order, kind) = (page.tiff.order, blocks.kind);
    let counts = page.tiff.numbers(source, counts)?;
    let Some((counts, blocks)) = without_ranges(order, &counts, &page.tiff.bytes(source, blocks)?) else {
        return Ok(Vec::new());
    };
    keeping.change("ImageJ's display ranges were for the old pixels.");
    Ok(vec![
        Field::numbers(order, tag::IMAGEJ_BYTE_COUNTS, field::LONG, &counts),
        Field::bytes(tag::IMAGEJ, kind, blocks),
    ])
}

/// Returns lengths and blocks without the items of the kind "rang". The kind is a number, so it is reversed in little-endian files.
fn without_ranges(order: Order, counts: &[u64], blocks: &[u8]) -> Option<(Vec<u64>, Vec<u8>)> {
    let header_length = usize::try_from(*counts.first()?).ok()?;
    let (header, mut items) = blocks.split_at_checked(header_length)?;
    let kinds = header.get(MAGIC..)?.as_chunks::<KIND>().0;
    let mut lengths = counts[1..].iter();
    let (mut kept_header, mut kept_lengths, mut kept_items) = (header[..MAGIC].to_vec(), Vec::new(), Vec::new());
    let mut found = false;
    for kind in kinds {
        let is_range = order.number(&kind[..4]) == u64::from(u32::from_be_bytes(*b"rang"));
        found |= is_range;
        if !is_range {
            kept_header.extend_from_slice(kind);
        }
        for _ in 0..order.number(&kind[4..]) {
            let length = *lengths.next()?;
            let (item, others) = items.split_at_checked(usize::try_from(length).ok()?)?;
            items = others;
            if !is_range {
                kept_lengths.push(length);
                kept_items.extend_from_slice(item);
            }
        }
    }
    if !found {
        return None;
    }
    if kept_lengths.is_empty() {
        return Some((Vec::new(), Vec::new()));
    }
    let counts = [&[kept_header.len() as u64], &kept_lengths[..]].concat();
    Some((counts, [kept_header, kept_items].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_range_leaves_the_description() {
        let text = "ImageJ=1.53t\nimages=3\nmin=4000.0\nunit=um\nmax=13500.0\n\0";
        assert_eq!(without_range(text).as_deref(), Some("ImageJ=1.53t\nimages=3\nunit=um\n\0"));
        assert_eq!(without_range("ImageJ=1.53t\nmax=3\0").as_deref(), Some("ImageJ=1.53t\n\0"));
        for other in ["min=4\nmax=5\n\0", "ImageJ=1.53t\nimages=3\n\0", ""] {
            assert_eq!(without_range(other), None, "{other:?}");
        }
    }

    #[test]
    fn only_the_ranges_leave_the_blocks() {
        for order in [Order::Little, Order::Big] {
            let kind = |name: &[u8; 4], items: u64| {
                let mut bytes = Vec::new();
                order.put(&mut bytes, u32::from_be_bytes(*name).into(), 4);
                order.put(&mut bytes, items, 4);
                bytes
            };
            let magic = kind(b"IJIJ", 0)[..4].to_vec();
            let with = [&magic[..], &kind(b"labl", 2), &kind(b"rang", 1), &kind(b"roi ", 1), b"abbcccddd"].concat();
            let without = [&magic[..], &kind(b"labl", 2), &kind(b"roi ", 1), b"abbddd"].concat();
            assert_eq!(without_ranges(order, &[28, 1, 2, 3, 3], &with), Some((vec![20, 1, 2, 3], without.clone())));
            assert_eq!(without_ranges(order, &[20, 1, 2, 3], &without), None);
            let alone = [&magic[..], &kind(b"rang", 1), b"ccc"].concat();
            assert_eq!(without_ranges(order, &[12, 3], &alone), Some((Vec::new(), Vec::new())));
            assert_eq!(without_ranges(order, &[28, 1, 2], &with), None, "its lengths end too early");
        }
    }
}
