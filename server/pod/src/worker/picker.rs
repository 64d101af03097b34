//! The picker: which task a worker claims next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use coord::paths;
use pipeline::job::nodes::{JobNodes, TaskNodes};
use shared::clock::Stamp;
use shared::id::JobId;
use shared::job::{ALGO, Phase, Progress};
use tokio::time::Instant;

use crate::job_failure::MAX_LOSSES_IN_COMPANY;
use crate::mirror::Nodes;

/// The phases that workers of this version support.
pub const KINDS: [Phase; Phase::ALL.len()] = Phase::ALL;

/// How long a suspect is worked on alone; longer, and it would hold up the others.
const SUSPECT_ALONE: Duration = Duration::from_secs(30);

/// A task that can be claimed.
pub(crate) struct Candidate {
    pub job: Arc<JobNodes>,
    phase: Phase,
    index: u32,
    pub path: String,
}

impl Candidate {
    /// Returns the task's znodes, as the mirror showed them.
    pub fn nodes(&self) -> &TaskNodes {
        &self.job.phases[&self.phase][&self.index]
    }

    /// Returns the revision of the task's record.
    pub fn revision(&self) -> Revision {
        Revision::of(self.nodes())
    }
}

/// What one write left in a task's record. A version alone doesn't identify it: a later run of the job creates the task anew, at
/// version 0 again, but with a later stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Revision {
    version: i32,
    stamp: Stamp,
}

impl Revision {
    fn of(task: &TaskNodes) -> Self {
        Self { version: task.version, stamp: task.task.stamp.clone() }
    }
}

/// What a worker holds and has tried, by which it picks its next task.
pub(crate) struct Picker {
    /// Offset at which the worker starts its search within a job.
    start: usize,
    /// Offset of the job whose turn it is.
    turn: usize,
    /// Running tasks by path, and whether each must run alone.
    held: BTreeMap<String, bool>,
    /// Revisions at which a claim was lost, or made and has ended. As long as the mirror shows one of them, it lags behind, and
    /// another claim would fail.
    stale: HashMap<String, Revision>,
    /// The suspect that this worker works on alone.
    isolation: Isolation,
}

impl Picker {
    pub fn new(start: usize) -> Self {
        let isolation = Isolation::default();
        Self { start, turn: start, held: BTreeMap::new(), stale: HashMap::new(), isolation }
    }

    /// Forgets the stale revisions that the mirror no longer shows.
    pub fn forget_stale(&mut self, nodes: &Nodes) {
        self.stale.retain(|path, revision| is_at(nodes, path, revision));
    }

    /// Passes the turn to the next job.
    pub fn next_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
    }

    /// Enters a task that is being claimed.
    pub fn hold(&mut self, candidate: &Candidate) {
        self.held.insert(candidate.path.clone(), !candidate.nodes().task.strikes.is_empty());
    }

    /// Removes a task that has ended.
    pub fn release(&mut self, path: &str) {
        self.held.remove(path);
    }

    /// Skips a task until the mirror shows another revision than this one, at which it was claimed by this worker or another.
    pub fn skip(&mut self, path: String, revision: Revision) {
        self.stale.insert(path, revision);
    }

    /// Returns how much longer a suspect is worked on alone; `None` if none is.
    pub fn alone_for(&mut self, nodes: &Nodes) -> Option<Duration> {
        suspect(nodes).and_then(|job| self.isolation.alone_for(&job.job.job))
    }

    /// Picks a task that no worker holds. A task with a strike comes first and runs alone: the pod claims nothing until its
    /// running tasks have ended. Otherwise jobs take turns, and within a job the search starts at this pod's own offset.
    pub fn pick(&mut self, nodes: &Nodes) -> Option<Candidate> {
        if self.held.values().any(|alone| *alone) {
            return None;
        }
        let mut jobs: Vec<&Arc<JobNodes>> = workable(nodes).collect();
        // Of the suspects only one is worked on at a time: one of them may be why the others' runs were lost. All pods choose
        // the same one, and work on nothing else at first.
        if let Some(first) = suspect(nodes) {
            let alone = self.isolation.alone_for(&first.job.job).is_some();
            jobs.retain(|nodes| nodes.job.job == first.job.job || !(alone || is_suspect(nodes)));
        }
        let search = |wanted: &dyn Fn(&TaskNodes) -> bool| {
            let open = |candidate: &Candidate| {
                !self.held.contains_key(&candidate.path)
                    && self.stale.get(&candidate.path) != Some(&candidate.revision())
            };
            let turns = (0..jobs.len()).map(|offset| jobs[(self.turn % jobs.len() + offset) % jobs.len()]);
            turns.flat_map(|job| self.candidates(job, wanted)).find(open)
        };
        match search(&|task| is_free(task) && !task.task.strikes.is_empty()) {
            Some(struck) => self.held.is_empty().then_some(struck),
            None => search(&is_free),
        }
    }

    /// Returns the wanted tasks of a job that this version supports, starting at this pod's own offset.
    fn candidates(&self, job: &Arc<JobNodes>, wanted: &dyn Fn(&TaskNodes) -> bool) -> impl Iterator<Item = Candidate> {
        let phases = job.phases.iter().filter(|(phase, _)| KINDS.contains(phase) && job.has_inputs(**phase));
        let tasks = phases.flat_map(|(phase, tasks)| tasks.iter().map(move |(index, task)| (*phase, *index, task)));
        let mut found: Vec<(Phase, u32)> = tasks
            .filter(|(.., task)| wanted(task) && job.is_mended(&task.task))
            .map(|(phase, index, _)| (phase, index))
            .collect();
        if !found.is_empty() {
            let place = self.start % found.len();
            found.rotate_left(place);
        }
        let job = job.clone();
        found.into_iter().map(move |(phase, index)| {
            let path = paths::task(&job.job.job, phase, index);
            Candidate { job: job.clone(), phase, index, path }
        })
    }
}

