//! The differences between two snapshots of the znodes, as events.
//!
//! An event keeps the stamp of the pod that caused or first established it, so all observers order it alike. The end of
//! something has no record of its own: the master writes it into the event log. Changes by masters and workers of older
//! versions, which wrote no stamp for them, are stamped here if pages wait for them, or left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::job::nodes::{JobNodes, TaskNodes};
use shared::clock::{Moment, Stamp};
use shared::cluster::{Candidate, Member};
use shared::event::{Event, JobMoved, Message, What};
use shared::id::{JobId, PodName};
use shared::job::{Phase, Progress};
use shared::task::Claimed;

use crate::mirror::Nodes;

/// Stamps events that no pod has stamped.
pub(super) type Now<'a> = &'a dyn Fn() -> Moment;

/// Returns everything that happened from `old` to `new`, causes first.
pub(super) fn changes(old: &Nodes, new: &Nodes, now: Now<'_>) -> Vec<Message> {
    let mut events: Vec<Event> = new.log.after(old.log.clock).cloned().collect();
    joined(old, new, &mut events);
    let unlogged = elected_unlogged(old, new, &mut events);
    let mut moved = Vec::new();
    for (id, job) in &new.jobs {
        match old.jobs.get(id) {
            Some(before) if Arc::ptr_eq(before, job) => {}
            before => {
                started(before.map(|before| &**before), job, &mut events);
                if unlogged && is_finished(job) && !before.is_some_and(|before| is_finished(before)) {
                    events.push(job_ended(job, now));
                }
                moved.extend(progress(before.map(|before| &**before), job));
            }
        }
    }
    for (_, job) in old.jobs.iter().filter(|(id, job)| unlogged && !new.jobs.contains_key(*id) && !is_finished(job)) {
        events.push(job_ended(job, now));
    }
    if old.rings != new.rings {
        events.push(rung(old, new, now));
    }
    events.sort_by(|a, b| a.stamp.cmp(&b.stamp));
    events.into_iter().map(Message::Event).chain(moved.into_iter().map(Message::Progress)).collect()
}

fn at(when: &Moment, what: What) -> Event {
    Event { stamp: when.stamp.clone(), at: when.at, what }
}

/// Returns the joins of these pods in a first snapshot. Nothing else that happened before it is known, but a process knows that
/// its own pods have joined, even if they did before it could look.
pub(super) fn own_joins(new: &Nodes, own: &[PodName]) -> Vec<Message> {
    let mut events: Vec<Event> = new.members.iter().filter(|member| own.contains(&member.pod)).map(join).collect();
    events.sort_by(|a, b| a.stamp.cmp(&b.stamp));
    events.into_iter().map(Message::Event).collect()
}

fn joined(old: &Nodes, new: &Nodes, events: &mut Vec<Event>) {
    let joined = new.members.iter().filter(|member| !old.members.iter().any(|before| before.uuid == member.uuid));
    events.extend(joined.map(join));
}

fn join(member: &Member) -> Event {
    Event { stamp: member.stamp.clone(), at: member.started, what: What::PodJoined { pod: member.pod.clone() } }
}

/// Returns the master and its election node, once it has taken its epoch.
fn leader(nodes: &Nodes) -> Option<(&str, &Candidate, u64)> {
    let (node, candidate) = nodes.candidates.first()?;
    Some((node, candidate, candidate.epoch?))
}

/// Returns whether the master is of an older version that keeps no log; its election is then derived from its own record.
fn elected_unlogged(old: &Nodes, new: &Nodes, events: &mut Vec<Event>) -> bool {
    let Some((node, candidate, epoch)) = leader(new) else { return false };
    if new.log.leader.as_ref().is_some_and(|logged| logged.node == node) {
        return false;
    }
    if leader(old).map(|(node, _, epoch)| (node, epoch)) != Some((node, epoch)) {
        let what = What::Elected { pod: candidate.pod.clone(), epoch };
        events.push(Event { stamp: candidate.stamp.clone(), at: candidate.since.unwrap_or_default(), what });
    }
    true
}

