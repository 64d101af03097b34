//! Task claims: at most one worker holds a task, and only the task's latest claim can commit.
//!
//! A claim is one multi at the version that was read: it creates the task's ephemeral lock, increments the attempt and adds
//! itself to the task's strikes. So exactly one of several workers wins, and each attempt has its own version of the record.
//! The commit checks that version; the existence of a lock proves nothing, because a later claim creates one at the same path.
//!
//! A strike marks a claim that ended neither in a commit nor in a release: the task may have killed its pod. The strike carries
//! the claim's name. A pod that survived can therefore remove its own strike and no other, regardless of later claims and of
//! how often it retries ([`give_back`]).

use base::wall::now;
use shared::clock::{Moment, Stamp};
use shared::task::{Claimed, Done, Lock, MAX_STRIKES, Task};

use super::settle::{connected, read_back};
use super::{Coordinator, CreateMode, Error, Op, Result, paths, record};

/// Maximum length of a failure report kept in a record, in bytes; an error message may quote a whole file.
pub const REPORT_BYTES: usize = 2_048;

/// A claim: what it writes, and what it holds once it has succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The task's path.
    pub path: String,
    /// The task as the claim wrote it.
    pub task: Task,
    /// The version of the task's record that only this claim wrote.
    pub version: i32,
    /// The lock as the claim wrote it.
    pub lock: Lock,
}

impl Held {
    /// Prepares a claim of a task whose record was read as `seen` at `version`; nothing is written yet. The record will carry
    /// `lock.stamp` and keep the last failure report, so that a failed job can report the reason.
    pub fn new(task_path: &str, seen: &Task, version: i32, lock: Lock) -> Self {
        let mut task = seen.clone();
        task.attempt += 1;
        task.strikes.push(lock.claim.clone());
        let when = Moment { stamp: lock.stamp.clone(), at: lock.since };
        task.claimed = Some(Claimed { attempt: task.attempt, pod: lock.pod.clone(), when });
        task.stamp = lock.stamp.clone();
        Self { path: task_path.to_owned(), task, version: version + 1, lock }
    }
}

/// Outcome of giving back a strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrikeReturn {
    /// The task no longer has the strike, or needs no more work.
    Settled,
    /// Another claim holds the task, and writing now would make its commit fail. Try again when the lock is gone.
    Waits,
}

/// What to do with the strike that a claim added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The task is not to blame (handover, shutdown, store outage).
    GiveBack,
    /// The task may be to blame (a decoder panicked or overran its time).
    Keep,
}

