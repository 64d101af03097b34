//! The flags that say what an image may cost. Each is held against what the header says, before anything is allocated.

use bytesize::ByteSize;

use crate::codec::Limits;

/// What an image may cost.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// Pixels of an image, those of all its pages together; larger ones are refused
    #[arg(long, env = "EVENLIGHT_MAX_PIXELS", default_value_t = Limits::default().max_pixels, value_name = "PIXELS")]
    pub max_pixels: u64,

    /// Pixels of an image's longer side; larger ones are refused
    #[arg(long, env = "EVENLIGHT_MAX_SIDE", default_value_t = Limits::default().max_side, value_name = "PIXELS")]
    pub max_side: u32,

    /// Memory that one image may take that can't be read piece by piece (JPEG, WebP, interlaced PNG, a page of several);
    /// larger ones are refused
    #[arg(long, env = "EVENLIGHT_MAX_WHOLE_DECODE", default_value = "1GiB", value_name = "BYTES")]
    pub max_whole_decode: ByteSize,
}

impl From<&LimitArgs> for Limits {
    fn from(args: &LimitArgs) -> Self {
        let LimitArgs { max_pixels, max_side, max_whole_decode } = *args;
        Self { max_pixels, max_side, max_whole_decode: max_whole_decode.as_u64() }
    }
}
