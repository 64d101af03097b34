#![allow(clippy::unwrap_used)]

use shared::id::{RunId, UploadId};
use shared::job::Phase;

use super::Verdict::{BeingWritten, Ended, Live, Unknown};
use super::*;

fn hex(digit: char) -> String {
    digit.to_string().repeat(32)
}

fn judgement(key: &str, unfinished: Option<u64>, in_use: &InUse) -> Verdict {
    let owner = Owner::of(key).unwrap();
    judge(&Found { key: key.to_owned(), unfinished }, &owner, in_use)
}

#[test]
fn what_somebody_may_still_finish_is_left_and_what_nobody_can_is_not() {
    let image: ImageId = hex('a').parse().unwrap();
    let [now, before]: [UploadId; 2] = ['b', 'c'].map(|digit| hex(digit).parse().unwrap());
    let original = keys::original(&image, &now);
    let receiving = InUse {
        uploads: [(image.clone(), now.clone())].into(),
        ended: [before.to_string()].into(),
        ..InUse::default()
    };
    assert_eq!([None, Some(1)].map(|unfinished| judgement(&original, unfinished, &receiving)), [BeingWritten; 2]);
    assert_eq!(judgement(&keys::original(&image, &before), None, &receiving), Ended, "taken over");
    let accepted = InUse { keys: [original.clone()].into(), ended: [now.to_string()].into(), ..InUse::default() };
    assert_eq!(judgement(&original, None, &accepted), Live);
    assert_eq!(judgement(&original, Some(1), &accepted), Ended, "its writer crashed between the link and the removal");
    assert_eq!(judgement(&keys::part(&image, &now, 0, "c0ffee"), None, &accepted), Ended, "joined long ago");
}

#[test]
fn a_runs_outputs_live_as_long_as_it_and_its_result_stays() {
    let image: ImageId = hex('a').parse().unwrap();
    let [now, before]: [RunId; 2] = ['d', 'e'].map(|digit| hex(digit).parse().unwrap());
    let [ours, theirs] = [&now, &before].map(|run| keys::output(&image, run, Phase::Stitch, 0, 1, "c0ffee"));
    let running =
        InUse { runs: [(image.clone(), now.clone())].into(), ended: [before.to_string()].into(), ..InUse::default() };
    assert_eq!([None, Some(2)].map(|unfinished| judgement(&ours, unfinished, &running)), [BeingWritten; 2]);
    assert_eq!(judgement(&theirs, None, &running), Ended, "the run was replaced");
    let done = InUse { keys: [ours.clone()].into(), ended: [now.to_string()].into(), ..InUse::default() };
    assert_eq!(judgement(&ours, None, &done), Live);
    assert_eq!(judgement(&keys::lut(&image, &now, 1, "c0ffee"), None, &done), Ended, "done: only the result counts");
}

#[test]
fn a_missing_row_proves_nothing() {
    let image: ImageId = hex('a').parse().unwrap();
    let [upload, run] = [hex('b'), hex('d')];
    for key in [
        keys::original(&image, &upload.parse().unwrap()),
        keys::output(&image, &run.parse().unwrap(), Phase::Stitch, 0, 1, "c0ffee"),
        keys::pyramid(&image, "c0ffee"),
    ] {
        assert_eq!(judgement(&key, None, &InUse::default()), Unknown, "{key}");
        let deleted = InUse { ended: [image.to_string()].into(), ..InUse::default() };
        assert_eq!(judgement(&key, None, &deleted), Ended, "{key}");
    }
}