/// A suspect is worked on alone, first of all, for up to [`SUSPECT_ALONE`]: if the array stops during that time, no other job can
/// be the cause, and a job that isn't the cause is soon done.
#[derive(Default)]
struct Isolation(Option<(JobId, Instant)>);

impl Isolation {
    /// Returns how much longer this job is worked on alone; `None` once that time is over.
    fn alone_for(&mut self, job: &JobId) -> Option<Duration> {
        let since = match &self.0 {
            Some((known, since)) if known == job => *since,
            _ => self.0.insert((job.clone(), Instant::now())).1,
        };
        SUSPECT_ALONE.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
    }
}

/// Returns whether a task may be claimed.
fn is_free(nodes: &TaskNodes) -> bool {
    nodes.lock.is_none() && nodes.done.is_none() && !nodes.task.is_struck_out() && !nodes.task.is_given_up()
}

/// Returns whether the job has lost so many runs that it may be why the whole array stopped.
fn is_suspect(nodes: &JobNodes) -> bool {
    nodes.job.losses >= MAX_LOSSES_IN_COMPANY
}

/// Returns the active jobs whose arithmetic this version knows.
fn workable(nodes: &Nodes) -> impl Iterator<Item = &Arc<JobNodes>> {
    nodes.jobs.values().filter(|nodes| nodes.job.algo <= ALGO && nodes.job.progress == Progress::Active)
}

/// Returns the suspect that lost the most runs. Once it has finished a task, it isn't one any more after the next restart, so a
/// job that was alone when the array was killed from outside is out of danger before the next one is worked on.
fn suspect(nodes: &Nodes) -> Option<&Arc<JobNodes>> {
    workable(nodes).filter(|nodes| is_suspect(nodes)).max_by_key(|nodes| (nodes.job.losses, Reverse(&nodes.job.job)))
}

