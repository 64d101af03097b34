//! Colour conversion for views and tiles: from the file's embedded ICC profile to sRGB, which browsers assume for
//! images without a profile.

use std::sync::Arc;

use moxcms::{CmsError, ColorProfile, DataColorSpace, Layout as Order, TransformExecutor, TransformOptions};
use shared::pixels::{Depth, Layout};

use super::{Error, Result, contain, refuse};

/// If a conversion changes no colour by more than this (of 255), it is skipped: the profile is sRGB in effect.
const UNSEEN: u8 = 1;

type Transform<T> = Arc<dyn TransformExecutor<T> + Send + Sync>;

/// Maximum number of tags in a profile; scanner profiles have about 50.
const MOST_TAGS: usize = 100;

/// Tags may share their data, as the curves of three channels or the tables of three intents do. The total length of
/// all tags may be this many times the length of the profile.
const MOST_SHARING: u64 = 4;

/// Checks that the time for reading a profile's tags is proportional to its length: any number of tags may refer to the
/// same table (ICC.1, 7.3: a count, then each tag's signature, offset and size).
fn check_tags(profile: &[u8]) -> Result<()> {
    const COUNT_AT: usize = 128;
    const TAG: usize = 12;
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let Some(count) = profile.get(COUNT_AT..COUNT_AT + 4) else { return refuse("The colour profile is too short.") };
    let count = number(count);
    let tags = profile[COUNT_AT + 4..].chunks_exact(TAG).take(MOST_TAGS);
    let bytes: u64 = tags.take(count as usize).map(|tag| number(&tag[8..])).sum();
    if count > MOST_TAGS as u64 || bytes > MOST_SHARING * profile.len() as u64 {
        return refuse(format!("The colour profile has {count} tags, whose data are longer than it could be."));
    }
    Ok(())
}

/// Conversion of an image's colours for display.
pub(super) enum Colors {
    /// None: the colours are sRGB, or untagged; or the inks, whose colours are then those of the simple formula.
    Same,
    /// Table from each gray level to the one displayed.
    Gray(Vec<u8>),
    /// Transform of 8-bit samples, and their number per pixel.
    Eight(Transform<u8>, usize),
    /// Transform of 16-bit samples, and their number per pixel.
    Sixteen(Transform<u16>, usize),
}

impl Colors {
    /// Creates the conversion for a profile (ICC). A broken profile, or one for another colour space than the image's,
    /// is ignored, as browsers do; so is the profile of samples without levels, which are displayed over their range.
    pub(super) fn new(profile: Option<&[u8]>, layout: Layout, depth: Depth) -> Self {
        let Some(profile) = profile else { return Self::Same };
        contain(|| Self::by(profile, layout, depth)).unwrap_or_else(|error| {
            tracing::debug!(%error, "colour profile ignored");
            Self::Same
        })
    }

    fn by(profile: &[u8], layout: Layout, depth: Depth) -> Result<Self> {
        check_tags(profile)?;
        let (own, srgb) = (ColorProfile::new_from_slice(profile).map_err(told)?, ColorProfile::new_srgb());
        let order = match layout {
            Layout::Gray | Layout::GrayAlpha => Order::Gray,
            Layout::Rgb => Order::Rgb,
            // Four samples per pixel; the profile defines them as inks.
            Layout::Rgba | Layout::Cmyk => Order::Rgba,
            Layout::Bands(_) | Layout::BandsAlpha(_) => return refuse("A picture has no bands."),
        };
        let to = match layout {
            Layout::Gray | Layout::GrayAlpha | Layout::Cmyk => Order::Rgb,
            _ => order,
        };
        let inks = (layout == Layout::Cmyk, own.color_space == DataColorSpace::Cmyk);
        if inks.0 != inks.1 {
            return refuse("The colour profile is for other colours than the image's.");
        }
        let eight = || own.create_transform_8bit(order, &srgb, to, TransformOptions::default()).map_err(told);
        let sixteen = || own.create_transform_16bit(order, &srgb, to, TransformOptions::default()).map_err(told);
        let colors = match (depth, order) {
            (Depth::Half | Depth::Float | Depth::Double | Depth::Int32 | Depth::Uint32, _) => return Ok(Self::Same),
            (_, Order::Gray) => {
                // Always computed in 16 bits: in 8, dark grays would be rounded twice.
                let step = if depth == Depth::Eight { 257 } else { 1 };
                let grays: Vec<u16> = (0..=u16::MAX).step_by(step).collect();
                Self::Gray(run(&sixteen()?, &grays, (1, 3))?.into_iter().step_by(3).map(eight_bits).collect())
            }
            (Depth::Eight, _) => Self::Eight(eight()?, layout.channels()),
            (Depth::Sixteen, _) => Self::Sixteen(sixteen()?, layout.channels()),
        };
        Ok(if layout != Layout::Cmyk && colors.is_unseen(layout, depth)? { Self::Same } else { colors })
    }

