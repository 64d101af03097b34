#![allow(clippy::unwrap_used)]

use shared::id::{RunId, UploadId};
use shared::job::Phase;

use super::*;

fn hex(digit: char) -> String {
    digit.to_string().repeat(32)
}

fn judge(key: &str, unfinished: Option<u64>, in_use: &InUse) -> bool {
    let owner = Owner::of(key).unwrap();
    is_live(&Found { key: key.to_owned(), unfinished }, &owner, in_use)
}

#[test]
fn what_somebody_may_still_finish_is_left_and_what_nobody_can_is_not() {
    let image: ImageId = hex('a').parse().unwrap();
    let [now, before]: [UploadId; 2] = ['b', 'c'].map(|digit| hex(digit).parse().unwrap());
    let original = keys::original(&image, &now);
    let receiving = InUse { uploads: [(image.clone(), now.clone())].into(), ..InUse::default() };
    assert!(judge(&original, None, &receiving) && judge(&original, Some(1), &receiving));
    assert!(!judge(&keys::original(&image, &before), None, &receiving), "taken over");
    let accepted = InUse { keys: [original.clone()].into(), ..InUse::default() };
    assert!(judge(&original, None, &accepted));
    assert!(!judge(&original, Some(1), &accepted), "its writer crashed between the link and the removal");
    assert!(!judge(&original, None, &InUse::default()));
}

#[test]
fn a_runs_outputs_live_as_long_as_it_and_its_result_stays() {
    let image: ImageId = hex('a').parse().unwrap();
    let [now, before]: [RunId; 2] = ['d', 'e'].map(|digit| hex(digit).parse().unwrap());
    let [ours, theirs] = [&now, &before].map(|run| keys::output(&image, run, Phase::Stitch, 0, 1, "c0ffee"));
    let running = InUse { runs: [(image.clone(), now.clone())].into(), ..InUse::default() };
    assert!(judge(&ours, None, &running) && judge(&ours, Some(2), &running));
    assert!(!judge(&theirs, None, &running), "the run was replaced");
    let done = InUse { keys: [ours.clone()].into(), ..InUse::default() };
    assert!(judge(&ours, None, &done));
    assert!(!judge(&keys::lut(&image, &now, 1, "c0ffee"), None, &done), "done: only the result counts");
}
