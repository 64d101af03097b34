//! Checks event lists against rules that hold for any timing.

use std::collections::{BTreeMap, BTreeSet};

use shared::clock::Stamp;
use shared::event::{Event, What};
use shared::id::{JobId, PodName};
use shared::job::Phase;

/// Tolerance in ms: a pod takes an event's stamp and reads the wall clock one after the other, and may be preempted in between.
const BETWEEN: i64 = 500;

/// Returns all violations in these lists.
///
/// 1. An event has one stamp in every list, and a stamp belongs to one event.
/// 2. Each pod's stamps increase strictly.
/// 3. In the order of the stamps, no effect precedes its cause.
pub fn judge(lists: &[(String, Vec<Event>)]) -> Vec<String> {
    let mut complaints = stamped_alike(lists);
    let mut all: Vec<Event> = lists.iter().flat_map(|(_, events)| events.iter().cloned()).collect();
    all.sort_by(|a, b| a.stamp.cmp(&b.stamp).then(a.at.cmp(&b.at)));
    all.dedup();
    complaints.extend(one_event_a_stamp(&all));
    complaints.extend(clocks_rise(&all));
    complaints.extend(masters(&all));
    complaints.extend(pods(&all));
    complaints.extend(jobs(&all));
    if !complaints.is_empty() {
        complaints.extend(all.iter().map(line));
    }
    complaints
}

fn line(event: &Event) -> String {
    format!("{:>6} {} at {} {:?}", event.stamp.clock, event.stamp.pod, event.at, event.what)
}

/// Returns whether an event concerns only the process that lists it, or several may be merged into one.
fn is_local(what: &What) -> bool {
    matches!(what, What::Connection { .. } | What::GalleryChanged)
}

/// Checks that an event has exactly as many stamps as occurrences in the list that contains it most often.
fn stamped_alike(lists: &[(String, Vec<Event>)]) -> Vec<String> {
    let mut stamps: BTreeMap<String, BTreeMap<&str, BTreeSet<&Stamp>>> = BTreeMap::new();
    for (name, events) in lists {
        for event in events.iter().filter(|event| !is_local(&event.what)) {
            let what = serde_json::to_string(&event.what).unwrap();
            stamps.entry(what).or_default().entry(name).or_default().insert(&event.stamp);
        }
    }
    let alike = |by_list: &BTreeMap<&str, BTreeSet<&Stamp>>| {
        let all: BTreeSet<&Stamp> = by_list.values().flatten().copied().collect();
        all.len() == by_list.values().map(BTreeSet::len).max().unwrap_or(0)
    };
    stamps
        .iter()
        .filter(|(_, by_list)| !alike(by_list))
        .map(|(what, by_list)| format!("stamped differently: {what}: {by_list:?}"))
        .collect()
}

fn one_event_a_stamp(all: &[Event]) -> Vec<String> {
    let shared = all.windows(2).filter(|two| two[0].stamp == two[1].stamp);
    shared.map(|two| format!("two events of one stamp: {} and {}", line(&two[0]), line(&two[1]))).collect()
}

/// Checks that events which are later on a pod's Lamport clock are also later on its wall clock.
fn clocks_rise(all: &[Event]) -> Vec<String> {
    let mut latest: BTreeMap<&PodName, &Event> = BTreeMap::new();
    let mut complaints = Vec::new();
    for event in all {
        let before = latest.entry(&event.stamp.pod).or_insert(event);
        if event.at + BETWEEN < before.at {
            complaints.push(format!("a pod's clock went back: {} before {}", line(before), line(event)));
        }
        if event.at > before.at {
            *before = event;
        }
    }
    complaints
}

/// Checks that a master is elected only when the previous one is known to have lost, and starts jobs only after that.
fn masters(all: &[Event]) -> Vec<String> {
    let (mut leader, mut last) = (None::<&PodName>, 0);
    let mut complaints = Vec::new();
    for event in all {
        match &event.what {
            What::Elected { pod, epoch } => {
                // A leader whose announcement wasn't acknowledged takes the epoch again.
                if leader.is_some_and(|leader| leader != pod) || *epoch <= last {
                    complaints.push(format!("elected while {leader:?} led with epoch {last}: {}", line(event)));
                }
                (leader, last) = (Some(pod), *epoch);
            }
            What::LeaderLost { pod } => {
                if last > 0 && leader != Some(pod) {
                    complaints.push(format!("lost, though {leader:?} led: {}", line(event)));
                }
                leader = None;
            }
            What::JobStarted { .. } if last > 0 && leader != Some(&event.stamp.pod) => {
                complaints.push(format!("started while {leader:?} led: {}", line(event)));
            }
            _ => {}
        }
    }
    complaints
}