/// Returns the event that makes pages refresh after the doorbell was rung, by whichever pod.
fn rung(old: &Nodes, new: &Nodes, now: Now<'_>) -> Event {
    match &new.rung {
        Some(rung) if old.rung.as_ref() != Some(rung) => at(rung, What::GalleryChanged),
        _ => at(&now(), What::GalleryChanged),
    }
}

fn is_finished(nodes: &JobNodes) -> bool {
    nodes.job.progress == Progress::Finished
}

fn job_ended(nodes: &JobNodes, now: Now<'_>) -> Event {
    at(&now(), What::JobEnded { job: nodes.job.job.clone(), image: nodes.job.image.clone() })
}

fn started(before: Option<&JobNodes>, after: &JobNodes, events: &mut Vec<Event>) {
    let (job, image) = (after.job.job.clone(), after.job.image.clone());
    if before.is_none() {
        let what = What::JobStarted { job: job.clone(), image };
        events.push(Event { stamp: after.job.stamp.clone(), at: after.job.started, what });
    }
    let nothing = BTreeMap::new();
    for (phase, tasks) in &after.phases {
        let known = before.and_then(|before| before.phases.get(phase)).unwrap_or(&nothing);
        for (index, task) in tasks {
            task_events(&job, *phase, known.get(index), task, events);
        }
    }
}

/// Derives events from a task's records. Each record tells of one moment, so a claim that came and went between two snapshots
/// is reported too.
fn task_events(job: &JobId, phase: Phase, before: Option<&TaskNodes>, after: &TaskNodes, events: &mut Vec<Event>) {
    let (job, index) = (|| job.clone(), after.task.index);
    let freed = |nodes: &TaskNodes| nodes.task.freed.clone();
    if let Some(freed) = freed(after).filter(|now| before.and_then(freed).as_ref() != Some(now)) {
        events.push(at(&freed.when, What::TaskFreed { job: job(), phase, index, pod: freed.pod }));
    }
    if let Some(claim) = claim(after).filter(|now| before.and_then(claim).as_ref() != Some(now)) {
        let Claimed { attempt, pod, when } = claim;
        events.push(at(&when, What::TaskClaimed { job: job(), phase, index, pod, attempt }));
    }
    // A result taken over from an earlier run belongs to a task that no worker claimed in this run: its pod did nothing now.
    let done = |nodes: &TaskNodes| nodes.done.clone().filter(|_| nodes.task.attempt > 0);
    if let Some(result) =
        done(after).filter(|now| before.and_then(done).map(|done| done.stamp).as_ref() != Some(&now.stamp))
    {
        let what = What::TaskDone { job: job(), phase, index, pod: result.pod };
        events.push(Event { stamp: result.stamp, at: result.finished, what });
    }
}

