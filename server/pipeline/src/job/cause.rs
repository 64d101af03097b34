//! Causes of failed jobs: what was observed, and the sentence for the user. All of these sentences are worded here.
//!
//! Decoder messages about a file, and damage of an original in the store, are sentences already: [`Cause::Image`].

use std::fmt;
use std::time::Duration;

use base::causes::{SharedError, chain};
use shared::job::Phase;
use shared::task::{StrikeEnd, Task};

/// Cause of a failed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The image, or a companion, is at fault: the sentence of the decoder, which a worker may have put into a record.
    Image(String),
    /// A task was quarantined: its attempts left too many strikes, and no pod gave one back.
    StruckOut(Strikes),
    /// A task failed in too many attempts.
    Attempts {
        /// Phase of the task.
        phase: Phase,
        /// Index of the task.
        index: u32,
        /// Number of attempts.
        attempts: u32,
        /// Report of the last attempt, from the task's record.
        trouble: String,
    },
    /// The master failed to sum the histograms in too many attempts.
    Summing {
        /// Attempts of this master.
        attempts: u32,
        /// The last attempt's failure.
        failure: SharedError,
    },
    /// A task's output was found damaged in the store, and the task has no attempts left.
    Damaged {
        /// Phase of the task.
        phase: Phase,
        /// Index of the task.
        index: u32,
        /// Number of attempts.
        attempts: u32,
    },
    /// The finished tasks took longer, in total, than an image may take.
    Time {
        /// Total working time, each task measured by its worker's monotonic clock.
        worked: Duration,
        /// The limit, `--image-time`.
        limit: Duration,
    },
    /// This many consecutive runs were lost with the whole array while being worked on, and none of them finished more
    /// tasks than the one before.
    LostRuns(u32),
    /// The coordinator can't store a record.
    Record(SharedError),
    /// The plan has no phase that makes a result.
    NoResult,
}

/// How a task's attempts that left a strike ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strikes {
    phase: Phase,
    index: u32,
    crashed: usize,
    overran: usize,
    vanished: usize,
    report: Option<String>,
}

impl Strikes {
    /// Counts the strikes in a task's record by how they ended.
    pub fn of(phase: Phase, task: &Task) -> Self {
        let ended = |wanted: Option<StrikeEnd>| {
            task.strikes.iter().filter(|claim| task.ends.get(*claim).copied() == wanted).count()
        };
        Self {
            phase,
            index: task.index,
            crashed: ended(Some(StrikeEnd::Crashed)),
            overran: ended(Some(StrikeEnd::Overran)),
            vanished: ended(None),
            report: task.trouble.clone(),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Image(sentence) => f.write_str(sentence),
            Cause::StruckOut(strikes) => strikes.fmt(f),
            Cause::Attempts { phase, index, attempts, trouble } => {
                write!(f, "Task {index} of {phase} was given up after {attempts} attempts: {trouble}")
            }
            Cause::Summing { attempts, failure } => {
                write!(f, "Summing the histograms was given up after {attempts} attempts: {}", chain(&**failure))
            }
            Cause::Damaged { phase, index, attempts } => {
                write!(f, "The output of task {index} of {phase} was damaged in the store after {attempts} attempts.")
            }
            Cause::Time { worked, limit } => write!(
                f,
                "The image took too long: {:.1} s of work without a result; the limit is {:.1} s.",
                worked.as_secs_f64(),
                limit.as_secs_f64()
            ),
            Cause::LostRuns(runs) => write!(
                f,
                "The whole array stopped {runs} times in a row during work on this image, without progress in between: the image may be the cause."
            ),
            Cause::Record(why) => write!(f, "The array can't store a record of this job: {}.", chain(&**why)),
            Cause::NoResult => f.write_str("The job has no phase that produces a result."),
        }
    }
}

impl fmt::Display for Strikes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, index, crashed, overran, vanished, report } = self;
        let kinds =
            [(*crashed, "crashed"), (*overran, "took too long"), (*vanished, "ended without a report from its pod")];
        let seen: Vec<String> =
            kinds.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} {how}")).collect();
        write!(f, "Task {index} of {phase} was given up: of its attempts, {}.", seen.join(", "))?;
        report.iter().try_for_each(|report| write!(f, " The last report was: {report}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn task(strikes: &[(&str, Option<StrikeEnd>)], trouble: Option<&str>) -> Task {
        let ends = strikes.iter().filter_map(|(claim, end)| Some(((*claim).to_owned(), (*end)?))).collect();
        let strikes: Vec<String> = strikes.iter().map(|(claim, _)| (*claim).to_owned()).collect();
        serde_json::from_value::<Task>(serde_json::json!({
            "v": 1, "phase": "histograms", "index": 7, "first_part": 0, "parts": 1, "attempt": 3, "strikes": strikes,
            "trouble": trouble, "stamp": { "clock": 1, "pod": "pod-1" },
        }))
        .map(|task| Task { ends, ..task })
        .unwrap()
    }

    #[test]
    fn each_sentence_says_what_was_observed_and_nothing_else() {
        let strikes = |strikes: &[_], trouble| {
            Cause::StruckOut(Strikes::of(Phase::Histograms, &task(strikes, trouble))).to_string()
        };
        let gone = [("a", None), ("b", None), ("c", None)];
        assert_eq!(
            strikes(&gone, None),
            "Task 7 of histograms was given up: of its attempts, 3 ended without a report from its pod."
        );
        let mixed = [("a", Some(StrikeEnd::Crashed)), ("b", None), ("c", Some(StrikeEnd::Overran))];
        assert_eq!(
            strikes(&mixed, Some("the work on it took too long: 30 s")),
            "Task 7 of histograms was given up: of its attempts, 1 crashed, 1 took too long, 1 ended without a report from its pod. \
             The last report was: the work on it took too long: 30 s"
        );
        let (phase, index) = (Phase::Equalize, 2);
        for (cause, sentence) in [
            (Cause::Image("It is torn.".to_owned()), "It is torn."),
            (
                Cause::Attempts { phase, index, attempts: 12, trouble: "the store is unavailable".to_owned() },
                "Task 2 of equalize was given up after 12 attempts: the store is unavailable",
            ),
            (
                Cause::Summing { attempts: 12, failure: SharedError::new("no") },
                "Summing the histograms was given up after 12 attempts: no",
            ),
            (
                Cause::Damaged { phase, index, attempts: 12 },
                "The output of task 2 of equalize was damaged in the store after 12 attempts.",
            ),
            (
                Cause::Time { worked: Duration::from_millis(2_340), limit: Duration::from_secs(1) },
                "The image took too long: 2.3 s of work without a result; the limit is 1.0 s.",
            ),
            (
                Cause::LostRuns(4),
                "The whole array stopped 4 times in a row during work on this image, without progress in between: the image may be the cause.",
            ),
            (
                Cause::Record(SharedError::new("it has 70000 bytes")),
                "The array can't store a record of this job: it has 70000 bytes.",
            ),
            (Cause::NoResult, "The job has no phase that produces a result."),
        ] {
            assert_eq!(cause.to_string(), sentence);
        }
    }

    #[test]
    fn a_strike_that_is_given_back_is_no_part_of_the_sentence() {
        let mut task = task(&[("a", Some(StrikeEnd::Crashed)), ("b", None)], None);
        assert!(task.give_back("a"));
        assert!(task.ends.is_empty());
        let sentence = Cause::StruckOut(Strikes::of(Phase::Histograms, &task)).to_string();
        assert!(sentence.ends_with("of its attempts, 1 ended without a report from its pod."), "{sentence}");
    }
}
