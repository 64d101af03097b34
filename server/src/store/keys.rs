//! The only place that spells the store's keys.
//!
//! `<image>/<run>/<phase>/<task>.<attempt>-<claim uuid>`; originals `<image>/original/<upload>`; parts of a resumable upload
//! `<image>/parts/<upload>/<start>-<unique>`; pyramids `<image>/pyramid/<claim>`.
//! Each key holds something that nobody else ever writes, so keys are never reused. The only other keys are [`MARKS`].

use shared::id::{ImageId, RunId, UploadId};
use shared::job::Phase;

/// The mark of the catalog that the store belongs to.
pub const MARK: &str = "catalog";

/// What a process writes to see whether the store works; nobody reads anything from it.
pub const PROBE: &str = "probe";

/// The mark of how new that catalog was when the store last saw it: the highest generation, as a decimal number. The only
/// object that is replaced; one that is too low, after a late write, notices a restored backup a little later.
pub const GENERATION: &str = "generation";

/// Keys that belong to no image.
pub const MARKS: [&str; 3] = [MARK, GENERATION, PROBE];

/// What one upload sent.
pub fn original(image: &ImageId, upload: &UploadId) -> String {
    format!("{image}/original/{upload}")
}

/// Everything that a resumable upload sent.
pub fn parts(image: &ImageId, upload: &UploadId) -> String {
    format!("{image}/parts/{upload}")
}

/// What one request of a resumable upload sent, from a byte on.
pub fn part(image: &ImageId, upload: &UploadId, start: u64, unique: &str) -> String {
    format!("{}/{start}-{unique}", parts(image, upload))
}

/// What one claim of a task wrote.
pub fn output(image: &ImageId, run: &RunId, phase: Phase, task: u32, attempt: u32, claim: &str) -> String {
    format!("{image}/{run}/{phase}/{task}.{attempt}-{claim}")
}

/// What one master's reduce wrote.
pub fn lut(image: &ImageId, run: &RunId, epoch: u64, unique: &str) -> String {
    format!("{image}/{run}/reduce/{epoch}-{unique}")
}

/// What one claim of a pyramid wrote.
pub fn pyramid(image: &ImageId, claim: &str) -> String {
    format!("{image}/pyramid/{claim}")
}

/// Everything that one run wrote.
pub fn run(image: &ImageId, run: &RunId) -> String {
    format!("{image}/{run}")
}

/// Everything of an image.
pub fn image(image: &ImageId) -> String {
    format!("{image}")
}

/// Whose an object is, by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// An upload's.
    Upload(ImageId, UploadId),
    /// A run's.
    Run(ImageId, RunId),
    /// The claim's of a pyramid.
    Pyramid(ImageId, String),
}

impl Owner {
    /// The owner of a key that this file spells; `None` for others, which aren't ours to judge.
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

    /// The image.
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
