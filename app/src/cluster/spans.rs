//! Attempts at tasks as time spans, reconstructed from events.

use std::collections::HashMap;

use shared::cluster::TaskState;
use shared::event::What;
use shared::id::{JobId, PodName};
use shared::job::Phase;

use super::picture::Picture;

/// How far back spans are shown, in ms.
pub const WINDOW: i64 = 180_000;

/// An attempt at a task, from its claim to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Job of the task.
    pub job: JobId,
    /// Phase of the task.
    pub phase: Phase,
    /// Index of the task within its phase.
    pub index: u32,
    /// The lock's holder.
    pub pod: PodName,
    /// Attempt number.
    pub attempt: u32,
    /// When it was claimed, in ms since 1970, by the holder's clock.
    pub began: i64,
    /// When and how it ended; `None` while in progress.
    pub ended: Option<(i64, End)>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its result was committed.
    Done,
    /// Its lock disappeared without a result.
    Freed,
    /// Its job ended; the outcome of the attempt wasn't seen.
    Over,
}

impl Span {
    /// Returns the duration so far, in ms.
    pub fn lasted(&self, now: i64) -> i64 {
        (self.ended.map_or(now, |(at, _)| at) - self.began).max(0)
    }

    /// Returns a short name of the task: job, phase and index.
    pub fn task(&self) -> String {
        format!("{}/{}/{}", self.job.short(), self.phase, self.index)
    }
}

/// Returns the attempts of the last [`WINDOW`], oldest first.
pub fn of(picture: &Picture<'_>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut held: HashMap<(&JobId, Phase, u32), usize> = HashMap::new();
    for event in picture.events.iter().rev() {
        match &event.what {
            What::TaskClaimed { job, phase, index, pod, attempt } => {
                held.insert((job, *phase, *index), spans.len());
                let (job, pod) = (job.clone(), pod.clone());
                let (phase, index, attempt) = (*phase, *index, *attempt);
                spans.push(Span { job, phase, index, pod, attempt, began: event.at, ended: None });
            }
            What::TaskDone { job, phase, index, .. } | What::TaskFreed { job, phase, index, .. } => {
                let end = if matches!(event.what, What::TaskDone { .. }) { End::Done } else { End::Freed };
                if let Some(at) = held.remove(&(job, *phase, *index))
                    && spans[at].ended.is_none()
                {
                    spans[at].ended = Some((event.at.max(spans[at].began), end));
                }
            }
            // The end of a job ends its attempts, whatever their outcome, and a pod's locks disappear with the pod. The
            // disappearance of a lock is only an event of its own when the task is claimed again.
            What::JobEnded { .. } | What::PodLeft { .. } => {
                for span in spans.iter_mut().filter(|span| span.ended.is_none()) {
                    let end = match &event.what {
                        What::JobEnded { job, .. } if *job == span.job => End::Over,
                        What::PodLeft { pod } if *pod == span.pod => End::Freed,
                        _ => continue,
                    };
                    span.ended = Some((event.at.max(span.began), end));
                }
            }
            _ => {}
        }
    }
    take_in_view(picture, &mut spans);
    let began = picture.now - WINDOW;
    spans.retain(|span| span.ended.is_none_or(|(at, _)| at >= began));
    spans.sort_by_key(|span| span.began);
    spans
}

/// Adds running and finished tasks from the view whose events were missed.
fn take_in_view(picture: &Picture<'_>, spans: &mut Vec<Span>) {
    for job in &picture.view.jobs {
        for phase in &job.phases {
            for task in phase.tasks.iter().filter(|task| matches!(task.state, TaskState::Running | TaskState::Done)) {
                let (Some(pod), Some(began)) = (&task.pod, task.started) else { continue };
                let same = |span: &Span| {
                    span.attempt == task.attempt
                        && span.index == task.index
                        && span.phase == phase.phase
                        && span.job == job.job
                };
                if spans.iter().any(same) {
                    continue;
                }
                let ended = task.finished.map(|at| (at.max(began), End::Done));
                let (job, phase, pod) = (job.job.clone(), phase.phase, pod.clone());
                spans.push(Span { job, phase, index: task.index, pod, attempt: task.attempt, began, ended });
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    use shared::clock::Stamp;
    use shared::cluster::ClusterView;
    use shared::event::Event;

    use super::*;

    pub fn picture<'a>(view: &'a ClusterView, events: &'a [Event], now: i64) -> Picture<'a> {
        Picture { view, events, now, zone: None, is_old: false }
    }

    pub fn job() -> JobId {
        "0123456789abcdef0123456789abcdef".parse().unwrap()
    }

    pub fn event(clock: u64, at: i64, what: What) -> Event {
        Event { stamp: Stamp { clock, pod: "pod-1".parse().unwrap() }, at, what }
    }

    pub fn claimed(index: u32, attempt: u32) -> What {
        let (job, pod) = (job(), "pod-1".parse().unwrap());
        What::TaskClaimed { job, phase: Phase::Equalize, index, pod, attempt }
    }

    fn done(index: u32) -> What {
        What::TaskDone { job: job(), phase: Phase::Equalize, index, pod: "pod-1".parse().unwrap() }
    }

    fn freed(index: u32) -> What {
        What::TaskFreed { job: job(), phase: Phase::Equalize, index, pod: "pod-1".parse().unwrap() }
    }

    #[test]
    fn an_attempt_lasts_from_its_claim_to_its_end() {
        let view = super::super::why::tests::view();
        let events = [
            event(5, 400, done(0)),
            event(4, 300, claimed(0, 2)),
            event(3, 250, freed(0)),
            event(2, 200, claimed(1, 1)),
            event(1, 100, claimed(0, 1)),
        ];
        let spans = of(&picture(&view, &events, 1_000));
        let found: Vec<_> =
            spans.iter().map(|span| (span.index, span.attempt, span.lasted(1_000), span.ended)).collect();
        assert_eq!(
            found,
            [(0, 1, 150, Some((250, End::Freed))), (1, 1, 800, None), (0, 2, 100, Some((400, End::Done))),]
        );
    }

    #[test]
    fn an_attempt_ends_with_its_pod_and_not_when_the_task_is_claimed_again() {
        let view = super::super::why::tests::view();
        let left = What::PodLeft { pod: "pod-1".parse().unwrap() };
        let events = [event(4, 900, freed(0)), event(3, 300, left), event(1, 100, claimed(0, 1))];
        let spans = of(&picture(&view, &events, 1_000));
        assert_eq!(spans.iter().map(|span| span.ended).collect::<Vec<_>>(), [Some((300, End::Freed))]);
    }

    #[test]
    fn what_ended_long_ago_is_not_shown() {
        let view = super::super::why::tests::view();
        let events = [event(2, 200, done(0)), event(1, 100, claimed(0, 1))];
        assert_eq!(of(&picture(&view, &events, WINDOW + 201)), []);
        assert_eq!(of(&picture(&view, &events, WINDOW + 200)).len(), 1);
    }
}
