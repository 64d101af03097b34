//! The event log: events that no other record tells, written once, by the master, and relayed by all pods.
//!
//! Joining, an election, a claim and a commit each have a record with the stamp of the pod that did it. A death or an end has
//! none: it shows only in a znode that is gone. If each observer stamped what it misses, each would order it differently, and
//! some after its effects. So the master stamps it when it has established it:
//! - *a leader's end*: its successor, in the multi that announces the successor, before the election event;
//! - *a pod's end*: the current leader, by comparing the present members with those that the log names;
//! - *a job's end*: in the multi that marks it finished or deletes its znodes.
//!
//! # Why each event is logged once and in order
//! - Only the leader writes, through its fence, and at the version that it read. A new leader reads the log after its
//!   predecessor's election node is gone; from then on the predecessor's writes fail, so nothing is added between the read and
//!   the first write. The read advances the pod's clock past everything in the log, so the log's stamps increase.
//! - *The reply is lost*: the log is read again before the next write. If the write took effect, the log contains the event and
//!   the rest of the multi has been applied too; if not, neither.
//! - *The leader dies before it has logged a death*: the log still names that member (and that leader), and the successor finds
//!   it gone.
//! - *The znode was deleted or emptied by someone else*: leader and members are entered again with the next write; earlier
//!   events are not repeated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::jitter;
use base::causes::chain;
use coord::record::to_json;
use coord::{Op, ensure_skeleton, event_log, members, paths};
use shared::cluster::{Candidate, Member};
use shared::event::{Announced, Event, EventLog, Known, What};
use shared::id::{ImageId, JobId};
use shared::job::{Job, Progress, RECORD_VERSION};
use tokio::time::timeout;

use super::context::MasterContext;
use super::error::{End, MasterError};

/// How long a new leader waits for its mirror to show its predecessor's end.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Mean pause after a failed comparison of the members.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Announces a leader that has taken its epoch: logs the end of its predecessor and of other pods first, then its election.
pub(super) async fn announce(context: &MasterContext, candidate: &mut Candidate) -> Result<(), MasterError> {
    catch_up(context).await;
    let there = present(context).await?;
    let (pod, node) = (candidate.pod.clone(), context.fence.node().to_owned());
    let epoch = candidate.epoch.unwrap_or_default();
    write(context, |log| {
        note_losses(context, log, &there);
        let elected = event(context, What::Elected { pod: pod.clone(), epoch });
        (candidate.stamp, candidate.since) = (elected.stamp.clone(), Some(elected.at));
        log.push(elected);
        log.leader = Some(announced(context));
        vec![Op::Set { path: node, data: to_json(candidate), version: None }]
    })
    .await
}

