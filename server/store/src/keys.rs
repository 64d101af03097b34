//! Keys of the store: the only place that spells them.
//!
//! Task outputs are `<image>/<run>/<phase>/<task>.<attempt>-<claim uuid>`, reduced LUTs
//! `<image>/<run>/reduce/<epoch>-<unique>`, originals `<image>/original/<upload>`, parts of a resumable upload
//! `<image>/parts/<upload>/<start>-<unique>`, and pyramids `<image>/pyramid/<claim>`. Each key contains an id unique to its
//! writer, so keys are never reused. The only other keys are [`MARKS`].

use shared::id::{ImageId, RunId, UploadId};
use shared::job::Phase;

/// Identifies the catalog to which the store belongs.
pub const MARK: &str = "catalog";

/// Written by health probes; its content is never used.
pub const PROBE: &str = "probe";

/// The catalog's generation when the store last saw it: the highest one, as a decimal number. The only object with meaning that
/// is replaced. If a late write makes it too low, a restored backup is only noticed a little later.
pub const GENERATION: &str = "generation";

/// Keys that belong to no image.
pub const MARKS: [&str; 3] = [MARK, GENERATION, PROBE];

/// Key of the original sent by an upload.
pub fn original(image: &ImageId, upload: &UploadId) -> String {
    format!("{image}/original/{upload}")
}

/// Prefix of all parts of a resumable upload.
pub fn parts(image: &ImageId, upload: &UploadId) -> String {
    format!("{image}/parts/{upload}")
}

/// Key of the part that begins at byte `start`, sent by one request of a resumable upload.
pub fn part(image: &ImageId, upload: &UploadId, start: u64, unique: &str) -> String {
    format!("{}/{start}-{unique}", parts(image, upload))
}

/// Key of the output of one claim of a task.
pub fn output(image: &ImageId, run: &RunId, phase: Phase, task: u32, attempt: u32, claim: &str) -> String {
    format!("{image}/{run}/{phase}/{task}.{attempt}-{claim}")
}

/// Key of the LUT reduced by one master.
pub fn lut(image: &ImageId, run: &RunId, epoch: u64, unique: &str) -> String {
    format!("{image}/{run}/reduce/{epoch}-{unique}")
}

/// Key of the pyramid made by one claim.
pub fn pyramid(image: &ImageId, claim: &str) -> String {
    format!("{image}/pyramid/{claim}")
}

/// Prefix of all outputs of a run.
pub fn run(image: &ImageId, run: &RunId) -> String {
    format!("{image}/{run}")
}

/// Prefix of all objects of an image.
pub fn image(image: &ImageId) -> String {
    format!("{image}")
}

/// Owner of an object, derived from its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// An upload.
    Upload(ImageId, UploadId),
    /// A run.
    Run(ImageId, RunId),
    /// A claim of a pyramid.
    Pyramid(ImageId, String),
}

impl Owner {
    /// Returns the owner of a key spelled by this file; `None` for foreign keys, which the array leaves alone.
    pub fn of(key: &str) -> Option<Self> {
        let (image, rest) = key.split_once('/')?;
        let (folder, rest) = rest.split_once('/')?;
        let image = image.parse().ok()?;
        match folder {
            "original" => Some(Owner::Upload(image, rest.parse().ok()?)),
            "pyramid" => (!rest.contains('/')).then(|| Owner::Pyramid(image, rest.to_owned())),
            "parts" => Some(Owner::Upload(image, rest.split_once('/')?.0.parse().ok()?)),
            run => Some(Owner::Run(image, run.parse().ok()?)),
        }
    }

    /// Returns the image.
    pub fn image(&self) -> &ImageId {
        match self {
            Owner::Upload(image, _) | Owner::Run(image, _) | Owner::Pyramid(image, _) => image,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_keys_owner_is_told_from_the_key_alone() {
        let [image, other] = ["a", "b"].map(|digit| digit.repeat(32));
        let (id, run, upload): (ImageId, RunId, UploadId) =
            (image.parse().unwrap(), other.parse().unwrap(), other.parse().unwrap());
        for key in [original(&id, &upload), part(&id, &upload, 7, "c0ffee")] {
            assert_eq!(Owner::of(&key), Some(Owner::Upload(id.clone(), upload.clone())));
        }
        for key in [output(&id, &run, Phase::Split, 7, 2, "c0ffee"), lut(&id, &run, 3, "c0ffee")] {
            assert_eq!(Owner::of(&key), Some(Owner::Run(id.clone(), run.clone())));
        }
        let claim = "c0ffee".to_owned();
        assert_eq!(Owner::of(&pyramid(&id, &claim)), Some(Owner::Pyramid(id.clone(), claim)));
        for foreign in ["", "x", "lost+found/x/y", &image, &format!("{image}/{other}"), &format!("{image}/trash/x")] {
            assert_eq!(Owner::of(foreign), None, "{foreign}");
        }
    }
}
