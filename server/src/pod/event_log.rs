//! The event log: what happened to the array that no other record tells, written once, by the master, and relayed by all pods.
//!
//! Joining, an election, a claim, a commit have a record with the stamp of the pod that did it. A death and an end have none:
//! what tells them is that a znode is gone. If each observer stamped what it misses, each would place it elsewhere, and some
//! after its effects. So the master stamps it when it has read that it is so:
//! - *a leader's end*: its successor, in the multi that announces the successor, before the election;
//! - *a pod's end*: whoever leads, by comparing the members that are there with those that the log names;
//! - *a job's end*: in the multi that marks it finished or deletes its znodes.
//!
//! # Why each event is in it once, and in order
//! - Only the leader writes, through its fence, and at the version that it read. A new leader reads the log when its
//!   predecessor's election node is gone; from then on no write of that one passes, so nothing is added between the reading and
//!   the first write. The reading moves the pod's clock past all that is in the log, so the log's stamps rise.
//! - *The reply is lost*: the log is read again before the next write. If the write took effect it is there, with what it came
//!   with; if not, neither is.
//! - *The leader dies before it has written a death down*: the log still names that member (and that leader) and the successor
//!   finds it gone.
//! - *The znode was deleted or emptied by somebody*: its leader and members are entered again with the next write; what was in
//!   it before is not told again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shared::cluster::{Candidate, Member};
use shared::event::{Announced, Event, EventLog, Known, What};
use shared::id::{ImageId, JobId};
use shared::job::RECORD_VERSION;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::jitter;
use super::master::{End, Office, Setback, to_json};
use crate::coord::{Op, ensure_skeleton, event_log, members, paths};

/// How long a new leader waits for its picture to show its predecessor's end.
const CATCH_UP: Duration = Duration::from_secs(1);
/// The pause after members that couldn't be compared, on average.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The log as this leader knows it, with its znode's version; `None` if it has to be read. Who holds it, writes.
#[derive(Default)]
pub(super) struct Log(Mutex<Option<(EventLog, i32)>>);

/// Announces a leader that has taken its epoch: the ends of its predecessor and of other pods come first, then its election.
pub(super) async fn announce(office: &Office, candidate: &mut Candidate) -> Result<(), Setback> {
    catch_up(office).await;
    let there = present(office).await?;
    let (pod, node) = (candidate.pod.clone(), office.fence.node().to_owned());
    let epoch = candidate.epoch.unwrap_or_default();
    write(office, |log| {
        note_losses(office, log, &there);
        let elected = event(office, What::Elected { pod: pod.clone(), epoch });
        (candidate.stamp, candidate.since) = (elected.stamp.clone(), Some(elected.at));
        log.push(elected);
        log.leader = Some(announced(office));
        vec![Op::Set { path: node, data: to_json(candidate), version: None }]
    })
    .await
}

