//! The cut: how an image is divided into parts, the units of encoding, and into tasks, the units of work.

use serde::{Deserialize, Serialize};

use crate::image_info::ImageInfo;

/// How an image is divided into parts, and parts into tasks. Parts depend on the image and the result's format alone, so that
/// the result's bytes do too; tasks are runs of parts, and their size may depend on the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Rows per part, except the last.
    pub part_rows: u32,
    /// Number of parts.
    pub parts: u32,
    /// Parts per task, except the last.
    pub parts_per_task: u32,
}

impl Cut {
    /// Approximate raw bytes per part.
    pub const PART_BYTES: u64 = 1 << 20;
    /// Maximum raw bytes per task, unless [`Cut::MAX_TASKS`] requires larger tasks.
    pub const TASK_BYTES: u64 = 16 << 20;
    /// Maximum number of tasks per phase.
    pub const MAX_TASKS: u32 = 1_000;

    /// Cuts an image for `workers` live workers (at least one).
    pub fn new(info: &ImageInfo, workers: usize) -> Self {
        let (part_rows, parts) = Self::parts(info);
        let part_bytes = (u64::from(part_rows) * info.row_bytes()).max(1);
        let for_all = parts.div_ceil(u32::try_from(workers.max(1)).unwrap_or(u32::MAX));
        let by_size = u32::try_from((Self::TASK_BYTES / part_bytes).max(1)).unwrap_or(u32::MAX);
        Self::with_parts_per_task(info, for_all.min(by_size))
    }

    /// Cuts an image into tasks of `parts_per_task` parts, or more if there would be too many tasks.
    pub fn with_parts_per_task(info: &ImageInfo, parts_per_task: u32) -> Self {
        let (part_rows, parts) = Self::parts(info);
        let fewest = parts.div_ceil(Self::MAX_TASKS);
        Self { part_rows, parts, parts_per_task: parts_per_task.clamp(1, parts).max(fewest) }
    }

    /// Cuts a multi-page file into tasks of `pages_per_task` pages. Each page counts as a part.
    pub fn of_pages(info: &ImageInfo, pages_per_task: u32) -> Self {
        let pages = info.pages();
        let fewest = pages.div_ceil(Self::MAX_TASKS);
        Self { part_rows: info.height, parts: pages, parts_per_task: pages_per_task.clamp(1, pages).max(fewest) }
    }

    fn parts(info: &ImageInfo) -> (u32, u32) {
        let unit = info.unit_rows.max(1);
        let unit_bytes = (u64::from(unit) * info.row_bytes()).max(1);
        let units = u32::try_from((Self::PART_BYTES / unit_bytes).max(1)).unwrap_or(u32::MAX);
        let part_rows = unit.saturating_mul(units).min(info.height.max(1).next_multiple_of(unit));
        (part_rows, info.height.max(1).div_ceil(part_rows))
    }

    /// Returns the number of tasks in a phase over all parts.
    pub fn tasks(&self) -> u32 {
        self.parts.div_ceil(self.parts_per_task)
    }

    /// Returns the parts of a task.
    pub fn parts_of(&self, task: u32) -> std::ops::Range<u32> {
        let first = task.saturating_mul(self.parts_per_task).min(self.parts);
        first..first.saturating_add(self.parts_per_task).min(self.parts)
    }

    /// Returns the rows of a part.
    pub fn rows_of(&self, part: u32, height: u32) -> std::ops::Range<u32> {
        let first = part.saturating_mul(self.part_rows).min(height);
        first..first.saturating_add(self.part_rows).min(height)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::image_info::{Format, ImageExtras};
    use crate::pixels::{Depth, Layout};

    fn info(width: u32, height: u32, unit_rows: u32) -> ImageInfo {
        ImageInfo {
            format: Format::Tiff,
            width,
            height,
            layout: Layout::Gray,
            depth: Depth::Eight,
            orientation: 1,
            unit_rows,
            regions: true,
            whole_decode: false,
            more: ImageExtras::default(),
        }
    }

    #[test]
    fn parts_do_not_depend_on_the_number_of_workers() {
        let image = info(10_000, 10_000, 7);
        let cuts: Vec<Cut> = [1, 3, 8, 500].into_iter().map(|workers| Cut::new(&image, workers)).collect();
        assert!(cuts.windows(2).all(|two| two[0].part_rows == two[1].part_rows && two[0].parts == two[1].parts));
        assert_eq!(cuts[0].part_rows % 7, 0);
    }

    #[test]
    fn every_row_belongs_to_exactly_one_task() {
        for (image, per_task) in [(info(5, 1, 1), 1), (info(999, 4_001, 16), 3), (info(200_000, 50_000, 1), 1)] {
            let cut = Cut::with_parts_per_task(&image, per_task);
            assert!(cut.tasks() <= Cut::MAX_TASKS);
            let mut next = 0;
            for part in (0..cut.tasks()).flat_map(|task| cut.parts_of(task)) {
                let rows = cut.rows_of(part, image.height);
                assert_eq!(rows.start, next);
                assert!(!rows.is_empty());
                next = rows.end;
            }
            assert_eq!(next, image.height);
        }
    }

    #[test]
    fn every_worker_gets_a_task_when_there_are_parts_enough() {
        assert_eq!(Cut::new(&info(4_096, 4_096, 1), 8).tasks(), 8);
    }
}
