//! A snapshot of the znodes, and how it is read.
//!
//! Reads aren't atomic: the order in which related znodes are read, and the versions of the records, keep every snapshot free of
//! states that never existed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coord::{Coordinator, Error, NodeData, doorbell, election, event_log, paths, record};
use pipeline::job::nodes::{JobNodes, TaskNodes};
use serde::de::DeserializeOwned;
use shared::clock::{Clock, Moment};
use shared::cluster::{Candidate, Member};
use shared::event::EventLog;
use shared::id::JobId;
use shared::job::{Job, Phase};
use shared::task::{Done, Lock, Task};

use super::dirty::Dirty;
use super::leader_history::LeaderHistory;
use super::unexpected::{FORBIDDEN, Unexpected};

/// A snapshot of the znodes, as last read.
#[derive(Debug, Clone, Default)]
pub struct Nodes {
    /// Whether the first read is complete.
    pub loaded: bool,
    /// Live pods.
    pub members: Vec<Member>,
    /// Election nodes: name and record, lowest sequence first.
    pub candidates: Vec<(String, Candidate)>,
    /// Active jobs.
    pub jobs: BTreeMap<JobId, Arc<JobNodes>>,
    /// Version of the doorbell, which counts its rings.
    pub rings: i32,
    /// Time of the last ring, if known.
    pub rung: Option<Moment>,
    /// The event log.
    pub log: Arc<EventLog>,
    /// The latest master seen.
    pub led: Option<LeaderHistory>,
    /// The master before it.
    pub before: Option<LeaderHistory>,
    /// Znodes that aren't what the array writes at their paths.
    pub unexpected: Unexpected,
}

impl Nodes {
    /// Returns the number of live pods. A pod that came back counts once, while the member node of its last session still
    /// awaits that session's end.
    pub fn live(&self) -> usize {
        self.members.iter().map(|member| &member.pod).collect::<BTreeSet<_>>().len()
    }

    /// Returns how many tasks can be worked on at once: the pixel threads of all processes, whose pods share them and have the
    /// same address; at least one for each live pod.
    pub fn threads(&self) -> usize {
        let processes: BTreeMap<_, _> = self.members.iter().map(|member| (&member.address, member.cores)).collect();
        processes.values().sum::<usize>().max(self.live())
    }
}

/// Reads the znodes of one session.
pub(super) struct Reader {
    coordinator: Arc<dyn Coordinator>,
    clock: Arc<Clock>,
    nodes: Nodes,
}

impl Reader {
    /// Starts with an empty snapshot. Stamps that are read advance `clock`.
    pub(super) fn new(coordinator: Arc<dyn Coordinator>, clock: Arc<Clock>) -> Self {
        Self { coordinator, clock, nodes: Nodes::default() }
    }

    /// Reads these parts again, and returns the new snapshot.
    pub(super) async fn read(&mut self, dirty: &Dirty) -> coord::Result<Arc<Nodes>> {
        if dirty.everything || dirty.members {
            self.read_members().await?;
        }
        if dirty.everything || dirty.candidates {
            self.nodes.candidates = self.records::<Candidate>(paths::LEADER).await?;
            for name in self.nodes.candidates.extract_if(.., |(name, _)| election::sequence(name).is_none()) {
                self.nodes.unexpected.mark(&paths::candidate(&name.0), "its name isn't a candidate's", false);
            }
            self.nodes.candidates.sort_by_key(|(name, _)| election::sequence(name));
            self.observe(self.nodes.candidates.iter().map(|(_, candidate)| candidate.stamp.clock));
            self.follow_leader().await?;
        }
        if dirty.everything || dirty.doorbell {
            (self.nodes.rings, self.nodes.rung) = doorbell::rings(&*self.coordinator).await?;
            self.observe(self.nodes.rung.iter().map(|rung| rung.stamp.clock));
        }
        if dirty.everything || dirty.job_list {
            let names = children(&*self.coordinator, paths::JOBS).await?;
            let there: BTreeSet<JobId> = names.iter().filter_map(|name| name.parse().ok()).collect();
            self.nodes.unexpected.clear_below(paths::JOBS);
            for name in names.iter().filter(|name| name.parse::<JobId>().is_err()) {
                self.nodes.unexpected.mark(&format!("{}/{name}", paths::JOBS), "its name isn't a job's", false);
            }
            self.nodes.jobs.retain(|job, _| there.contains(job));
            for job in &there {
                self.read_job(job).await?;
            }
        }
        for job in &dirty.jobs {
            self.read_job(job).await?;
        }
        let tasks: Vec<_> = dirty.tasks.iter().filter(|(job, ..)| !dirty.jobs.contains(job)).cloned().collect();
        self.read_tasks(&tasks).await?;
        // After the candidates: then the log that is read now contains every leader whose announcement was read.
        if dirty.everything || dirty.log || dirty.candidates {
            let (log, _) = event_log::read(&*self.coordinator).await?;
            self.observe([log.clock]);
            self.nodes.log = Arc::new(log);
        }
        self.nodes.loaded = true;
        Ok(Arc::new(self.nodes.clone()))
    }