/// Claims a task. Returns `None` if another worker won, if the task was deleted, or if it has too many strikes.
///
/// # Errors
/// [`Error::Expired`]: the session is over. If the lock was created, it goes with the session, but the strike stays: see
/// [`give_back`]. After any other error nothing was written.
///
/// # Cancellation
/// The lock may exist until the session ends. Don't drop the future; let it finish, then release.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the lock belongs to this claim and this session.
pub async fn claim(coordinator: &dyn Coordinator, held: Held) -> Result<Option<Held>> {
    if held.task.strikes.len() > MAX_STRIKES {
        return Ok(None);
    }
    let (lock, task) = (record::to_bytes(&held.lock)?, record::to_bytes(&held.task)?);
    let ops = vec![
        Op::Create { path: paths::lock(&held.path), data: lock, mode: CreateMode::Ephemeral },
        Op::Set { path: held.path.clone(), data: task, version: Some(held.version - 1) },
    ];
    loop {
        match coordinator.multi(ops.clone()).await {
            Ok(()) => return Ok(Some(held)),
            Err(Error::Multi { .. }) => return Ok(None),
            Err(Error::Unknown(_)) if is_held(coordinator, &held).await? => return Ok(Some(held)),
            Err(Error::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Commits the task's result and deletes the lock. Returns `false` if the task was taken over, committed by another claim, or
/// deleted meanwhile; then nothing of this attempt counts.
///
/// # Errors
/// [`Error::Expired`]: the session is over; the commit may have happened before. [`Error::Invalid`]: `done` is too large, and
/// the claim is still held: release it.
///
/// # Cancellation
/// The commit may still take effect.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the stored result is this one.
pub async fn commit(coordinator: &dyn Coordinator, held: &Held, done: &Done) -> Result<bool> {
    let (path, data) = (paths::done(&held.path), record::to_bytes(done)?);
    let ops = vec![
        Op::Check { path: held.path.clone(), version: Some(held.version) },
        Op::Create { path: path.clone(), data: data.clone(), mode: CreateMode::Persistent },
        Op::Delete { path: paths::lock(&held.path), version: None },
    ];
    loop {
        match coordinator.multi(ops.clone()).await {
            Ok(()) => return Ok(true),
            Err(Error::Multi { .. }) => return Ok(false),
            Err(Error::Disconnected) => {
                connected(coordinator).await?;
                continue;
            }
            Err(Error::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
        match read_back(coordinator, || coordinator.get(&path)).await {
            // Each attempt's number belongs to a single claim, so equal bytes mean that this claim wrote them.
            Ok((written, _)) => return Ok(written == data),
            Err(Error::NoNode(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Releases a task without a result: writes the record with `stamp`, keeps or returns the strike, stores the failure report
/// if there is one (at most [`REPORT_BYTES`] of it), and deletes the lock. Returns `false` if the task was taken over or
/// deleted meanwhile.
///
/// # Errors
/// [`Error::Expired`]: the session is over; see [`give_back`].
///
/// # Cancellation
/// The release may still take effect.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the lock is still this claim's.
pub async fn release(
    coordinator: &dyn Coordinator,
    held: &Held,
    trouble: Option<String>,
    strike: Strike,
    stamp: Stamp,
) -> Result<bool> {
    let mut task = held.task.clone();
    task.trouble = trouble.map(clipped);
    let when = Moment { stamp: stamp.clone(), at: now() };
    task.freed = Some(Claimed { attempt: task.attempt, pod: held.lock.pod.clone(), when });
    task.stamp = stamp;
    if strike == Strike::GiveBack {
        task.give_back(&held.lock.claim);
    }
    let ops = vec![
        Op::Set { path: held.path.clone(), data: record::to_bytes(&task)?, version: Some(held.version) },
        Op::Delete { path: paths::lock(&held.path), version: None },
    ];
    loop {
        match coordinator.multi(ops.clone()).await {
            Ok(()) => return Ok(true),
            Err(Error::Multi { .. }) => return Ok(false),
            Err(Error::Disconnected) => {
                connected(coordinator).await?;
                continue;
            }
            Err(Error::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
        if !is_held(coordinator, held).await? {
            let stat = read_back(coordinator, || coordinator.stat(&held.path)).await?;
            return Ok(stat.is_some_and(|stat| stat.version != held.version));
        }
    }
}

/// Returns the strike of a claim whose session ended while its pod lived on: an expired session isn't the task's fault. Call
/// it on a later session of the same pod, whatever happened to the task since.
///
/// # Errors
/// [`Error::Expired`]: try again on the next session.
///
/// # Cancellation
/// It may still take effect; repeating is harmless.
///
/// # On connection loss
/// Waits for the reconnect and reads the task back.
pub async fn give_back(coordinator: &dyn Coordinator, path: &str, claim: &str, stamp: &Stamp) -> Result<StrikeReturn> {
    // The order of the reads matters. If the record shows the claim but the lock, read later, is gone, then either a commit
    // deleted it, and its result, read last, exists; or the record has changed by now, and the set below fails on the
    // version.
    let reads = [path.to_owned(), paths::lock(path), paths::done(path)];
    loop {
        let nodes = read_back(coordinator, || coordinator.get_many(&reads)).await?;
        let [Some((data, stat)), lock, None] = nodes.as_slice() else { return Ok(StrikeReturn::Settled) };
        let Some(mut task) = record::from_bytes::<Task>(path, data) else { return Ok(StrikeReturn::Settled) };
        if !task.give_back(claim) {
            return Ok(StrikeReturn::Settled);
        }
        if lock.is_some() {
            return Ok(StrikeReturn::Waits);
        }
        task.stamp = stamp.clone();
        match coordinator.set(path, &record::to_bytes(&task)?, Some(stat.version)).await {
            Ok(_) => return Ok(StrikeReturn::Settled),
            // Another write was faster, or the outcome is unknown: read again.
            Err(Error::BadVersion(_) | Error::NoNode(_) | Error::Unknown(_) | Error::Disconnected) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Abandons a task that was taken over other than by a claim: its record was rewritten, or its lock or the task itself was
/// deleted. Otherwise this claim's lock could stay as long as the session and block the task. Takes the strike back, because
/// the pod is alive. Returns [`StrikeReturn::Waits`] if another claim holds the task by now.
///
/// # Errors
/// [`Error::Expired`]: the lock is gone with the session; see [`give_back`].
///
/// # Cancellation
/// It may still take effect; repeating is harmless.
///
/// # On connection loss
/// Waits for the reconnect and reads the task back.
pub async fn let_go(coordinator: &dyn Coordinator, held: &Held, stamp: &Stamp) -> Result<StrikeReturn> {
    let lock = paths::lock(&held.path);
    let reads = [held.path.clone(), lock.clone()];
    loop {
        let nodes = read_back(coordinator, || coordinator.get_many(&reads)).await?;
        let [task, locked] = nodes.as_slice() else { return Ok(StrikeReturn::Settled) };
        let mine = locked.as_ref().is_some_and(|(data, stat)| {
            stat.owner == Some(coordinator.session())
                && record::from_bytes::<Lock>(&lock, data).is_some_and(|found| found.claim == held.lock.claim)
        });
        if locked.is_some() && !mine {
            return Ok(StrikeReturn::Waits);
        }
        let mut ops = Vec::new();
        if let Some((data, stat)) = task
            && let Ok(mut task) = record::read::<Task>(data)
            && task.give_back(&held.lock.claim)
        {
            task.stamp = stamp.clone();
            ops.push(Op::Set { path: held.path.clone(), data: record::to_bytes(&task)?, version: Some(stat.version) });
        }
        if mine {
            ops.push(Op::Delete { path: lock.clone(), version: None });
        }
        if ops.is_empty() {
            return Ok(StrikeReturn::Settled);
        }
        match coordinator.multi(ops).await {
            Ok(()) => return Ok(StrikeReturn::Settled),
            // An access control list forbids the write; no worker can claim such a task anyway.
            Err(Error::Multi { source, .. }) if matches!(*source, Error::Forbidden(_)) => {
                return Ok(StrikeReturn::Settled);
            }
            Err(Error::Multi { .. } | Error::Unknown(_) | Error::Disconnected) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Shortens a report to fit into a record, keeping its beginning.
pub fn clipped(mut report: String) -> String {
    if report.len() > REPORT_BYTES {
        report.truncate(report.floor_char_boundary(REPORT_BYTES));
        report.push('…');
    }
    report
}

/// Whether this claim and this session hold the task, read after all unknown outcomes have settled. For a claim of unknown
/// outcome this is the only valid check: the version it would have written may be another claim's.
///
/// # Errors
/// [`Error::Expired`]: the session is over, and with it the lock.
///
/// # Cancellation
/// Safe.
///
/// # On connection loss
/// Waits for the reconnect.
pub async fn is_held(coordinator: &dyn Coordinator, held: &Held) -> Result<bool> {
    let path = paths::lock(&held.path);
    match read_back(coordinator, || coordinator.get(&path)).await {
        Ok((data, stat)) => {
            let lock = record::from_bytes::<Lock>(&path, &data);
            let same = lock.is_some_and(|lock| lock.claim == held.lock.claim);
            Ok(same && stat.owner == Some(coordinator.session()))
        }
        Err(Error::NoNode(_)) => Ok(false),
        Err(error) => Err(error),
    }
}
