//! OME-XML in an OME-TIFF's description: how many of the samples' bits are significant, which is no longer true when the result uses
//! all of them (<https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome.html>, Pixels).

use super::field::Field;

const ATTRIBUTE: &str = " SignificantBits=\"";

/// Removes numbers of significant bits that are less than the result's; returns whether there were any.
pub(super) fn forget_significant_bits(description: &mut Field, bits: u8) -> bool {
    description.change_text(|text| without_fewer_bits(text, bits))
}

fn without_fewer_bits(text: &str, bits: u8) -> Option<String> {
    if !text.contains("<OME") {
        return None;
    }
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find(ATTRIBUTE) {
        let value = &rest[start + ATTRIBUTE.len()..];
        let Some(end) = value.find('"') else { break };
        let is_fewer = value[..end].parse::<u8>().is_ok_and(|declared| declared < bits);
        let after = start + ATTRIBUTE.len() + end + 1;
        kept.push_str(&rest[..if is_fewer { start } else { after }]);
        rest = &rest[after..];
    }
    kept.push_str(rest);
    (kept.len() != text.len()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fewer_bits_leave_the_description() {
        let ome = |first: &str, second: &str| {
            format!(
                "<OME><Image><Pixels ID=\"a\"{first} Type=\"uint16\"/></Image><Image><Pixels{second}/></Image></OME>\0"
            )
        };
        let bits = |bits: u8| format!(" SignificantBits=\"{bits}\"");
        assert_eq!(without_fewer_bits(&ome(&bits(12), &bits(16)), 16), Some(ome("", &bits(16))));
        assert_eq!(without_fewer_bits(&ome(&bits(16), ""), 16), None);
        assert_eq!(without_fewer_bits(&ome(&bits(12), ""), 12), None);
        assert_eq!(without_fewer_bits("SignificantBits=\"12\"", 16), None);
        assert_eq!(without_fewer_bits("<OME SignificantBits=\"12", 16), None);
    }
}