    async fn read_members(&mut self) -> coord::Result<()> {
        self.nodes.members =
            self.records::<Member>(paths::NODES).await?.into_iter().map(|(_, member)| member).collect();
        self.nodes.members.sort_by(|a, b| a.pod.cmp(&b.pod).then(a.started.cmp(&b.started)));
        self.observe(self.nodes.members.iter().map(|member| member.stamp.clock));
        if let Some(led) = &mut self.nodes.led {
            led.note(&self.nodes.members);
        }
        Ok(())
    }

    /// Tracks the current leader, and how the previous one ended.
    async fn follow_leader(&mut self) -> coord::Result<()> {
        let is_gone = |led: &LeaderHistory| {
            led.gone.is_none() && !self.nodes.candidates.iter().any(|(name, _)| *name == led.node)
        };
        if self.nodes.led.as_ref().is_some_and(is_gone) {
            // Read after the candidates: if a session's end took both nodes, this read shows it.
            self.read_members().await?;
            if let Some(led) = &mut self.nodes.led {
                led.end(&self.nodes.members);
            }
        }
        let leader = self.nodes.candidates.first().and_then(|(node, record)| LeaderHistory::new(node, record));
        match (&mut self.nodes.led, leader) {
            (Some(led), Some(leader)) if led.node == leader.node => led.record = leader.record,
            (led, Some(leader)) => self.nodes.before = led.replace(leader),
            (_, None) => {}
        }
        Ok(())
    }

