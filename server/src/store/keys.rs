//! The only place that spells the store's keys.
//!
//! `<image>/<run>/<phase>/<task>.<attempt>-<claim uuid>`; originals `<image>/original/<upload>`.
//! Each key holds something that nobody else ever writes, so keys are never reused.

use shared::id::{ImageId, RunId, UploadId};
use shared::job::Phase;

/// What one upload sent.
pub fn original(image: &ImageId, upload: &UploadId) -> String {
    format!("{image}/original/{upload}")
}

/// What one claim of a task wrote.
pub fn output(image: &ImageId, run: &RunId, phase: Phase, task: u32, attempt: u32, claim: &str) -> String {
    format!("{image}/{run}/{phase}/{task}.{attempt}-{claim}")
}

/// What one master's reduce wrote.
pub fn lut(image: &ImageId, run: &RunId, epoch: u64, unique: &str) -> String {
    format!("{image}/{run}/reduce/{epoch}-{unique}")
}

/// Everything that one run wrote.
pub fn run(image: &ImageId, run: &RunId) -> String {
    format!("{image}/{run}")
}

/// Everything of an image.
pub fn image(image: &ImageId) -> String {
    format!("{image}")
}
