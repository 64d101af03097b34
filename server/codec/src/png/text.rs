//! XMP in a PNG's text chunks: as iTXt, compressed or not, or as hexadecimal digits, as ImageMagick and ExifTool store it.

use shared::decode::png::Chunk;
use shared::job::Keeping;

use super::super::deflate::inflate;
use super::super::xmp;

/// Keyword of XMP in an iTXt chunk.
pub(super) const KEYWORD: &[u8] = b"XML:com.adobe.xmp\0";
/// Keywords of XMP as digits; the older one has a JPEG segment's content, with its prefix.
const DIGITS: [&[u8]; 2] = [b"Raw profile type xmp\0", b"Raw profile type APP1\0"];
const SEGMENT: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Maximum bytes of a packet that is read.
const MOST: usize = 16 << 20;

/// Drops from XMP what became false, and reports it; an edited chunk becomes an uncompressed iTXt. Returns whether anything of the
/// chunk remains. Other chunks, and those that can't be read, stay as they are.
pub(super) fn refresh(chunk: &mut Chunk, keeping: &mut Keeping) -> bool {
    let Some(original) = packet(chunk) else { return true };
    let mut edited = original.clone();
    if !xmp::refresh(&mut edited, keeping) {
        return false;
    }
    if edited != original {
        chunk.kind = *b"iTXt";
        // Neither compressed, nor of a language, nor with a translated keyword.
        chunk.data = [KEYWORD, &[0; 4], &edited].concat();
    }
    true
}

/// Returns the XMP packet of a text chunk.
fn packet(chunk: &Chunk) -> Option<Vec<u8>> {
    let digits = |data: &[u8]| DIGITS.iter().find_map(|keyword| Some(data.strip_prefix(*keyword)?.to_vec()));
    match &chunk.kind {
        b"iTXt" => {
            let (flags, rest) = chunk.data.strip_prefix(KEYWORD)?.split_first_chunk::<2>()?;
            let text = rest.splitn(3, |byte| *byte == 0).nth(2)?;
            if flags[0] == 0 { Some(text.to_vec()) } else { inflate(text, MOST) }
        }
        b"tEXt" => from_digits(&digits(&chunk.data)?),
        // A byte for the method precedes the data.
        b"zTXt" => from_digits(&inflate(digits(&chunk.data)?.get(1..)?, MOST)?),
        _ => None,
    }
}

/// Decodes a profile in digits: a line with its name, one with its length, then lines of digits.
fn from_digits(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let mut lines = text.splitn(3, '\n').skip(1);
    let length: usize = lines.next()?.trim().parse().ok()?;
    let digits: Vec<u32> =
        lines.next()?.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect();
    let bytes = (bytes.len() == length).then_some(bytes)?;
    // A profile of the older name may be EXIF.
    match bytes.strip_prefix(SEGMENT) {
        Some(packet) => Some(packet.to_vec()),
        None if bytes.starts_with(b"Exif") => None,
        None => Some(bytes),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use shared::decode::png::Place;

    use super::super::super::deflate::zlib;
    use super::*;

    fn packet_with(property: &str) -> Vec<u8> {
        let packet = format!(
            "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
             <rdf:Description xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
             {property}/></rdf:RDF></x:xmpmeta>"
        );
        packet.into_bytes()
    }

    fn digits(packet: &[u8]) -> Vec<u8> {
        let hex: Vec<String> = packet.iter().map(|byte| format!("{byte:02x}")).collect();
        let lines: Vec<String> = hex.chunks(36).map(|line| line.concat()).collect();
        format!("\nxmp\n{:8}\n{}\n", packet.len(), lines.join("\n")).into_bytes()
    }

    #[test]
    fn xmp_is_edited_however_it_is_stored() {
        let packet = packet_with("hdrgm:Version=\"1.0\" dc:source=\"a camera\"");
        let segment = [SEGMENT, &packet].concat();
        let stored: [(&[u8; 4], Vec<u8>); 5] = [
            (b"iTXt", [KEYWORD, b"\0\0\0\0", &packet].concat()),
            (b"iTXt", [KEYWORD, b"\x01\0en\0XMP\0", &zlib(&packet)[..]].concat()),
            (b"tEXt", [DIGITS[0], &digits(&packet)[..]].concat()),
            (b"zTXt", [DIGITS[0], b"\0", &zlib(&digits(&packet))[..]].concat()),
            (b"zTXt", [DIGITS[1], b"\0", &zlib(&digits(&segment))[..]].concat()),
        ];
        for (kind, data) in stored {
            let mut keeping = Keeping::default();
            let mut chunk = Chunk { kind: *kind, data, place: Place::Front };
            assert!(refresh(&mut chunk, &mut keeping));
            assert_eq!((&chunk.kind, keeping.changed.len()), (b"iTXt", 1), "{}", String::from_utf8_lossy(kind));
            let text = String::from_utf8(chunk.data).unwrap();
            assert!(text.contains("dc:source=\"a camera\"") && !text.contains("hdrgm"), "{text}");
        }
    }

    #[test]
    fn what_is_true_or_no_xmp_stays_byte_for_byte() {
        let packet = packet_with("dc:source=\"a camera\"");
        let exif = [&b"Exif\0\0II*\0"[..], b"http://ns.adobe.com/hdr-gain-map/1.0/"].concat();
        for (kind, data) in [
            (b"zTXt", [DIGITS[0], b"\0", &zlib(&digits(&packet))[..]].concat()),
            (b"tEXt", [DIGITS[1], &digits(&exif)[..]].concat()),
            (b"tEXt", [DIGITS[0], b"\nxmp\n 99\n3c78"].concat()),
            (b"zTXt", [DIGITS[0], b"\0no zlib"].concat()),
            (b"iTXt", KEYWORD.to_vec()),
            (b"tEXt", b"Title\0http://ns.adobe.com/hdr-gain-map/1.0/".to_vec()),
        ] {
            let (mut keeping, mut chunk) = (Keeping::default(), Chunk { kind: *kind, data, place: Place::Front });
            let before = chunk.clone();
            assert!(refresh(&mut chunk, &mut keeping) && chunk == before && keeping.is_empty());
        }
    }

    #[test]
    fn a_packet_about_nothing_else_goes() {
        let data = [KEYWORD, b"\0\0\0\0", &packet_with("hdrgm:Version=\"1.0\"")[..]].concat();
        let mut chunk = Chunk { kind: *b"iTXt", data, place: Place::Back };
        assert!(!refresh(&mut chunk, &mut Keeping::default()));
    }
}