    /// Reads a job and all its tasks.
    async fn read_job(&mut self, job: &JobId) -> coord::Result<()> {
        let path = paths::job(job);
        self.nodes.unexpected.clear_below(&path);
        let (data, stat) = match self.coordinator.get(&path).await {
            Ok(node) => node,
            Err(error @ (Error::NoNode(_) | Error::Forbidden(_))) => {
                self.nodes.jobs.remove(job);
                if matches!(error, Error::Forbidden(_)) {
                    self.nodes.unexpected.mark(&path, FORBIDDEN, true);
                }
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let Some(record) = self.nodes.unexpected.read::<Job>(&path, &data) else {
            self.nodes.jobs.remove(job);
            return Ok(());
        };
        self.observe([record.stamp.clock]);
        let (phases, tasks) = self.list_tasks(job, &path).await?;
        let records: Vec<String> = tasks.iter().map(|(job, phase, index)| paths::task(job, *phase, *index)).collect();
        let folders = phases.iter().map(|phase| (*phase, BTreeMap::new())).collect();
        let fresh = JobNodes { job: record, version: stat.version, phases: folders };
        self.nodes.jobs.insert(job.clone(), Arc::new(fresh));
        let mut busy = Vec::new();
        let read = self.coordinator.get_many(&records).await?;
        for ((id, node), path) in tasks.into_iter().zip(read).zip(&records) {
            match node {
                Some((_, stat)) if stat.children > 0 => busy.push(id),
                // It was listed, so it has been deleted since or may not be read.
                None => self.mark_forbidden(path).await?,
                // A task without children has neither lock nor result, so this single read is a consistent snapshot.
                idle => self.keep(&id, &[None, None, idle]),
            }
        }
        self.read_tasks(&busy).await
    }

    /// Lists a job's phases and tasks by their names. Other names are marked as unexpected.
    async fn list_tasks(&mut self, job: &JobId, path: &str) -> coord::Result<(Vec<Phase>, Vec<(JobId, Phase, u32)>)> {
        let mut phases: Vec<Phase> = Vec::new();
        for name in children(&*self.coordinator, path).await? {
            match name.parse() {
                Ok(phase) => phases.push(phase),
                Err(_) => self.nodes.unexpected.mark(&format!("{path}/{name}"), "its name isn't a phase's", false),
            }
        }
        let folders: Vec<String> = phases.iter().map(|phase| paths::phase(job, *phase)).collect();
        let mut tasks = Vec::new();
        let listed = self.coordinator.children_many(&folders).await?;
        for ((phase, folder), names) in phases.iter().zip(&folders).zip(listed) {
            if names.is_none() {
                self.mark_forbidden(folder).await?;
            }
            for name in names.unwrap_or_default() {
                match paths::task_index(&name) {
                    Some(index) => tasks.push((job.clone(), *phase, index)),
                    None => self.nodes.unexpected.mark(&format!("{folder}/{name}"), "its name isn't a task's", false),
                }
            }
        }
        Ok((phases, tasks))
    }

    /// Marks a job's node as unexpected if it exists and may not be read.
    async fn mark_forbidden(&mut self, path: &str) -> coord::Result<()> {
        let read = match self.coordinator.get(path).await {
            Ok(_) => self.coordinator.children(path).await.map(drop),
            Err(error) => Err(error),
        };
        match read {
            Err(Error::Forbidden(_)) => {
                self.nodes.unexpected.mark(path, FORBIDDEN, true);
                Ok(())
            }
            Ok(()) | Err(Error::NoNode(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads tasks with their locks and results. Removes tasks that are gone from the mirror.
    ///
    /// Several reads aren't one snapshot: with a lock read before a claim and a record read after it, a task would look struck
    /// out. So the record is read before and after the rest, and all of it again if the version changed: a claim and a release
    /// change it, and a commit's `done` is read after the lock that the commit deletes.
    async fn read_tasks(&mut self, tasks: &[(JobId, Phase, u32)]) -> coord::Result<()> {
        let mut unread = tasks.to_vec();
        while !unread.is_empty() {
            let reads: Vec<String> = unread
                .iter()
                .flat_map(|(job, phase, index)| {
                    let task = paths::task(job, *phase, *index);
                    [task.clone(), paths::lock(&task), paths::done(&task), task]
                })
                .collect();
            let nodes = self.coordinator.get_many(&reads).await?;
            let mut changed = Vec::new();
            for (id, nodes) in unread.iter().zip(nodes.chunks_exact(4)) {
                if nodes[0].as_ref().map(|(_, stat)| stat.version) == nodes[3].as_ref().map(|(_, stat)| stat.version) {
                    self.keep(id, &nodes[1..]);
                    self.read_strangers(id, &nodes[1..]).await?;
                } else {
                    changed.push(id.clone());
                }
            }
            unread = changed;
        }
        Ok(())
    }

    /// Looks for nodes below a task other than its lock and its result.
    async fn read_strangers(
        &mut self,
        (job, phase, index): &(JobId, Phase, u32),
        nodes: &[Option<NodeData>],
    ) -> coord::Result<()> {
        let [lock, done, Some((_, stat))] = nodes else { return Ok(()) };
        let known = u32::from(lock.is_some()) + u32::from(done.is_some());
        if stat.children <= known {
            return Ok(());
        }
        let path = paths::task(job, *phase, *index);
        for name in children(&*self.coordinator, &path).await? {
            let below = format!("{path}/{name}");
            if below == paths::lock(&path) || below == paths::done(&path) {
                self.mark_forbidden(&below).await?;
            } else {
                self.nodes.unexpected.mark(&below, "nothing of this name lies below a task", false);
            }
        }
        Ok(())
    }

    fn keep(&mut self, (job, phase, index): &(JobId, Phase, u32), nodes: &[Option<NodeData>]) {
        let Some(entry) = self.nodes.jobs.get_mut(job) else { return };
        let tasks = Arc::make_mut(entry).phases.entry(*phase).or_default();
        let path = paths::task(job, *phase, *index);
        self.nodes.unexpected.clear_below(&path);
        let Some(read) = task_nodes(&mut self.nodes.unexpected, &path, nodes) else {
            tasks.remove(index);
            return;
        };
        let stamps = [
            Some(read.task.stamp.clock),
            read.lock.as_ref().map(|lock| lock.stamp.clock),
            read.done.as_ref().map(|done| done.stamp.clock),
        ];
        tasks.insert(*index, read);
        self.observe(stamps.into_iter().flatten());
    }

    /// Reads the ephemeral children of a folder with their records. Nodes that vanish meanwhile are left out. Nodes that can't
    /// be parsed, or that are persistent (no session's end would remove them), are marked as unexpected.
    async fn records<T: DeserializeOwned>(&mut self, folder: &str) -> coord::Result<Vec<(String, T)>> {
        let names = children(&*self.coordinator, folder).await?;
        let reads: Vec<String> = names.iter().map(|name| format!("{folder}/{name}")).collect();
        let nodes = self.coordinator.get_many(&reads).await?;
        let unexpected = &mut self.nodes.unexpected;
        unexpected.clear_below(folder);
        let mut found = Vec::new();
        for ((name, path), node) in names.into_iter().zip(&reads).zip(nodes) {
            let Some((data, stat)) = node else { continue };
            if stat.owner.is_none() {
                unexpected.mark(path, "it is persistent; the array's nodes here are ephemeral", false);
            } else if let Ok(record) = record::read::<T>(&data).inspect_err(|why| unexpected.note(path, why, false)) {
                found.push((name, record));
            }
        }
        Ok(found)
    }

    fn observe(&self, stamps: impl IntoIterator<Item = u64>) {
        for seen in stamps {
            self.clock.read(seen);
        }
    }
}

/// Builds a task from its lock, result and record, which were read together. Returns `None` without a readable record; what
/// can't be parsed is marked as unexpected.
fn task_nodes(found: &mut Unexpected, path: &str, nodes: &[Option<NodeData>]) -> Option<TaskNodes> {
    let [lock, done, task] = nodes else { return None };
    let (data, stat) = task.as_ref()?;
    let (lock_path, done_path) = (paths::lock(path), paths::done(path));
    // No session's end removes a persistent lock, and no worker works under it.
    let (persistent, lock): (Option<_>, Option<_>) = match lock {
        Some((_, stat)) if stat.owner.is_none() => (lock.as_ref(), None),
        lock => (None, lock.as_ref()),
    };
    if persistent.is_some() {
        found.mark(&lock_path, "it is persistent; a lock is ephemeral", true);
    }
    Some(TaskNodes {
        task: found.read::<Task>(path, data)?,
        version: stat.version,
        lock: lock.and_then(|(data, _)| found.read::<Lock>(&lock_path, data)),
        done: done.as_ref().and_then(|(data, _)| found.read::<Done>(&done_path, data)),
    })
}

async fn children(coordinator: &dyn Coordinator, path: &str) -> coord::Result<Vec<String>> {
    match coordinator.children(path).await {
        Err(Error::NoNode(_)) => Ok(Vec::new()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use shared::clock::Stamp;

    use super::*;

    fn member(pod: &str, address: &str, cores: usize) -> Member {
        Member {
            v: 1,
            pod: pod.parse().unwrap(),
            uuid: String::new(),
            session: String::new(),
            lease_ms: 1,
            address: address.to_owned(),
            cores,
            version: String::new(),
            kinds: Vec::new(),
            started: 0,
            leaving: false,
            faults: false,
            stamp: Stamp { clock: 1, pod: pod.parse().unwrap() },
        }
    }

    #[test]
    fn a_process_counts_its_threads_once_and_a_pod_at_least_one() {
        let threads = |members: &[(&str, &str, usize)]| {
            let members = members.iter().map(|(pod, address, cores)| member(pod, address, *cores)).collect();
            Nodes { members, ..Nodes::default() }.threads()
        };
        assert_eq!(threads(&[("a", "host-1:80", 4), ("b", "host-2:80", 2), ("c", "host-3:80", 6)]), 12);
        assert_eq!(threads(&[("a", "host-1:80", 8), ("b", "host-1:80", 8)]), 8);
        assert_eq!(threads(&[("a", "host-1:80", 2), ("b", "host-1:80", 2), ("c", "host-1:80", 2)]), 3);
        assert_eq!(threads(&[]), 0);
    }

    #[test]
    fn candidates_sort_by_sequence_not_by_name() {
        let mut names = ["ffff-0000000002", "0000-0000000010", "aaaa-0000000001"];
        names.sort_by_key(|name| election::sequence(name));
        assert_eq!(names, ["aaaa-0000000001", "ffff-0000000002", "0000-0000000010"]);
    }
}
