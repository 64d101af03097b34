//! The znodes of tasks, as a test sees them.

use server::coord::{Coordinator, SessionId, paths};
use shared::id::JobId;
use shared::job::Phase;
use shared::task::{Done, Lock, Task};
use testkit::wait::PATIENCE;
use testkit::{TestArray, eventually};

/// The state of a task's znodes.
#[derive(Debug)]
pub struct Seen {
    pub task: Task,
    /// The lock, and the session that holds it.
    pub lock: Option<(Lock, SessionId)>,
    pub done: Option<Done>,
}

/// Reads a task's znodes; returns `None` if there is no such task.
pub async fn read(session: &dyn Coordinator, job: &JobId, phase: Phase, index: u32) -> Option<Seen> {
    let path = paths::task(job, phase, index);
    let found = session.get_many(&[path.clone(), paths::lock(&path), paths::done(&path)]).await.unwrap();
    let [task, lock, done] = found.try_into().unwrap();
    let lock = lock.map(|(data, stat)| (serde_json::from_slice(&data).unwrap(), stat.owner.unwrap()));
    let done = done.map(|(data, _)| serde_json::from_slice(&data).unwrap());
    Some(Seen { task: serde_json::from_slice(&task?.0).unwrap(), lock, done })
}

/// Waits until `found` returns `Some` for a task.
pub async fn until<T>(
    array: &TestArray,
    what: &str,
    (job, phase, index): (&JobId, Phase, u32),
    found: impl Fn(&Seen) -> Option<T>,
) -> T {
    let session = array.session().await;
    let found = eventually(what, PATIENCE, async || {
        let seen = read(&*session, job, phase, index).await;
        if let Some(found) = seen.as_ref().and_then(&found) {
            return Ok(found);
        }
        let job = array.catalog.job(job).await.unwrap().unwrap();
        assert!(!job.state.has_ended(), "waited for {what}, and the job has ended: {job:?}");
        Err(seen)
    })
    .await;
    session.close().await;
    found
}

/// Waits until a claim other than `before` holds a task; returns it and its session.
pub async fn held(array: &TestArray, task: (&JobId, Phase, u32), before: Option<&Lock>) -> (Lock, SessionId) {
    let other = |lock: &Lock| before.is_none_or(|before| before.claim != lock.claim);
    until(array, "a claim", task, |seen| seen.lock.clone().filter(|(lock, _)| other(lock))).await
}

/// Returns the number of tasks of a phase.
pub async fn count(session: &dyn Coordinator, job: &JobId, phase: Phase) -> u32 {
    session.children(&paths::phase(job, phase)).await.map_or(0, |names| names.len() as u32)
}
