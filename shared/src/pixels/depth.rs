//! Depth: the type of a sample.

use serde::{Deserialize, Serialize};

/// Type of a sample. Its JSON is the number of bits as `depth`, and the kind of number as `numbers` where the bits leave that
/// open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub enum Depth {
    /// 0..=255.
    Eight,
    /// 0..=65,535, in native byte order once decoded.
    Sixteen,
    /// IEEE 754 binary16 of any range; NaN and infinities don't count as values, as in all floating-point samples.
    Half,
    /// IEEE 754 binary32 of any range.
    Float,
    /// IEEE 754 binary64 of any range.
    Double,
    /// Signed whole numbers of 32 bits.
    Int32,
    /// Unsigned whole numbers of 32 bits.
    Uint32,
}

impl Depth {
    /// 8, 16, 32 or 64.
    pub const fn bits(self) -> u8 {
        match self {
            Depth::Eight => 8,
            Depth::Sixteen | Depth::Half => 16,
            Depth::Float | Depth::Int32 | Depth::Uint32 => 32,
            Depth::Double => 64,
        }
    }

    /// 1, 2, 4 or 8.
    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }

    /// Whether each sample value is a level with a histogram bin of its own. If not, the bins divide the range of the samples.
    pub const fn has_levels(self) -> bool {
        matches!(self, Depth::Eight | Depth::Sixteen)
    }

    /// Whether samples are floating-point numbers.
    pub const fn is_float(self) -> bool {
        matches!(self, Depth::Half | Depth::Float | Depth::Double)
    }

    /// Number of histogram bins: one per level (256 or 65,536); 65,536 over the samples' range if there are no levels.
    pub const fn levels(self) -> usize {
        match self {
            Depth::Eight => 1 << 8,
            _ => 1 << 16,
        }
    }

    /// Returns how sentences for the user call such samples.
    pub const fn noun(self) -> &'static str {
        match self {
            Depth::Eight => "whole numbers of 8 bits",
            Depth::Sixteen => "whole numbers of 16 bits",
            Depth::Half => "floating-point samples of 16 bits",
            Depth::Float => "floating-point samples",
            Depth::Double => "floating-point samples of 64 bits",
            Depth::Int32 => "signed whole numbers of 32 bits",
            Depth::Uint32 => "whole numbers of 32 bits",
        }
    }
}

impl TryFrom<u8> for Depth {
    type Error = String;
    fn try_from(bits: u8) -> Result<Self, String> {
        Written { depth: bits, numbers: None }.try_into()
    }
}

/// Kind of number, where the bits leave it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Numbers {
    Float,
    Signed,
    Unsigned,
}

/// The fields of a depth in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Written {
    depth: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Numbers>,
}

impl From<Depth> for Written {
    fn from(depth: Depth) -> Self {
        let numbers = match depth {
            Depth::Eight | Depth::Sixteen | Depth::Float | Depth::Double => None,
            Depth::Half => Some(Numbers::Float),
            Depth::Int32 => Some(Numbers::Signed),
            Depth::Uint32 => Some(Numbers::Unsigned),
        };
        Self { depth: depth.bits(), numbers }
    }
}

impl TryFrom<Written> for Depth {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        match (written.depth, written.numbers) {
            (8, None) => Ok(Depth::Eight),
            (16, None) => Ok(Depth::Sixteen),
            (16, Some(Numbers::Float)) => Ok(Depth::Half),
            (32, None) => Ok(Depth::Float),
            (32, Some(Numbers::Signed)) => Ok(Depth::Int32),
            (32, Some(Numbers::Unsigned)) => Ok(Depth::Uint32),
            (64, None) => Ok(Depth::Double),
            (bits, None) => Err(format!("expected 8, 16, 32 or 64 bits a sample, got {bits}")),
            (bits, Some(numbers)) => Err(format!("expected a known type of samples, got {numbers:?} of {bits} bits")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_json_of_older_types_is_the_number_of_bits_alone() {
        let json = |depth: Depth| serde_json::to_string(&depth).unwrap();
        assert_eq!(json(Depth::Sixteen), r#"{"depth":16}"#);
        assert_eq!(json(Depth::Float), r#"{"depth":32}"#);
        assert_eq!(json(Depth::Half), r#"{"depth":16,"numbers":"float"}"#);
        assert_eq!(json(Depth::Uint32), r#"{"depth":32,"numbers":"unsigned"}"#);
        for depth in
            [Depth::Eight, Depth::Sixteen, Depth::Half, Depth::Float, Depth::Double, Depth::Int32, Depth::Uint32]
        {
            assert_eq!(serde_json::from_str::<Depth>(&json(depth)).unwrap(), depth);
        }
        assert!(serde_json::from_str::<Depth>(r#"{"depth":64,"numbers":"signed"}"#).is_err());
        assert!(serde_json::from_str::<Depth>(r#"{"depth":12}"#).is_err());
    }
}
