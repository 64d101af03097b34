//! Small Base64 codec (RFC 4648, section 4). The crate `base64` is optimized for speed and would add 2 KB to the page's module.
//! The tests compare with it.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Encodes bytes, padded with `=`.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

/// Decodes padded text; returns `None` if it isn't valid Base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let letters = text.strip_suffix("==").or(text.strip_suffix('=')).unwrap_or(text).as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let (mut bytes, mut bits) = (Vec::with_capacity(text.len() / 4 * 3), 0u32);
    for (place, letter) in letters.iter().enumerate() {
        bits = bits << 6 | LETTERS.iter().position(|other| other == letter)? as u32;
        if place % 4 > 0 {
            bytes.push((bits >> (6 - 2 * (place % 4))) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn bytes_of_every_length_are_written_and_read_as_the_crate_does() {
        for length in 0..50u8 {
            let bytes: Vec<u8> = (0..length).map(|byte| byte.wrapping_mul(151).wrapping_add(length)).collect();
            assert_eq!(encode(&bytes), STANDARD.encode(&bytes));
            assert_eq!(decode(&encode(&bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn what_is_no_base64_is_nothing() {
        for text in ["A", "AA", "AAA", "A===", "AA=A", "\");x", "AAA-"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
