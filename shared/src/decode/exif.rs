//! EXIF data: reads the orientation, and removes a thumbnail that a result would make outdated, and fields without data.
//!
//! Source: CIPA DC-008 (Exif 2.32), sections 4.5 and 4.6: a TIFF structure whose first directory holds tag 274.

const ORIENTATION: u16 = 274;
const ENTRY: usize = 12;
/// Fields that point to further directories: EXIF's own, GPS and interoperability.
const DIRECTORIES: [u16; 3] = [34_665, 34_853, 40_965];
/// Bytes of a value by type (TIFF 6.0, section 2); 0 for unknown types.
const SIZES: [usize; 14] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4];

struct Ifd<'a> {
    bytes: &'a [u8],
    little: bool,
    at: usize,
    entries: usize,
}

impl<'a> Ifd<'a> {
    /// Reads the first directory of EXIF data, which start with the byte order mark.
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II\x2a\0" => true,
            b"MM\0\x2a" => false,
            _ => return None,
        };
        let header = Self { bytes, little, at: 4, entries: 0 };
        header.directory(header.u32(4)?)
    }

    /// Reads the directory at an offset.
    fn directory(&self, at: u32) -> Option<Self> {
        let at = usize::try_from(at).ok()?;
        Some(Self { at, entries: self.u16(at)?.into(), ..*self })
    }

    /// Whether the value of the entry at this position, or the directory it points to, is outside of the data.
    fn lacks_value(&self, entry: usize) -> bool {
        let (Some(tag), Some(kind), Some(count), Some(value)) =
            (self.u16(entry), self.u16(entry + 2), self.u32(entry + 4), self.u32(entry + 8))
        else {
            return true;
        };
        if DIRECTORIES.contains(&tag) {
            return self.directory(value).is_none_or(|ifd| ifd.next_pointer() > self.bytes.len());
        }
        let size = SIZES.get(usize::from(kind)).map_or(0, |size| *size as u64 * u64::from(count));
        size > 4 && u64::from(value) + size > self.bytes.len() as u64
    }

    fn u16(&self, at: usize) -> Option<u16> {
        let pair = *self.bytes.get(at..)?.first_chunk::<2>()?;
        Some(if self.little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let four = *self.bytes.get(at..)?.first_chunk::<4>()?;
        Some(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn next_pointer(&self) -> usize {
        self.at + 2 + self.entries * ENTRY
    }
}

/// Returns the orientation, 1 to 8, from EXIF data that start with the byte order mark; 1 if there is none.
pub fn orientation(exif: &[u8]) -> u8 {
    let find = || {
        let ifd = Ifd::first(exif)?;
        let entry = (0..ifd.entries).map(|i| ifd.at + 2 + i * ENTRY).find(|at| ifd.u16(*at) == Some(ORIENTATION))?;
        ifd.u16(entry + 8)
    };
    match find() {
        Some(value @ 1..=8) => value as u8,
        _ => 1,
    }
}

/// Removes, in place, fields whose values are outside of the data, and returns their number. The bytes of directories that get
/// shorter stay, so that no offset changes.
pub fn forget_outside(exif: &mut [u8]) -> usize {
    let mut removed = 0;
    let mut directories: Vec<usize> = Ifd::first(exif).map(|ifd| ifd.at).into_iter().collect();
    let mut seen = 0;
    while let Some(at) = directories.get(seen).copied() {
        seen += 1;
        let mut index = 0;
        while let Some(ifd) = Ifd::first(exif).and_then(|first| first.directory(at as u32)) {
            let entry = at + 2 + index * ENTRY;
            let end = ifd.next_pointer() + 4;
            if index >= ifd.entries || end > ifd.bytes.len() {
                break;
            }
            if !ifd.lacks_value(entry) {
                if ifd.u16(entry).is_some_and(|tag| DIRECTORIES.contains(&tag)) {
                    let inner = ifd.u32(entry + 8).map_or(0, |at| at as usize);
                    // A directory that contains itself would have no end.
                    if !directories.contains(&inner) && directories.len() < 8 {
                        directories.push(inner);
                    }
                }
                index += 1;
                continue;
            }
            let (entries, little) = (ifd.entries as u16 - 1, ifd.little);
            exif.copy_within(entry + ENTRY..end, entry);
            exif[end - ENTRY..end].fill(0);
            let count = if little { entries.to_le_bytes() } else { entries.to_be_bytes() };
            exif[at..at + 2].copy_from_slice(&count);
            removed += 1;
        }
    }
    removed
}

/// Unlinks the thumbnail's directory in place and returns whether there was one. Its bytes remain, unreferenced, so that no
/// offset changes.
pub fn forget_thumbnail(exif: &mut [u8]) -> bool {
    let Some(ifd) = Ifd::first(exif) else { return false };
    let at = ifd.next_pointer();
    if matches!(ifd.u32(at), None | Some(0)) {
        return false;
    }
    exif[at..at + 4].fill(0);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exif(value: u8, next: u8) -> Vec<u8> {
        let mut bytes = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        bytes.extend([value, 0, 0, 0, 0, 0, next]);
        bytes
    }

    #[test]
    fn the_orientation_is_found_in_either_byte_order() {
        assert_eq!(orientation(&exif(6, 0)), 6);
        assert_eq!(orientation(b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"), 8);
    }

    #[test]
    fn nonsense_is_upright() {
        for end in 0..26 {
            assert!((1..=8).contains(&orientation(&exif(6, 0)[..end])));
        }
        assert_eq!(orientation(&exif(0, 0)), 1);
        assert_eq!(orientation(&exif(9, 0)), 1);
        assert_eq!(orientation(b"II\x2a\0\xff\xff\xff\xff"), 1);
    }

    /// EXIF data of these entries (tag, type, count, value), followed by some bytes.
    fn fields(entries: &[(u16, u16, u32, u32)], rest: &[u8]) -> Vec<u8> {
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in entries {
            bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            bytes.extend([count.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes.extend([&[0; 4], rest].concat());
        bytes
    }

    #[test]
    fn fields_that_point_outside_are_removed_and_the_others_stay() {
        let orientation = (274, 3, 1, 6);
        // Two fields have 30 bytes and a link of 4 before their data at 38, four have 62.
        let mut exif = fields(&[(271, 2, 9, 60), orientation, (272, 2, 9, 4_000), (305, 2, 5, 62)], b"abcd\0");
        assert_eq!(forget_outside(&mut exif), 2);
        assert_eq!(exif[..38], fields(&[orientation, (305, 2, 5, 62)], &[])[..]);
        assert_eq!(exif[62..], *b"abcd\0");
        assert_eq!(forget_outside(&mut exif), 0);
    }

    #[test]
    fn directories_outside_are_removed_and_those_inside_are_looked_into() {
        let inner = fields(&[(33_434, 5, 1, 9_999), (36_864, 7, 4, 0)], &[])[8..].to_vec();
        let mut exif = fields(&[(34_665, 4, 1, 38), (34_853, 4, 1, 500)], &inner);
        assert_eq!(forget_outside(&mut exif), 2);
        assert_eq!(exif[..26], fields(&[(34_665, 4, 1, 38)], &[])[..26]);
        assert_eq!(exif[38..40], [1, 0]);
        assert_eq!(exif[40..42], 36_864_u16.to_le_bytes());
        let mut circle = fields(&[(34_665, 4, 1, 8)], &[]);
        assert_eq!(forget_outside(&mut circle), 0);
    }

    #[test]
    fn cut_data_do_no_harm() {
        let whole = fields(&[(34_665, 4, 1, 26), (271, 2, 9, 60)], &[7; 30]);
        for end in 0..whole.len() {
            forget_outside(&mut whole[..end].to_vec());
        }
    }

    #[test]
    fn a_thumbnail_is_forgotten_and_the_rest_stays() {
        let mut with = exif(6, 26);
        assert!(forget_thumbnail(&mut with));
        assert_eq!(with, exif(6, 0));
        assert!(!forget_thumbnail(&mut with));
    }
}
