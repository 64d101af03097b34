//! What happened between two pictures of the znodes, as events.
//!
//! An event that a pod wrote a stamp for carries that stamp, so all observers place it alike. That something is gone has
//! no stamp; the observer's own clock, which is past everything it has read, gives one.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::clock::Stamp;
use shared::cluster::Candidate;
use shared::event::{Event, JobMoved, Message, What};
use shared::job::{Phase, Progress};

use super::mirror::Nodes;
use crate::pipeline::nodes::{JobNodes, TaskNodes};

/// Gives stamps for what nobody stamped: `(stamp, wall clock)` of now.
pub(super) type Now<'a> = &'a dyn Fn() -> (Stamp, i64);

/// Everything that happened from `old` to `new`, causes first.
pub(super) fn changes(old: &Nodes, new: &Nodes, now: Now<'_>) -> Vec<Message> {
    let mut events = Vec::new();
    pods(old, new, now, &mut events);
    leaders(old, new, now, &mut events);
    let mut moved = Vec::new();
    for (id, job) in &new.jobs {
        match old.jobs.get(id) {
            Some(before) if Arc::ptr_eq(before, job) => {}
            before => {
                jobs(before.map(|before| &**before), job, now, &mut events);
                moved.extend(progress(before.map(|before| &**before), job));
            }
        }
    }
    for (id, job) in old.jobs.iter().filter(|(id, job)| !new.jobs.contains_key(*id) && !is_finished(job)) {
        events.push(unstamped(now, What::JobEnded { job: id.clone(), image: job.job.image.clone() }));
    }
    if old.rings != new.rings {
        events.push(unstamped(now, What::GalleryChanged));
    }
    events.sort_by(|a, b| a.stamp.cmp(&b.stamp));
    events.into_iter().map(Message::Event).chain(moved.into_iter().map(Message::Progress)).collect()
}

fn unstamped(now: Now<'_>, what: What) -> Event {
    let (stamp, at) = now();
    Event { stamp, at, what }
}

fn pods(old: &Nodes, new: &Nodes, now: Now<'_>, events: &mut Vec<Event>) {
    let joined = new.members.iter().filter(|member| !old.members.iter().any(|before| before.uuid == member.uuid));
    events.extend(joined.map(|member| Event {
        stamp: member.stamp.clone(),
        at: member.started,
        what: What::PodJoined { pod: member.pod.clone() },
    }));
    // A pod that is there again with a new session has not left.
    let left = old.members.iter().filter(|before| !new.members.iter().any(|member| member.pod == before.pod));
    events.extend(left.map(|before| unstamped(now, What::PodLeft { pod: before.pod.clone() })));
}

/// The master with its node, once it has taken its epoch.
fn leader(nodes: &Nodes) -> Option<(&str, &Candidate, u64)> {
    let (node, candidate) = nodes.candidates.first()?;
    Some((node, candidate, candidate.epoch?))
}

fn leaders(old: &Nodes, new: &Nodes, now: Now<'_>, events: &mut Vec<Event>) {
    let (before, after) = (leader(old), leader(new));
    if let Some((node, candidate, _)) = before
        && !new.candidates.iter().any(|(name, _)| name == node)
    {
        events.push(unstamped(now, What::LeaderLost { pod: candidate.pod.clone() }));
    }
    if let Some((node, candidate, epoch)) = after
        && before.map(|(node, _, epoch)| (node, epoch)) != Some((node, epoch))
    {
        let what = What::Elected { pod: candidate.pod.clone(), epoch };
        events.push(Event { stamp: candidate.stamp.clone(), at: candidate.since.unwrap_or_default(), what });
    }
}

fn is_finished(nodes: &JobNodes) -> bool {
    nodes.job.progress == Progress::Finished
}

fn jobs(before: Option<&JobNodes>, after: &JobNodes, now: Now<'_>, events: &mut Vec<Event>) {
    let (job, image) = (after.job.job.clone(), after.job.image.clone());
    if before.is_none() {
        let what = What::JobStarted { job: job.clone(), image: image.clone() };
        events.push(Event { stamp: after.job.stamp.clone(), at: after.job.started, what });
    }
    if is_finished(after) && !before.is_some_and(is_finished) {
        events.push(unstamped(now, What::JobEnded { job, image }));
    }
    let nothing = BTreeMap::new();
    for (phase, tasks) in &after.phases {
        let known = before.and_then(|before| before.phases.get(phase)).unwrap_or(&nothing);
        for (index, task) in tasks {
            task_events(&after.job.job, *phase, known.get(index), task, now, events);
        }
    }
}

fn task_events(
    job: &shared::id::JobId,
    phase: Phase,
    before: Option<&TaskNodes>,
    after: &TaskNodes,
    now: Now<'_>,
    events: &mut Vec<Event>,
) {
    let (job, index) = (job.clone(), after.task.index);
    let old_lock = before.and_then(|before| before.lock.as_ref());
    if let Some(lock) = &after.lock
        && old_lock.map(|old| &old.claim) != Some(&lock.claim)
    {
        let (pod, attempt) = (lock.pod.clone(), after.task.attempt);
        let what = What::TaskClaimed { job: job.clone(), phase, index, pod, attempt };
        events.push(Event { stamp: lock.stamp.clone(), at: lock.since, what });
    }
    if let Some(done) = after.done.as_ref().filter(|_| before.is_none_or(|before| before.done.is_none())) {
        if old_lock.is_none() && after.lock.is_none() {
            // Claimed and done between two looks: the record is still the claim's.
            let (job, pod, attempt) = (job.clone(), done.pod.clone(), done.attempt);
            let what = What::TaskClaimed { job, phase, index, pod, attempt };
            events.push(Event { stamp: after.task.stamp.clone(), at: done.started, what });
        }
        let what = What::TaskDone { job, phase, index, pod: done.pod.clone() };
        events.push(Event { stamp: done.stamp.clone(), at: done.finished, what });
    } else if let Some(old) = old_lock.filter(|_| after.lock.is_none() && after.done.is_none()) {
        events.push(unstamped(now, What::TaskFreed { job, phase, index, pod: old.pod.clone() }));
    }
}

fn progress(before: Option<&JobNodes>, after: &JobNodes) -> Option<JobMoved> {
    let now = after.view().progress()?;
    (before.and_then(|before| before.view().progress()) != Some(now)).then(|| JobMoved {
        job: after.job.job.clone(),
        image: after.job.image.clone(),
        progress: now,
    })
}
