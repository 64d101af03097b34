//! EXIF data: reads the orientation, and removes a thumbnail that a result would make outdated.
//!
//! Source: CIPA DC-008 (Exif 2.32), sections 4.5 and 4.6: a TIFF structure whose first directory holds tag 274.

const ORIENTATION: u16 = 274;
const ENTRY: usize = 12;

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
        let mut ifd = Self { bytes, little, at: 4, entries: 0 };
        ifd.at = usize::try_from(ifd.u32(4)?).ok()?;
        ifd.entries = ifd.u16(ifd.at)?.into();
        Some(ifd)
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

    #[test]
    fn a_thumbnail_is_forgotten_and_the_rest_stays() {
        let mut with = exif(6, 26);
        assert!(forget_thumbnail(&mut with));
        assert_eq!(with, exif(6, 0));
        assert!(!forget_thumbnail(&mut with));
    }
}
