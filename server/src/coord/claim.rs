//! Claims: one worker at a time works on a task, and only the claim that is the task's latest can commit.
//!
//! A claim creates the task's ephemeral lock, raises its attempt and adds itself to its strikes, at the version that
//! was read, in one multi. Thus of many workers one wins, and each attempt has a version of its own. The commit checks
//! that version: a lock that is there again at the same path proves nothing.
//!
//! A strike says that a claim has ended neither in a commit nor in a release: its pod may have died of the task. It
//! bears the claim's name, so a pod that lives after all takes away its own and no other, however often the task was
//! claimed since, and however often it tries ([`give_back`]).

use shared::clock::{Moment, Stamp};
use shared::task::{Claimed, Done, Lock, MAX_STRIKES, Task};

use super::settle::{connected, read_back};
use super::{Coordinator, CreateMode, Error, Op, Result, paths, record};
use crate::wall::now;

/// The most bytes of a report of trouble that a record keeps: what failed may quote a whole file.
pub const REPORT_BYTES: usize = 2_048;

/// A claim: what it writes, and with it what it holds once it has succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The task's path.
    pub path: String,
    /// The task as the claim wrote it.
    pub task: Task,
    /// The task's version that only this claim wrote.
    pub version: i32,
    /// The lock as the claim wrote it.
    pub lock: Lock,
}

impl Held {
    /// A claim, yet to be made, of a task whose record was read as `seen` at `version`. The task will be written with
    /// `lock.stamp`; its last trouble stays, so that a job that fails can say why.
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

/// What became of a strike that was to be given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debt {
    /// The task bears it no more, or needs no more work.
    Settled,
    /// Somebody holds the task; writing now would break that claim's commit. Try again when the lock is gone.
    Waits,
}

/// What becomes of the strike that a claim set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The task is not to blame (handover, shutdown, the store is away).
    GiveBack,
    /// The task may be to blame (a decoder panicked or overran its time).
    Keep,
}

/// Claims a task. Gives `None` if somebody else was first, or the task is gone or struck out.
///
/// # Errors
/// [`Error::Expired`]: the session is over; the lock, if it was made, goes with it, and its strike stays: see
/// [`give_back`]. Otherwise nothing was done.
///
/// # Cancellation
/// The lock may be there until the session ends: don't drop it; let it finish and release.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the lock is this claim's and this session's.
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

/// Commits what the task came to and gives the lock up. Gives `false` if the task was taken over, committed by
/// another, or deleted meanwhile: then nothing of this attempt counts.
///
/// # Errors
/// [`Error::Expired`]: the session is over; it may have been committed before. [`Error::Invalid`]: `done` is too
/// large, and the claim is still held: release it.
///
/// # Cancellation
/// The commit may take effect all the same.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the result that is there is this one.
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
            // An attempt's number is one claim's alone, and so are the bytes that carry it.
            Ok((written, _)) => return Ok(written == data),
            Err(Error::NoNode(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives a task up without a result: its strike as told, why it failed if it did (no more than [`REPORT_BYTES`] of it),
/// and the lock. The task is written with `stamp`. Gives `false` if the task was taken over or deleted meanwhile.
///
/// # Errors
/// [`Error::Expired`]: the session is over; see [`give_back`].
///
/// # Cancellation
/// The release may take effect all the same.
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

/// Gives back the strike of a claim whose session ended while its pod lived on: a lost lease is not the task's
/// fault. Called on one of the pod's later sessions, whatever happened to the task since.
///
/// # Errors
/// [`Error::Expired`]: try again on the next session.
///
/// # Cancellation
/// It may take effect all the same; repeating is harmless.
///
/// # On connection loss
/// Waits for the reconnect and reads the task back.
pub async fn give_back(coordinator: &dyn Coordinator, path: &str, claim: &str, stamp: &Stamp) -> Result<Debt> {
    // In this order: a lock that was gone when it was read, of a task that was claimed when it was read, is either a
    // commit's, whose result is read after it, or the task has another version by now.
    let reads = [path.to_owned(), paths::lock(path), paths::done(path)];
    loop {
        let nodes = read_back(coordinator, || coordinator.get_many(&reads)).await?;
        let [Some((data, stat)), lock, None] = nodes.as_slice() else { return Ok(Debt::Settled) };
        let Some(mut task) = record::from_bytes::<Task>(path, data) else { return Ok(Debt::Settled) };
        if !task.give_back(claim) {
            return Ok(Debt::Settled);
        }
        if lock.is_some() {
            return Ok(Debt::Waits);
        }
        task.stamp = stamp.clone();
        match coordinator.set(path, &record::to_bytes(&task)?, Some(stat.version)).await {
            Ok(_) => return Ok(Debt::Settled),
            // Somebody was faster, or nobody knows: what is there now tells.
            Err(Error::BadVersion(_) | Error::NoNode(_) | Error::Unknown(_) | Error::Disconnected) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Lets go of a task that was taken over by something else than a claim: somebody rewrote its record, deleted its lock,
/// or deleted it. The lock of this claim would otherwise stay as long as the session, and nobody would work under it. Its
/// strike is given back, as the pod lives; [`Debt::Waits`] if another claim holds the task by now.
///
/// # Errors
/// [`Error::Expired`]: the lock is gone with the session; see [`give_back`].
///
/// # Cancellation
/// It may take effect all the same; repeating is harmless.
///
/// # On connection loss
/// Waits for the reconnect and reads the task back.
pub async fn let_go(coordinator: &dyn Coordinator, held: &Held, stamp: &Stamp) -> Result<Debt> {
    let lock = paths::lock(&held.path);
    let reads = [held.path.clone(), lock.clone()];
    loop {
        let nodes = read_back(coordinator, || coordinator.get_many(&reads)).await?;
        let [task, locked] = nodes.as_slice() else { return Ok(Debt::Settled) };
        let mine = locked.as_ref().is_some_and(|(data, stat)| {
            stat.owner == Some(coordinator.session())
                && record::from_bytes::<Lock>(&lock, data).is_some_and(|found| found.claim == held.lock.claim)
        });
        if locked.is_some() && !mine {
            return Ok(Debt::Waits);
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
            return Ok(Debt::Settled);
        }
        match coordinator.multi(ops).await {
            Ok(()) => return Ok(Debt::Settled),
            // An access control list: what can't be written is nobody's to claim.
            Err(Error::Multi { source, .. }) if matches!(*source, Error::Forbidden(_)) => return Ok(Debt::Settled),
            Err(Error::Multi { .. } | Error::Unknown(_) | Error::Disconnected) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A report that fits into a record: the beginning of it, where it is too long.
pub fn clipped(mut report: String) -> String {
    if report.len() > REPORT_BYTES {
        report.truncate(report.floor_char_boundary(REPORT_BYTES));
        report.push('…');
    }
    report
}

/// Whether the task is this claim's and this session's, read after everything unknown has settled. Of a claim whose
/// success was never told only this may be asked: the version that it would have written may be another claim's.
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
