//! Timeline of an ended job's tasks: `GET /api/jobs/{id}/timeline`.

use serde::{Deserialize, Serialize};

use crate::id::PodName;
use crate::job::Phase;

/// All finished tasks of a job, ordered by start time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Start of the job's first task, in ms since 1970; all other times are relative to it.
    pub begun: i64,
    /// The tasks.
    pub spans: Vec<Span>,
    /// What users should know of the result, as sentences: outliers, and what was lost in another format than the original's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A finished task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The worker that did it.
    pub pod: PodName,
    /// Phase of the task.
    pub phase: Phase,
    /// Index of the task within its phase.
    pub index: u32,
    /// Number of the attempt that succeeded; the earlier ones failed.
    pub attempt: u32,
    /// Start of that attempt, in ms.
    pub started: i64,
    /// End of that attempt, in ms.
    pub finished: i64,
    /// Bytes written.
    pub bytes: u64,
}

/// Summary of a phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The phase.
    pub phase: Phase,
    /// Number of tasks.
    pub tasks: usize,
    /// Number of failed attempts.
    pub repeated: u32,
    /// Ms between the end of the latest work before it and the start of its first task.
    pub waited: i64,
    /// Ms between the start of its first task and the end of its last.
    pub took: i64,
    /// Total working time of its tasks, in ms.
    pub worked: i64,
    /// Bytes written by its tasks.
    pub bytes: u64,
}

impl Timeline {
    /// Creates a timeline from tasks in any order, with times since 1970.
    pub fn new(mut spans: Vec<Span>) -> Self {
        let begun = spans.iter().map(|span| span.started).min().unwrap_or(0);
        for span in &mut spans {
            // The machines' clocks may differ: clamp so that nothing ends before it starts.
            span.finished = (span.finished - begun).max(span.started - begun);
            span.started -= begun;
        }
        spans.sort_by_key(|span| (span.started, span.phase, span.index));
        Self { begun, spans, notes: Vec::new() }
    }

    /// Returns the ms from the first start to the last end.
    pub fn length(&self) -> i64 {
        self.spans.iter().map(|span| span.finished).max().unwrap_or(0)
    }

    /// Returns the pods that worked, by name, each with its tasks in order of their start.
    pub fn lanes(&self) -> Vec<(&PodName, Vec<&Span>)> {
        let mut pods: Vec<&PodName> = self.spans.iter().map(|span| &span.pod).collect();
        pods.sort_unstable();
        pods.dedup();
        let of = |pod| self.spans.iter().filter(|span| &span.pod == pod).collect();
        pods.into_iter().map(|pod| (pod, of(pod))).collect()
    }

    /// Returns the phases in the order in which they started.
    pub fn stages(&self) -> Vec<Stage> {
        let mut stages: Vec<(Stage, i64, i64)> = Vec::new();
        for span in &self.spans {
            let known = stages.iter().position(|(stage, ..)| stage.phase == span.phase);
            let index = known.unwrap_or_else(|| {
                // The phase waited for the latest task of another phase that ended before.
                let ends =
                    self.spans.iter().filter(|other| other.phase != span.phase && other.finished <= span.started);
                let waited = span.started - ends.map(|other| other.finished).max().unwrap_or(0);
                let stage = Stage { phase: span.phase, tasks: 0, repeated: 0, waited, took: 0, worked: 0, bytes: 0 };
                stages.push((stage, span.started, 0));
                stages.len() - 1
            });
            let (stage, first, last) = &mut stages[index];
            stage.tasks += 1;
            stage.repeated += span.attempt.saturating_sub(1);
            stage.worked += span.finished - span.started;
            stage.bytes += span.bytes;
            *last = (*last).max(span.finished);
            stage.took = *last - *first;
        }
        stages.into_iter().map(|(stage, ..)| stage).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn span(pod: &str, phase: Phase, index: u32, attempt: u32, (started, finished): (i64, i64)) -> Span {
        Span { pod: pod.parse().unwrap(), phase, index, attempt, started, finished, bytes: 10 }
    }

    fn timeline() -> Timeline {
        Timeline::new(vec![
            span("pod-2", Phase::Histograms, 1, 2, (1_060, 1_100)),
            span("pod-1", Phase::Histograms, 0, 1, (1_050, 1_090)),
            span("pod-1", Phase::Split, 0, 1, (1_000, 1_040)),
            span("pod-2", Phase::Stitch, 0, 1, (1_130, 1_120)),
        ])
    }

    #[test]
    fn times_are_counted_from_the_first_beginning_and_never_run_backwards() {
        let timeline = timeline();
        assert_eq!((timeline.begun, timeline.length()), (1_000, 130));
        let times: Vec<_> = timeline.spans.iter().map(|span| (span.started, span.finished)).collect();
        assert_eq!(times, [(0, 40), (50, 90), (60, 100), (130, 130)]);
    }

    #[test]
    fn each_pod_has_a_lane_and_each_phase_its_sums() {
        let timeline = timeline();
        let lanes: Vec<_> = timeline.lanes().into_iter().map(|(pod, spans)| (pod.to_string(), spans.len())).collect();
        assert_eq!(lanes, [("pod-1".to_owned(), 2), ("pod-2".to_owned(), 2)]);
        let stages = timeline.stages();
        let of = |stage: &Stage| (stage.phase, stage.tasks, stage.repeated, stage.waited, stage.took, stage.worked);
        assert_eq!(
            stages.iter().map(of).collect::<Vec<_>>(),
            [(Phase::Split, 1, 0, 0, 40, 40), (Phase::Histograms, 2, 1, 10, 50, 80), (Phase::Stitch, 1, 0, 30, 0, 0),]
        );
        assert_eq!(stages[1].bytes, 20);
    }

    #[test]
    fn nothing_done_is_a_timeline_too() {
        let timeline = Timeline::new(Vec::new());
        assert_eq!((timeline.length(), timeline.lanes().len(), timeline.stages().len()), (0, 0, 0));
    }
}
