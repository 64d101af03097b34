//! Photoshop image resources: IPTC and others, and a thumbnail that becomes stale.

use shared::decode::Limits;

use super::{Result, refuse};

/// Thumbnail resources of Photoshop 4, and of 5 and later.
const THUMBNAILS: [u16; 2] = [1_033, 1_036];
/// IPTC resource.
const IPTC: u16 = 1_028;

/// A resource's number and length.
struct Resource {
    number: u16,
    length: usize,
}

/// Parses the resource at the beginning of `bytes`.
fn resource(bytes: &[u8]) -> Option<Resource> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let number = u16::from_be_bytes(*rest.first_chunk()?);
    // The name: a length byte, then its characters, padded to an even total.
    let name = (usize::from(*rest.get(2)?) + 1).next_multiple_of(2);
    let data = u32::from_be_bytes(*rest.get(2 + name..)?.first_chunk()?) as usize;
    let length = 4 + 2 + name + 4 + data;
    // The data is padded to an even length as well, except that some programs omit this for the last resource.
    (length <= bytes.len()).then(|| Resource { number, length: length.next_multiple_of(2).min(bytes.len()) })
}

/// Removes thumbnails from the resources; returns whether there were any. Bytes that can't be parsed are kept.
///
/// # Errors
/// Refused if there are more than [`Limits::MAX_BLOCKS`] resources.
pub(super) fn forget_thumbnail(resources: &mut Vec<u8>) -> Result<bool> {
    let (mut kept, mut rest) = (Vec::with_capacity(resources.len()), resources.as_slice());
    let mut count = 0;
    while let Some(found) = resource(rest) {
        count += 1;
        if count > Limits::MAX_BLOCKS {
            return refuse(format!(
                "Photoshop's metadata in this image have more than {} resources, which is too many. Save it \
                 again without them, and send the new file.",
                Limits::MAX_BLOCKS
            ));
        }
        let (own, others) = rest.split_at(found.length);
        if !THUMBNAILS.contains(&found.number) {
            kept.extend_from_slice(own);
        }
        rest = others;
    }
    kept.extend_from_slice(rest);
    let changed = kept.len() != resources.len();
    *resources = kept;
    Ok(changed)
}

/// Returns whether the resources include IPTC data.
pub(super) fn has_iptc(mut resources: &[u8]) -> bool {
    while let Some(found) = resource(resources) {
        if found.number == IPTC {
            return true;
        }
        resources = &resources[found.length..];
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn made(number: u16, name: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = b"8BIM".to_vec();
        bytes.extend(number.to_be_bytes());
        bytes.push(name.len() as u8);
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    }

    #[test]
    fn only_thumbnails_leave_the_resources() {
        let (iptc, other) = (made(1_028, b"", b"iptc!"), made(1_005, b"nam", b"resolution"));
        let mut all = [&iptc[..], &made(1_036, b"", b"jpeg"), &other, &made(1_033, b"x", b"old"), b"tail"].concat();
        assert!(has_iptc(&all));
        assert!(forget_thumbnail(&mut all).unwrap());
        assert_eq!(all, [&iptc[..], &other, b"tail"].concat());
        assert!(!forget_thumbnail(&mut all).unwrap());
    }

    #[test]
    fn nonsense_stays() {
        for end in 0..14 {
            let mut bytes = made(1_036, b"", b"jpeg")[..end].to_vec();
            assert!(!forget_thumbnail(&mut bytes).unwrap() && bytes.len() == end);
        }
        let mut long = b"8BIM\x04\x0c\0\0\xff\xff\xff\xff".to_vec();
        assert!(!forget_thumbnail(&mut long).unwrap());
    }

    #[test]
    fn more_resources_than_can_be_kept_are_refused() {
        let mut all = made(1_005, b"", b"").repeat(Limits::MAX_BLOCKS);
        assert!(!forget_thumbnail(&mut all).unwrap());
        all.extend(made(1_005, b"", b""));
        assert!(forget_thumbnail(&mut all).unwrap_err().to_string().contains("10000 resources"));
    }
}