/// Checks that a pod that has left does nothing until it has joined again.
fn pods(all: &[Event]) -> Vec<String> {
    let mut gone = BTreeSet::new();
    let mut complaints = Vec::new();
    for event in all {
        match &event.what {
            What::PodLeft { pod } if !gone.insert(pod.clone()) => {
                complaints.push(format!("gone twice: {}", line(event)));
            }
            What::PodJoined { pod } => drop(gone.remove(pod)),
            // Its process may live on.
            what if is_local(what) => {}
            _ if gone.contains(&event.stamp.pod) => complaints.push(format!("done by who is gone: {}", line(event))),
            _ => {}
        }
    }
    complaints
}

#[derive(Default)]
struct Life {
    started: Vec<usize>,
    ended: Vec<usize>,
    tasks: BTreeMap<(Phase, u32), Vec<(usize, Step)>>,
}

enum Step {
    Claimed(u32, PodName),
    Freed(PodName),
    Done(PodName),
}

/// Checks that everything of a job lies between its start and its end, and that a task is claimed, and then freed or done.
fn jobs(all: &[Event]) -> Vec<String> {
    let mut jobs: BTreeMap<JobId, Life> = BTreeMap::new();
    for (place, event) in all.iter().enumerate() {
        let mut step = |job: &JobId, phase: &Phase, index: &u32, step| {
            let life = jobs.entry(job.clone()).or_default();
            life.tasks.entry((*phase, *index)).or_default().push((place, step));
        };
        match &event.what {
            What::JobStarted { job, .. } => jobs.entry(job.clone()).or_default().started.push(place),
            What::JobEnded { job, .. } => jobs.entry(job.clone()).or_default().ended.push(place),
            What::TaskClaimed { job, phase, index, pod, attempt } => {
                step(job, phase, index, Step::Claimed(*attempt, pod.clone()));
            }
            What::TaskFreed { job, phase, index, pod } => step(job, phase, index, Step::Freed(pod.clone())),
            What::TaskDone { job, phase, index, pod } => step(job, phase, index, Step::Done(pod.clone())),
            _ => {}
        }
    }
    jobs.iter().flat_map(|(job, life)| life.complaints(job, all)).collect()
}

impl Life {
    fn complaints(&self, job: &JobId, all: &[Event]) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.ended.len() != 1 || self.started.len() > 1 {
            let (started, ended) = (self.started.len(), self.ended.len());
            complaints.push(format!("job {job} started {started} times and ended {ended} times"));
        }
        let (start, end) = (self.started.first(), self.ended.first());
        for (task, steps) in &self.tasks {
            let outside = steps.iter().filter(|(place, _)| start > Some(place) || end.is_some_and(|end| end < place));
            complaints.extend(outside.map(|(place, _)| format!("outside of its job: {}", line(&all[*place]))));
            let mut holder = None;
            for (place, step) in steps {
                let (right, next) = match step {
                    Step::Claimed(_, pod) => (holder.is_none(), Some(pod)),
                    // An observer may have missed a claim that was released at once, but never one that was committed.
                    Step::Freed(pod) => (holder.is_none_or(|holder| holder == pod), None),
                    Step::Done(pod) => (holder == Some(pod), None),
                };
                if !right {
                    complaints.push(format!("{task:?} held by {holder:?}: {}", line(&all[*place])));
                }
                holder = next;
            }
            let attempts = steps.iter().filter_map(|(_, step)| match step {
                Step::Claimed(attempt, _) => Some(*attempt),
                _ => None,
            });
            if !attempts.is_sorted_by(|a, b| a < b) {
                complaints.push(format!("attempts of {job} {task:?} don't rise"));
            }
        }
        complaints
    }
}