    /// Returns whether no colour of a sample grid changes visibly.
    fn is_unseen(&self, layout: Layout, depth: Depth) -> Result<bool> {
        const LEVELS: [u8; 6] = [0, 51, 102, 153, 204, 255];
        let some: Vec<u8> = match layout.colors() {
            1 => (0..=u8::MAX).flat_map(|gray| [gray, u8::MAX].into_iter().take(layout.channels())).collect(),
            _ => (0..LEVELS.len().pow(3))
                .flat_map(|i| {
                    [LEVELS[i / 36], LEVELS[i / 6 % 6], LEVELS[i % 6], u8::MAX].into_iter().take(layout.channels())
                })
                .collect(),
        };
        let shown = match depth {
            Depth::Sixteen => self.sixteen(some.iter().map(|sample| u16::from(*sample) * 257).collect(), layout)?,
            _ => self.eight(some.clone(), layout)?,
        };
        Ok(some.iter().zip(shown).all(|(stored, shown)| stored.abs_diff(shown) <= UNSEEN))
    }

    /// Converts 8-bit samples for display in this layout.
    pub(super) fn eight(&self, samples: Vec<u8>, layout: Layout) -> Result<Vec<u8>> {
        match self {
            Self::Same => Ok(samples),
            Self::Gray(table) => Ok(through(table, &samples, layout, |alpha| alpha)),
            Self::Eight(transform, stored) => run(transform, &samples, (*stored, layout.channels())),
            Self::Sixteen(..) => refuse("Colours of 16 bits were expected."),
        }
    }

    /// Converts 16-bit samples to 8 bits for display in this layout.
    pub(super) fn sixteen(&self, samples: Vec<u16>, layout: Layout) -> Result<Vec<u8>> {
        let samples = match self {
            Self::Same => samples,
            Self::Gray(table) => return Ok(through(table, &samples, layout, eight_bits)),
            Self::Sixteen(transform, stored) => run(transform, &samples, (*stored, layout.channels()))?,
            Self::Eight(..) => return refuse("Colours of 8 bits were expected."),
        };
        Ok(samples.into_iter().map(eight_bits).collect())
    }
}

/// Rounds 16 bits to 8: 65,535 = 255 × 257.
fn eight_bits(sample: u16) -> u8 {
    ((u32::from(sample) + 128) / 257) as u8
}

/// Runs the transform of pixels of `from` samples to ones of `to`.
fn run<T: Copy + Default>(transform: &Transform<T>, samples: &[T], (from, to): (usize, usize)) -> Result<Vec<T>> {
    let mut shown = vec![T::default(); samples.len() / from * to];
    transform.transform(samples, &mut shown).map_err(told)?;
    Ok(shown)
}

/// Maps grays through the table and alpha through the function.
fn through<T: Copy + Into<usize>>(table: &[u8], samples: &[T], layout: Layout, alpha: impl Fn(T) -> u8) -> Vec<u8> {
    let gray = |sample: T| table.get(sample.into()).copied().unwrap_or(u8::MAX);
    match layout.has_alpha() {
        false => samples.iter().map(|sample| gray(*sample)).collect(),
        true => samples.as_chunks::<2>().0.iter().flat_map(|[shade, veil]| [gray(*shade), alpha(*veil)]).collect(),
    }
}

fn told(error: CmsError) -> Error {
    Error::Refused(format!("The colour profile can't be used: {error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a profile with `tags` tags, each of which refers to all of its bytes.
    fn profile(tags: u32) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(tags.to_be_bytes());
        let length = 132 + 12 * tags;
        for _ in 0..tags {
            bytes.extend(b"A2B0\0\0\0\0");
            bytes.extend(length.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn tags_that_share_their_data_more_than_any_profile_does_are_not_read() {
        assert!(check_tags(&profile(MOST_SHARING as u32)).is_ok());
        assert!(check_tags(&profile(MOST_SHARING as u32 + 1)).is_err());
        assert!(check_tags(&profile(1_000_000)).is_err());
        assert!(check_tags(&[0; 100]).is_err());
        let whole = ColorProfile::new_display_p3().encode();
        assert!(whole.is_ok_and(|profile| check_tags(&profile).is_ok()));
    }
}
