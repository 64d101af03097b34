//! Claims: one worker at a time works on a task, and only the claim that is the task's latest can commit.
//!
//! A claim creates the task's ephemeral lock and raises its attempt and strikes, at the version that was
//! read, in one multi. Thus of many workers one wins, and each attempt has a version of its own. The commit checks
//! that version: a lock that is there again at the same path proves nothing.

use shared::clock::Stamp;
use shared::task::{Done, Lock, Task};

use super::settle::{connected, read_back};
use super::{Coordinator, CreateMode, Error, Op, Result, paths, record};

/// A task that a claim holds.
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

/// What becomes of the strike that a claim set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The task is not to blame (handover, shutdown, the store is away).
    GiveBack,
    /// The task may be to blame (a decoder panicked or overran its time).
    Keep,
}

/// Claims a task whose record was read as `seen` at `version`. Gives `None` if somebody else was first (or the task
/// is gone). The task is written with `lock.stamp`; its last trouble stays, so that a job that fails can say why.
///
/// # Errors
/// [`Error::Expired`]: the session is over; the lock, if it was made, goes with it, and its strike stays.
/// Otherwise nothing was done.
///
/// # Cancellation
/// The lock may be there until the session ends: don't drop it; let it finish and release.
///
/// # On connection loss
/// Waits for the reconnect and reads back whether the lock is this claim's and this session's.
pub async fn claim(
    coordinator: &dyn Coordinator,
    task_path: &str,
    seen: &Task,
    version: i32,
    lock: Lock,
) -> Result<Option<Held>> {
    let mut task = seen.clone();
    task.attempt += 1;
    task.strikes += 1;
    task.stamp = lock.stamp.clone();
    let held = Held { path: task_path.to_owned(), task, version: version + 1, lock };
    let ops = vec![
        Op::Create { path: paths::lock(task_path), data: record::to_bytes(&held.lock)?, mode: CreateMode::Ephemeral },
        Op::Set { path: task_path.to_owned(), data: record::to_bytes(&held.task)?, version: Some(version) },
    ];
    loop {
        match coordinator.multi(ops.clone()).await {
            Ok(()) => return Ok(Some(held)),
            Err(Error::Multi { .. }) => return Ok(None),
            Err(Error::Unknown(_)) if holds_lock(coordinator, &held).await? => return Ok(Some(held)),
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

/// Gives a task up without a result: its strike as told, why it failed if it did, and the lock. The task is written
/// with `stamp`. Gives `false` if the task was taken over or deleted meanwhile.
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
    task.trouble = trouble;
    task.stamp = stamp;
    if strike == Strike::GiveBack {
        task.strikes = task.strikes.saturating_sub(1);
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
        if !holds_lock(coordinator, held).await? {
            let stat = read_back(coordinator, || coordinator.stat(&held.path)).await?;
            return Ok(stat.is_some_and(|stat| stat.version != held.version));
        }
    }
}

/// Gives back the strike of a claim whose session ended while its pod lived on: a lost lease is not the task's
/// fault. Called on the pod's next session. Gives `false` if the task's version is no longer the one that the claim
/// wrote (then another claim has read the strike already), or if that became so before it could be told.
///
/// # Errors
/// [`Error::Expired`]: try again on the next session.
///
/// # Cancellation
/// It may take effect all the same; repeating is harmless.
///
/// # On connection loss
/// Waits for the reconnect and reads the task back.
pub async fn give_back(coordinator: &dyn Coordinator, held: &Held, stamp: Stamp) -> Result<bool> {
    let mut task = held.task.clone();
    task.strikes = task.strikes.saturating_sub(1);
    task.stamp = stamp;
    let data = record::to_bytes(&task)?;
    loop {
        match coordinator.set(&held.path, &data, Some(held.version)).await {
            Ok(_) => return Ok(true),
            Err(Error::BadVersion(_) | Error::NoNode(_)) => return Ok(false),
            Err(Error::Disconnected) => {
                connected(coordinator).await?;
                continue;
            }
            Err(Error::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
        match read_back(coordinator, || coordinator.get(&held.path)).await {
            Ok((_, stat)) if stat.version == held.version => {}
            Ok((written, _)) => return Ok(written == data),
            Err(Error::NoNode(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Whether the lock is this claim's and this session's, read after everything unknown has settled.
async fn holds_lock(coordinator: &dyn Coordinator, held: &Held) -> Result<bool> {
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
