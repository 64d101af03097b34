//! Options that limit an image's size, checked against its header before anything is allocated.

use bytesize::ByteSize;
use codec::Limits;

/// Limits of an image's size.
#[derive(Debug, Clone, clap::Args)]
pub struct LimitArgs {
    /// Maximum pixels of an image, all of its pages together; larger images are refused
    #[arg(long, env = "EVENLIGHT_MAX_PIXELS", default_value_t = Limits::default().max_pixels, value_name = "PIXELS")]
    pub max_pixels: u64,

    /// Maximum pixels of an image's longer side; larger images are refused
    #[arg(long, env = "EVENLIGHT_MAX_SIDE", default_value_t = Limits::default().max_side, value_name = "PIXELS")]
    pub max_side: u32,

    /// Maximum memory for an image that can't be decoded piece by piece (JPEG, WebP, interlaced PNG, a page of a
    /// multi-page TIFF); larger images are refused
    #[arg(long, env = "EVENLIGHT_MAX_WHOLE_DECODE", default_value = "1GiB", value_name = "BYTES")]
    pub max_whole_decode: ByteSize,
}

impl From<&LimitArgs> for Limits {
    fn from(args: &LimitArgs) -> Self {
        let LimitArgs { max_pixels, max_side, max_whole_decode } = *args;
        Self { max_pixels, max_side, max_whole_decode: max_whole_decode.as_u64() }
    }
}
