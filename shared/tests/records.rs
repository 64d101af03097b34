//! Records in the coordinator and the catalog: those of jobs that ask for nothing new are what version 10 wrote, so that pods of both
//! versions read them.
#![allow(clippy::unwrap_used)]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::equalize::{Arithmetic, Recipe, Target};
use shared::job::{ALGO, Format, Job, Pointer};
use shared::pixels::Depth;
use shared::timeline::Timeline;

/// A job as version 10 recorded it.
fn of_version_10() -> Value {
    json!({
        "v": 1,
        "job": "00000000000000000000000000000001",
        "run": "00000000000000000000000000000002",
        "image": "00000000000000000000000000000003",
        "original": "originals/a",
        "original_bytes": 10,
        "original_sha256": "",
        "info": {
            "format": "tiff", "width": 4, "height": 3, "layout": "gray", "depth": 16, "orientation": 1, "unit_rows": 1,
            "regions": true, "whole_decode": false, "more": {},
        },
        "recipe": {"method": "clahe", "color": "luma", "clip_limit": 2.0, "tiles": [8, 8], "nodata": 0.0},
        "algo": 10,
        "phases": ["whole"],
        "cut": {"part_rows": 3, "parts": 1, "parts_per_task": 1},
        "counts": {"whole": 1},
        "lane": "small",
        "progress": "active",
        "epoch": 7,
        "stamp": {"clock": 5, "pod": "pod-1"},
        "started": 1,
    })
}

fn is_written_as_read<T: DeserializeOwned + Serialize>(record: Value) -> T {
    let read: T = serde_json::from_value(record.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), record);
    read
}

#[test]
fn a_job_of_version_10_keeps_its_arithmetic_and_its_record() {
    let job: Job = is_written_as_read(of_version_10());
    assert_eq!(job.pinned_recipe().arithmetic, Arithmetic::Ten);
    assert_eq!(job.recipe.target, Target::SAME);
    let now = Job { algo: ALGO, ..job };
    assert_eq!(now.pinned_recipe().arithmetic, Arithmetic::default());
}

#[test]
fn pointers_and_timelines_without_notes_have_no_field_for_them() {
    is_written_as_read::<Pointer>(json!({"key": "results/a", "bytes": 3, "sha256": "ab"}));
    is_written_as_read::<Timeline>(json!({"begun": 1, "spans": []}));
}

#[test]
fn only_a_recipe_that_asks_for_a_format_or_depth_has_these_fields() {
    is_written_as_read::<Recipe>(json!({"method": "global", "color": "luma"}));
    let mut record = of_version_10();
    record["algo"] = json!(ALGO);
    record["recipe"]["to"] = json!("png");
    record["recipe"]["depth"] = json!(8);
    let job: Job = is_written_as_read(record);
    assert_eq!(job.pinned_recipe().target, Target { format: Some(Format::Png), depth: Some(Depth::Eight) });
}