/// Returns whether a task's record still has this revision.
fn is_at(nodes: &Nodes, path: &str, revision: &Revision) -> bool {
    let task =
        paths::parse_task(path).and_then(|(job, phase, index)| nodes.jobs.get(&job)?.phases.get(&phase)?.get(&index));
    task.is_some_and(|task| Revision::of(task) == *revision)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use catalog::JobRow;
    use pipeline::job::companions::Companions;
    use pipeline::job::plan::{Planning, plan, task};
    use shared::equalize::Recipe;
    use shared::job::{Format, ImageInfo};
    use shared::pixels::{Depth, Layout};

    use super::*;

    const TASKS: u32 = 3;

    /// Returns a job whose histograms can be counted, with an id of this digit and this many lost runs.
    fn job(digit: char, losses: u32) -> JobNodes {
        let id = |digit: char| digit.to_string().repeat(32);
        let info = ImageInfo {
            format: Format::Tiff,
            width: 1 << 20,
            height: TASKS,
            layout: Layout::Gray,
            depth: Depth::Eight,
            orientation: 1,
            unit_rows: 1,
            regions: true,
            whole_decode: false,
            more: shared::job::ImageExtras::default(),
        };
        let row = JobRow {
            job: id(digit).parse().unwrap(),
            image: id(digit).parse().unwrap(),
            run: None,
            runs: 1,
            losses,
            recipe: Recipe::default(),
            original: "original".to_owned(),
            original_bytes: 1,
            original_sha256: String::new(),
            info,
        };
        let planning = Planning { whole_below: 0, workers: 1, parts_per_task: Some(1) };
        let stamp = Stamp { clock: 1, pod: "pod-1".parse().unwrap() };
        let mut job = plan(&row, id('c').parse().unwrap(), &planning, Companions::default(), 1, stamp.clone(), 0);
        job.losses = losses;
        let tasks = (0..TASKS).map(|index| {
            let task = task(&job, Phase::Histograms, index, stamp.clone());
            (index, TaskNodes { task, version: 7, lock: None, done: None })
        });
        let phases = BTreeMap::from([(Phase::Histograms, tasks.collect())]);
        JobNodes { job, version: 0, phases }
    }

    fn nodes(jobs: Vec<JobNodes>) -> Nodes {
        let jobs = jobs.into_iter().map(|nodes| (nodes.job.job.clone(), Arc::new(nodes))).collect();
        Nodes { jobs, ..Nodes::default() }
    }

    fn picked(picker: &mut Picker, nodes: &Nodes) -> Option<(char, u32)> {
        let candidate = picker.pick(nodes)?;
        Some((candidate.job.job.job.as_str().chars().next().unwrap(), candidate.index))
    }

    #[test]
    fn jobs_take_turns_and_held_tasks_are_skipped() {
        let (nodes, mut picker) = (nodes(vec![job('a', 0), job('b', 0)]), Picker::new(0));
        let mut order = Vec::new();
        while let Some(candidate) = picker.pick(&nodes) {
            order.push(picked(&mut picker, &nodes).unwrap());
            picker.hold(&candidate);
            picker.next_turn();
        }
        assert_eq!(order, [('a', 0), ('b', 0), ('a', 1), ('b', 1), ('a', 2), ('b', 2)]);
        picker.release(&paths::task(&"b".repeat(32).parse().unwrap(), Phase::Histograms, 1));
        assert_eq!(picked(&mut picker, &nodes), Some(('b', 1)));
    }

    #[test]
    fn a_claimed_revision_is_skipped_until_another_one_is_shown() {
        let newer_version = |task: &mut TaskNodes| task.version += 1;
        // A later run has created the task anew, and the mirror never showed the one between.
        let later_run = |task: &mut TaskNodes| task.task.stamp.clock += 5;
        for change in [&newer_version as &dyn Fn(&mut TaskNodes), &later_run] {
            let (mut job, mut picker) = (job('a', 0), Picker::new(0));
            let claimed = picker.pick(&nodes(vec![job.clone()])).unwrap();
            picker.skip(claimed.path.clone(), claimed.revision());
            picker.forget_stale(&nodes(vec![job.clone()]));
            assert_eq!(picked(&mut picker, &nodes(vec![job.clone()])), Some(('a', 1)));
            change(job.phases.get_mut(&Phase::Histograms).unwrap().get_mut(&0).unwrap());
            let newer = nodes(vec![job]);
            picker.forget_stale(&newer);
            assert_eq!(picked(&mut picker, &newer), Some(('a', 0)));
        }
    }

    #[test]
    fn a_task_with_a_strike_comes_first_and_alone() {
        let (mut struck, mut picker) = (job('b', 0), Picker::new(0));
        struck.phases.get_mut(&Phase::Histograms).unwrap().get_mut(&2).unwrap().task.strikes.push("claim".to_owned());
        let nodes = nodes(vec![job('a', 0), struck]);
        let first = picker.pick(&nodes).unwrap();
        assert_eq!(picked(&mut picker, &nodes), Some(('b', 2)));
        picker.hold(&first);
        assert_eq!(picked(&mut picker, &nodes), None);
        picker.release(&first.path);
        picker.held.insert("another task".to_owned(), false);
        assert_eq!(picked(&mut picker, &nodes), None, "it waits until the pod's running tasks have ended");
    }

    #[tokio::test(start_paused = true)]
    async fn the_job_that_lost_the_most_runs_is_worked_on_alone_for_a_while() {
        let suspects = [job('a', 0), job('b', MAX_LOSSES_IN_COMPANY), job('c', MAX_LOSSES_IN_COMPANY + 1)];
        let (nodes, mut picker) = (nodes(suspects.into()), Picker::new(0));
        for _ in 0..TASKS {
            let candidate = picker.pick(&nodes).unwrap();
            assert_eq!(candidate.job.job.losses, MAX_LOSSES_IN_COMPANY + 1);
            picker.hold(&candidate);
            picker.next_turn();
        }
        assert_eq!(picked(&mut picker, &nodes), None);
        assert_eq!(picker.alone_for(&nodes), Some(SUSPECT_ALONE));
        tokio::time::advance(SUSPECT_ALONE).await;
        assert_eq!(picker.alone_for(&nodes), None);
        assert_eq!(picked(&mut picker, &nodes).map(|(job, _)| job), Some('a'));
    }
}