/// Logs which pods are gone while the leader can't be announced.
///
/// # Errors
/// Returns an error only if the term is over; any other failure is logged, and the losses are recorded later.
pub(super) async fn tell_losses(context: &MasterContext) -> Result<(), End> {
    let told = async {
        catch_up(context).await;
        let there = present(context).await?;
        write(context, |log| {
            note_losses(context, log, &there);
            Vec::new()
        })
        .await
    };
    match told.await {
        Err(MasterError::End(end)) => Err(end),
        Err(error) => {
            tracing::info!(error = %chain(&error), "recording departed members failed; retrying");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Applies the operations that end a job, and logs its end in the same multi.
pub(super) async fn end_job(
    context: &MasterContext,
    job: &JobId,
    image: &ImageId,
    ops: Vec<Op>,
) -> Result<(), MasterError> {
    write(context, |log| {
        log.push(event(context, What::JobEnded { job: job.clone(), image: image.clone() }));
        log.leader = Some(announced(context));
        ops
    })
    .await
}

/// Marks a job as finished, so that only deleting its znodes is left.
pub(super) async fn finish_job(context: &MasterContext, job: &Job, version: i32) -> Result<(), MasterError> {
    let mut job = job.clone();
    job.progress = Progress::Finished;
    job.epoch = context.epoch().n;
    let op = Op::Set { path: paths::job(&job.job), data: to_json(&job), version: Some(version) };
    end_job(context, &job.job, &job.image, vec![op]).await
}

/// Keeps the log's members up to date and logs departed pods, until the term is over.
///
/// # Cancellation
/// Safe.
pub(super) async fn follow_members(context: Arc<MasterContext>) {
    let mut nodes = context.mirror.nodes();
    let mut compared: Option<BTreeSet<String>> = None;
    loop {
        let seen = nodes.borrow_and_update().clone();
        let starts: BTreeSet<String> = seen.members.iter().map(|member| member.uuid.clone()).collect();
        if seen.loaded && compared.as_ref() != Some(&starts) {
            match compare_members(&context).await {
                Ok(()) => compared = Some(starts),
                Err(MasterError::End(_)) => return,
                Err(error) => {
                    tracing::info!(error = %chain(&error), "comparing members failed; retrying");
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

async fn compare_members(context: &MasterContext) -> Result<(), MasterError> {
    // Read now: the mirror may be older than what the log names.
    let there = present(context).await?;
    write(context, |log| {
        note_members(context, log, &there);
        log.leader = Some(announced(context));
        Vec::new()
    })
    .await
}

/// Waits until the mirror shows that this candidacy is first. Hints arrive in the order of the writes, so by then everything
/// that the predecessor wrote has been read, and its end gets a later stamp. The wait is bounded: after a timeout, the end's
/// stamp is later only than what has been read.
async fn catch_up(context: &MasterContext) {
    let node = announced(context).node;
    let mut nodes = context.mirror.nodes();
    let first = nodes.wait_for(|nodes| nodes.candidates.first().is_some_and(|(name, _)| *name == node));
    if timeout(CATCH_UP, first).await.is_err() {
        tracing::debug!(node, "epoch announced before the predecessor's last writes were read");
    }
}

/// Returns the current members.
async fn present(context: &MasterContext) -> Result<Vec<Member>, MasterError> {
    let members = members::list(&*context.coordinator).await?;
    for member in &members {
        context.pod.clock.read(member.stamp.clock);
    }
    Ok(members)
}

fn announced(context: &MasterContext) -> Announced {
    let node = context.fence.node();
    let name = node.rsplit('/').next().unwrap_or(node);
    Announced { pod: context.pod.config.name.clone(), node: name.to_owned() }
}

fn event(context: &MasterContext, what: What) -> Event {
    let now = context.pod.moment();
    Event { stamp: now.stamp, at: now.at, what }
}

/// Logs the end of the leader that the log names. It must be gone, since this one leads; unless it is this one itself.
fn note_losses(context: &MasterContext, log: &mut EventLog, there: &[Member]) {
    let own = announced(context);
    if let Some(leader) = log.leader.take_if(|leader| *leader != own) {
        log.push(event(context, What::LeaderLost { pod: leader.pod }));
    }
    note_members(context, log, there);
}

/// Logs the pods that have left. A pod that is present with a new start hasn't left.
fn note_members(context: &MasterContext, log: &mut EventLog, there: &[Member]) {
    let gone = |known: &Known| !there.iter().any(|member| member.uuid == known.uuid || member.pod == known.pod);
    let gone: BTreeSet<_> = log.members.iter().filter(|known| gone(known)).map(|known| known.pod.clone()).collect();
    for pod in gone {
        log.push(event(context, What::PodLeft { pod }));
    }
    log.members = there.iter().map(|member| Known { pod: member.pod.clone(), uuid: member.uuid.clone() }).collect();
}

/// Changes the log and writes it together with the operations that `change` returns, in one multi. Writes nothing if nothing
/// changed.
///
/// # Cancellation
/// The write may still take effect; the log is read again before the next one.
async fn write(context: &MasterContext, change: impl FnOnce(&mut EventLog) -> Vec<Op>) -> Result<(), MasterError> {
    let mut known = context.log.0.lock().await;
    // Unless the write is known to have succeeded, the log must be read again.
    let (before, version) = match known.take() {
        Some(known) => known,
        None => read(context).await?,
    };
    let mut log = EventLog { v: RECORD_VERSION, ..before.clone() };
    let mut ops = change(&mut log);
    if ops.is_empty() && log == before {
        *known = Some((log, version));
        return Ok(());
    }
    ops.push(Op::Set { path: paths::EVENT_LOG.to_owned(), data: to_json(&log), version: Some(version) });
    match context.fence.write(&*context.coordinator, ops).await {
        Ok(()) => {
            *known = Some((log, version + 1));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn read(context: &MasterContext) -> Result<(EventLog, i32), MasterError> {
    loop {
        let (log, version) = event_log::read(&*context.coordinator).await?;
        context.pod.clock.read(log.clock);
        match version {
            Some(version) => return Ok((log, version)),
            None => ensure_skeleton(&*context.coordinator).await?,
        }
    }
}