/// Tells who is gone while the leader can't be announced.
///
/// # Errors
/// That the role is over; everything else is told later.
pub(super) async fn tell_losses(office: &Office) -> Result<(), End> {
    let told = async {
        catch_up(office).await;
        let there = present(office).await?;
        write(office, |log| {
            note_losses(office, log, &there);
            Vec::new()
        })
        .await
    };
    match told.await {
        Err(Setback::End(end)) => Err(end),
        Err(setback) => {
            tracing::info!(%setback, "who is gone isn't written down yet");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Writes what ends a job, and that it ended.
pub(super) async fn end_job(office: &Office, job: &JobId, image: &ImageId, ops: Vec<Op>) -> Result<(), Setback> {
    write(office, |log| {
        log.push(event(office, What::JobEnded { job: job.clone(), image: image.clone() }));
        log.leader = Some(announced(office));
        ops
    })
    .await
}

/// Keeps the log's members up to date, and tells who is gone, until the role is over.
///
/// # Cancellation
/// Safe.
pub(super) async fn follow_members(office: Arc<Office>) {
    let mut nodes = office.mirror.nodes();
    let mut compared: Option<BTreeSet<String>> = None;
    loop {
        let seen = nodes.borrow_and_update().clone();
        let starts: BTreeSet<String> = seen.members.iter().map(|member| member.uuid.clone()).collect();
        if seen.loaded && compared.as_ref() != Some(&starts) {
            match compare_members(&office).await {
                Ok(()) => compared = Some(starts),
                Err(Setback::End(_)) => return,
                Err(setback) => {
                    tracing::info!(%setback, "the members will be compared again");
                    tokio::time::sleep(RETRY_PAUSE.mul_f64(0.5 + jitter())).await;
                    continue;
                }
            }
        }
        if nodes.changed().await.is_err() {
            return;
        }
    }
}

async fn compare_members(office: &Office) -> Result<(), Setback> {
    // Read now: the picture may be older than what the log names.
    let there = present(office).await?;
    write(office, |log| {
        note_members(office, log, &there);
        log.leader = Some(announced(office));
        Vec::new()
    })
    .await
}

/// Waits until the picture shows that this candidacy is the first. Hints come in the order of the writes, so whatever the
/// predecessor wrote has been read by then, and its end gets a later stamp. A picture that takes longer holds nothing up: then
/// its end is later only than what was read.
async fn catch_up(office: &Office) {
    let node = announced(office).node;
    let mut nodes = office.mirror.nodes();
    let first = nodes.wait_for(|nodes| nodes.candidates.first().is_some_and(|(name, _)| *name == node));
    if timeout(CATCH_UP, first).await.is_err() {
        tracing::debug!(node, "announced before the predecessor's last writes were read");
    }
}

/// The members that are there now.
async fn present(office: &Office) -> Result<Vec<Member>, Setback> {
    let members = members::list(&*office.coordinator).await?;
    for member in &members {
        office.pod.clock.read(member.stamp.clock);
    }
    Ok(members)
}

fn announced(office: &Office) -> Announced {
    let node = office.fence.node();
    let name = node.rsplit('/').next().unwrap_or(node);
    Announced { pod: office.pod.config.name.clone(), node: name.to_owned() }
}

fn event(office: &Office, what: What) -> Event {
    let now = office.pod.moment();
    Event { stamp: now.stamp, at: now.at, what }
}

/// The leader that the log names is gone, or this one wouldn't lead; unless it is this one itself.
fn note_losses(office: &Office, log: &mut EventLog, there: &[Member]) {
    let own = announced(office);
    if let Some(leader) = log.leader.take_if(|leader| *leader != own) {
        log.push(event(office, What::LeaderLost { pod: leader.pod }));
    }
    note_members(office, log, there);
}

/// A pod that is there with another start has not left.
fn note_members(office: &Office, log: &mut EventLog, there: &[Member]) {
    let gone = |known: &Known| !there.iter().any(|member| member.uuid == known.uuid || member.pod == known.pod);
    let gone: BTreeSet<_> = log.members.iter().filter(|known| gone(known)).map(|known| known.pod.clone()).collect();
    for pod in gone {
        log.push(event(office, What::PodLeft { pod }));
    }
    log.members = there.iter().map(|member| Known { pod: member.pod.clone(), uuid: member.uuid.clone() }).collect();
}

/// Changes the log and writes it with what the change gives, all or nothing. A change of nothing isn't written.
///
/// # Cancellation
/// It may take effect all the same; the log is read again before the next write.
async fn write(office: &Office, change: impl FnOnce(&mut EventLog) -> Vec<Op>) -> Result<(), Setback> {
    let mut known = office.log.0.lock().await;
    // Until the write is known to have succeeded, the log has to be read again.
    let (before, version) = match known.take() {
        Some(known) => known,
        None => read(office).await?,
    };
    let mut log = EventLog { v: RECORD_VERSION, ..before.clone() };
    let mut ops = change(&mut log);
    if ops.is_empty() && log == before {
        *known = Some((log, version));
        return Ok(());
    }
    ops.push(Op::Set { path: paths::EVENT_LOG.to_owned(), data: to_json(&log), version: Some(version) });
    match office.fence.write(&*office.coordinator, ops).await {
        Ok(()) => {
            *known = Some((log, version + 1));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn read(office: &Office) -> Result<(EventLog, i32), Setback> {
    loop {
        let (log, version) = event_log::read(&*office.coordinator).await?;
        office.pod.clock.read(log.clock);
        match version {
            Some(version) => return Ok((log, version)),
            None => ensure_skeleton(&*office.coordinator).await?,
        }
    }
}