/// Returns the last claim; for a worker of an older version, derived from its lock or its result.
fn claim(nodes: &TaskNodes) -> Option<Claimed> {
    let task = &nodes.task;
    let of = |pod: &PodName, stamp: &Stamp, at| {
        let when = Moment { stamp: stamp.clone(), at };
        Some(Claimed { attempt: task.attempt, pod: pod.clone(), when })
    };
    match (&task.claimed, &nodes.lock, &nodes.done) {
        (Some(claimed), ..) if claimed.attempt == task.attempt => Some(claimed.clone()),
        (_, Some(lock), _) => of(&lock.pod, &lock.stamp, lock.since),
        // Nothing was written since the claim.
        (_, None, Some(done)) if task.attempt > 0 => of(&done.pod, &task.stamp, done.started),
        (_, None, _) => None,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shared::cluster::Member;
    use shared::event::{Announced, EventLog};
    use shared::task::{Lock, Task};

    use super::*;

    fn moment(pod: &str, clock: u64) -> Moment {
        Moment { stamp: Stamp { clock, pod: pod.parse().unwrap() }, at: clock as i64 * 10 }
    }

    fn pod(name: &str) -> PodName {
        name.parse().unwrap()
    }

    fn lost(clock: u64) -> Event {
        at(&moment("b", clock), What::LeaderLost { pod: pod("a") })
    }

    fn elected(clock: u64) -> Event {
        at(&moment("b", clock), What::Elected { pod: pod("b"), epoch: 2 })
    }

    fn log(events: &[Event]) -> Arc<EventLog> {
        let leader = Some(Announced { pod: pod("b"), node: "b-2".to_owned() });
        let mut log = EventLog { leader, ..EventLog::default() };
        events.iter().for_each(|event| log.push(event.clone()));
        Arc::new(log)
    }

    fn candidate(name: &str, epoch: Option<u64>, clock: u64) -> Candidate {
        Candidate {
            v: 1,
            pod: pod(name),
            address: String::new(),
            process: String::new(),
            life: String::new(),
            home: None,
            epoch,
            since: Some(clock as i64 * 10),
            past: Vec::new(),
            stamp: moment(name, clock).stamp,
        }
    }

    fn member(name: &str, uuid: &str, clock: u64) -> Member {
        let member = format!(
            r#"{{"v":1,"pod":"{name}","uuid":"{uuid}","session":"","lease_ms":1,"address":"","cores":1,"version":"",
            "kinds":[],"started":{},"stamp":{{"clock":{clock},"pod":"{name}"}}}}"#,
            clock * 10
        );
        serde_json::from_str(&member).unwrap()
    }

    /// Returns the events seen by an observer whose own clock is at 99.
    fn seen(old: &Nodes, new: &Nodes) -> Vec<Event> {
        let event = |message| match message {
            Message::Event(event) => Some(event),
            _ => None,
        };
        changes(old, new, &|| moment("observer", 99)).into_iter().filter_map(event).collect()
    }

    #[test]
    fn a_failover_is_relayed_as_its_successor_stamped_it() {
        let leads = |name: &str, node: &str, epoch, clock| vec![(node.to_owned(), candidate(name, epoch, clock))];
        let before = Nodes { candidates: leads("a", "a-1", Some(1), 3), log: log(&[]), ..Nodes::default() };
        // The node is gone, and no pod has logged it yet: the view shows it at once, and the event waits for its stamp.
        let gone = Nodes { candidates: leads("b", "b-2", None, 4), ..before.clone() };
        assert_eq!(seen(&before, &gone), []);
        let led = Nodes { candidates: leads("b", "b-2", Some(2), 9), log: log(&[lost(8), elected(9)]), ..gone.clone() };
        assert_eq!(seen(&gone, &led), [lost(8), elected(9)]);
        assert_eq!(seen(&led, &led), [], "once");
        let more = Nodes { log: log(&[lost(8), elected(9), lost(12)]), ..led.clone() };
        assert_eq!(seen(&led, &more), [lost(12)]);
    }

    #[test]
    fn a_master_of_an_older_version_is_told_by_its_own_record() {
        let before = Nodes { log: log(&[lost(8), elected(9)]), ..Nodes::default() };
        let leads = vec![("c-3".to_owned(), candidate("c", Some(3), 20))];
        let after = Nodes { candidates: leads, ..before.clone() };
        let event = at(&moment("c", 20), What::Elected { pod: pod("c"), epoch: 3 });
        assert_eq!(seen(&before, &after), [event]);
    }

    #[test]
    fn a_pod_joins_with_its_own_stamp_and_leaves_with_the_masters() {
        let before = Nodes { members: vec![member("a", "1", 2)], log: log(&[]), ..Nodes::default() };
        let left = at(&moment("b", 7), What::PodLeft { pod: pod("a") });
        let after =
            Nodes { members: vec![member("a", "2", 9)], log: log(std::slice::from_ref(&left)), ..Nodes::default() };
        assert_eq!(seen(&before, &after), [left, at(&moment("a", 9), What::PodJoined { pod: pod("a") })]);
        assert_eq!(seen(&before, &Nodes { members: Vec::new(), ..before.clone() }), []);
    }

    #[test]
    fn a_process_lists_the_joins_of_its_own_pods_even_if_they_precede_its_first_look() {
        let first =
            Nodes { members: vec![member("a", "1", 2), member("b", "2", 5), member("c", "3", 4)], ..Nodes::default() };
        let events =
            [("c", 4), ("b", 5)].map(|(name, clock)| at(&moment(name, clock), What::PodJoined { pod: pod(name) }));
        assert_eq!(own_joins(&first, &[pod("b"), pod("c")]), events.map(Message::Event));
    }

    #[test]
    fn a_ring_is_its_ringers_and_an_older_ringers_is_the_observers() {
        let rung = |rings, rung| Nodes { rings, rung, ..Nodes::default() };
        let gallery = |when: &Moment| [at(when, What::GalleryChanged)];
        assert_eq!(seen(&rung(1, None), &rung(3, Some(moment("c", 5)))), gallery(&moment("c", 5)));
        assert_eq!(seen(&rung(3, Some(moment("c", 5))), &rung(4, None)), gallery(&moment("observer", 99)));
    }

    fn task(attempt: u32, claimed: Option<Claimed>, freed: Option<Claimed>, lock: Option<Lock>) -> TaskNodes {
        let record = r#"{"v":1,"phase":"split","index":0,"first_part":0,"parts":1,"attempt":0,"strikes":[],
            "stamp":{"clock":1,"pod":"m"}}"#;
        let task = Task { attempt, claimed, freed, ..serde_json::from_str(record).unwrap() };
        TaskNodes { task, version: 0, lock, done: None }
    }

    fn claimed(attempt: u32, name: &str, when: Moment) -> Claimed {
        Claimed { attempt, pod: pod(name), when }
    }

    fn told(before: &TaskNodes, after: &TaskNodes) -> Vec<(u64, String)> {
        let mut events = Vec::new();
        task_events(&"0".repeat(32).parse().unwrap(), Phase::Split, Some(before), after, &mut events);
        let words = |event: Event| match event.what {
            What::TaskFreed { pod, .. } => (event.stamp.clock, format!("{} freed {pod}'s", event.stamp.pod)),
            What::TaskClaimed { pod, attempt, .. } => (event.stamp.clock, format!("{pod} claimed, attempt {attempt}")),
            other => (event.stamp.clock, format!("{other:?}")),
        };
        events.into_iter().map(words).collect()
    }

    #[test]
    fn a_lapsed_claim_is_free_again_when_the_next_claimer_says_so() {
        let first = task(1, Some(claimed(1, "a", moment("a", 5))), None, None);
        let freed = Some(claimed(1, "a", moment("c", 8)));
        let second = task(2, Some(claimed(2, "c", moment("c", 9))), freed, None);
        let expected = [(8, "c freed a's".to_owned()), (9, "c claimed, attempt 2".to_owned())];
        assert_eq!(told(&first, &second), expected);
        assert_eq!(told(&second, &second), []);
    }

    #[test]
    fn a_claim_that_was_released_between_two_looks_is_told_with_its_end() {
        let after = task(1, Some(claimed(1, "a", moment("a", 5))), Some(claimed(1, "a", moment("a", 6))), None);
        let told = told(&task(0, None, None, None), &after);
        assert_eq!(told, [(6, "a freed a's".to_owned()), (5, "a claimed, attempt 1".to_owned())]);
    }

    #[test]
    fn a_claim_of_an_older_version_is_told_by_its_lock() {
        let lock = Lock { v: 1, pod: pod("o"), claim: "c".into(), since: 70, stamp: moment("o", 7).stamp };
        let stale = Some(claimed(1, "a", moment("a", 5)));
        let after = task(2, stale.clone(), None, Some(lock));
        assert_eq!(told(&task(1, stale, None, None), &after), [(7, "o claimed, attempt 2".to_owned())]);
    }
}
