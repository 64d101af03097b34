//! The plan of a run: its phases, the cut and the task counts. Made once, before the first task.

use std::collections::BTreeMap;

use catalog::JobRow;
use shared::clock::Stamp;
use shared::equalize::{Counts, output_layout};
use shared::id::RunId;
use shared::job::{ALGO, Cut, Job, Lane, Phase, Progress, RECORD_VERSION};
use shared::task::Task;

use super::companions::Companions;

/// Planning parameters besides the image.
#[derive(Debug, Clone, Copy)]
pub struct Planning {
    /// Images with fewer pixels become a single task.
    pub whole_below: u64,
    /// Number of tasks that can be worked on at once; at least one.
    pub workers: usize,
    /// Fixed number of parts per task; `None` derives it from the number of workers.
    pub parts_per_task: Option<u32>,
}

/// Returns the record of a new run of a job; `companions` are the images that its recipe names.
pub fn plan(
    row: &JobRow,
    run: RunId,
    planning: &Planning,
    companions: Companions,
    epoch: u64,
    stamp: Stamp,
    now: i64,
) -> Job {
    let info = &row.info;
    let by_pages = info.pages() > 1;
    let in_units = codec::info_to_cut(row.recipe.target, info, output_layout(&row.recipe, info.layout));
    let cut = match planning.parts_per_task {
        parts if by_pages => Cut::of_pages(info, parts.unwrap_or(1)),
        Some(parts) => Cut::with_parts_per_task(&in_units, parts),
        None => Cut::new(&in_units, planning.workers),
    };
    let phases = if info.pixels() < planning.whole_below && !by_pages {
        vec![Phase::Whole]
    } else {
        let needed = |phase: &Phase| match phase {
            Phase::Split => !info.regions && !by_pages,
            Phase::Mask => companions.mask.is_some(),
            Phase::Reference => companions.reference.is_some(),
            Phase::Ranges => Counts::needs_ranges(&row.recipe, info.depth) && !by_pages,
            Phase::Histograms | Phase::Equalize => !by_pages,
            Phase::Pages => by_pages,
            Phase::Stitch => true,
            Phase::Whole => false,
        };
        Phase::ALL.into_iter().filter(needed).collect()
    };
    let counts: BTreeMap<Phase, u32> = phases.iter().map(|phase| (*phase, count(*phase, cut))).collect();
    Job {
        v: RECORD_VERSION,
        job: row.job.clone(),
        run,
        image: row.image.clone(),
        original: row.original.clone(),
        original_bytes: row.original_bytes,
        original_sha256: row.original_sha256.clone(),
        info: info.clone(),
        recipe: row.recipe.clone(),
        reference: companions.reference,
        mask: companions.mask,
        algo: ALGO,
        phases,
        cut,
        counts,
        lane: Lane::of(info.pixels()),
        progress: Progress::Active,
        ranges: None,
        notes: Vec::new(),
        lut: None,
        losses: 0,
        resumes: false,
        epoch,
        stamp,
        started: now,
        extra: serde_json::Map::new(),
    }
}

/// Returns the number of tasks in a phase.
pub(super) fn count(phase: Phase, cut: Cut) -> u32 {
    match phase {
        Phase::Split | Phase::Mask | Phase::Reference | Phase::Stitch | Phase::Whole => 1,
        Phase::Ranges | Phase::Histograms | Phase::Equalize | Phase::Pages => cut.tasks(),
    }
}

/// Returns the record of an unclaimed task.
pub fn task(job: &Job, phase: Phase, index: u32, stamp: Stamp) -> Task {
    let parts = match phase {
        Phase::Ranges | Phase::Histograms | Phase::Equalize | Phase::Pages => job.cut.parts_of(index),
        Phase::Split | Phase::Mask | Phase::Reference | Phase::Stitch | Phase::Whole => 0..job.cut.parts,
    };
    Task {
        v: RECORD_VERSION,
        phase,
        index,
        first_part: parts.start,
        parts: parts.end - parts.start,
        attempt: 0,
        strikes: Vec::new(),
        ends: BTreeMap::new(),
        trouble: None,
        damaged: Vec::new(),
        claimed: None,
        freed: None,
        stamp,
        extra: serde_json::Map::new(),
    }
}
