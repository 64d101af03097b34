//! A pod's sessions with injected faults: every operation passes the pod's life (which may be paused or dead), then the random
//! faults, then the embedded coordinator.
//!
//! The guarantees of a real client's session are kept: operations run in the order of their submission (the lane), dropping an
//! operation's future doesn't cancel it, and a reply that arrives is true.

use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use base::causes::SharedError;
use futures::future::BoxFuture;
use server::coord::embedded::Embedded;
use server::coord::{
    Connector, Coordinator, CreateMode, Error, Hint, NodeData, Op, Result, Scope, SessionId, SessionState, Stat, Watch,
};
use testkit::elapse;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::faults::{Effect, Faults, Operation, Play, Port};
use crate::history::History;
use crate::life::Life;

/// Duration of an operation that gets no reply.
const MOMENT: Duration = Duration::from_millis(1);

/// Opens the sessions of one life.
pub struct FaultyConnector {
    pub inner: Arc<dyn Connector>,
    pub embedded: Arc<Embedded>,
    pub life: Arc<Life>,
    pub faults: Arc<Faults>,
    pub history: Arc<History>,
}

#[async_trait]
impl Connector for FaultyConnector {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        self.life.beat().await;
        let inner = self.inner.connect().await?;
        self.life.opened(inner.session());
        self.history.tell(&self.life.label(), || format!("session {}", inner.session()));
        let (states, relay) = relay_states(&inner, &self.life);
        Ok(Arc::new(FaultySession {
            inner,
            embedded: Arc::clone(&self.embedded),
            life: Arc::clone(&self.life),
            faults: Arc::clone(&self.faults),
            history: Arc::clone(&self.history),
            lane: Arc::default(),
            states,
            _relay: relay,
        }))
    }
}

/// A task that is aborted when its handle is dropped.
struct Relay(JoinHandle<()>);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Relays the session's states to a pod that may be paused.
fn relay_states(inner: &Arc<dyn Coordinator>, life: &Arc<Life>) -> (watch::Receiver<SessionState>, Relay) {
    let mut truth = inner.states();
    let (told, states) = watch::channel(*truth.borrow_and_update());
    let life = Arc::clone(life);
    let relay = tokio::spawn(async move {
        while truth.changed().await.is_ok() {
            life.hears().await;
            let state = *truth.borrow_and_update();
            told.send_if_modified(|before| {
                let changes = *before != state && !before.is_terminal();
                if changes {
                    *before = state;
                }
                changes
            });
        }
        // The session is gone: receivers see no further change.
        told.closed().await;
    });
    (states, Relay(relay))
}

/// One session of one life.
struct FaultySession {
    inner: Arc<dyn Coordinator>,
    embedded: Arc<Embedded>,
    life: Arc<Life>,
    faults: Arc<Faults>,
    history: Arc<History>,
    /// Operations run one at a time, in the order of their submission.
    lane: Arc<Mutex<()>>,
    states: watch::Receiver<SessionState>,
    _relay: Relay,
}

/// An operation to run on the real session.
type Run<T> = Box<dyn FnOnce(Arc<dyn Coordinator>) -> BoxFuture<'static, Result<T>> + Send>;

impl FaultySession {
    async fn pass<T: Send + 'static>(
        &self,
        name: &'static str,
        effect: Effect,
        what: String,
        run: Run<T>,
    ) -> Result<T> {
        self.life.beat().await;
        let operation = Operation { port: Port::Coordinator, name, effect, what };
        let play = self.faults.play(&self.life, &operation);
        let result = match &play {
            None => self.submit(&operation, None, run).await,
            Some(play) => self.played(&operation, play, run).await,
        };
        match play {
            Some(Play::PauseAfter(length)) => self.life.pause(length),
            Some(Play::CrashAfter) => self.life.crash(),
            _ => {}
        }
        if result.as_ref().is_err_and(is_no_reply) {
            // An error takes some time; and a session's new state is published a moment after its operations fail.
            elapse(MOMENT).await;
        }
        self.life.beat().await;
        result
    }

    async fn played<T: Send + 'static>(&self, operation: &Operation, play: &Play, run: Run<T>) -> Result<T> {
        let session = self.inner.session();
        match play {
            Play::Fail => return Err(Error::Unknown(SharedError::new("the connection broke before it was sent"))),
            Play::LoseReply => {
                let run = self.submit(operation, None, run).await;
                // An operation that the coordinator's client rejected was never sent.
                let sent = !matches!(run, Err(Error::Invalid(_) | Error::Disconnected | Error::Expired));
                return if sent { Err(Error::Unknown(SharedError::new("the reply was lost"))) } else { run };
            }
            Play::Late(length) => {
                self.embedded.delay(session);
                let (embedded, length) = (Arc::clone(&self.embedded), *length);
                tokio::spawn(async move {
                    elapse(length).await;
                    embedded.run_late(session);
                });
            }
            Play::Evict(length) => {
                if let Some(node) = operation.fence() {
                    evict(&self.embedded, node).await;
                }
                return self.submit(operation, Some(*length), run).await;
            }
            Play::Stall(length) => return self.submit(operation, Some(*length), run).await,
            Play::PauseBefore(length) => self.life.pause(*length),
            Play::CrashBefore => self.life.crash(),
            Play::Expire => self.life.expire(),
            Play::Disconnect(length) => self.life.disconnect(*length),
            Play::Lag(length) => self.life.lag(*length),
            Play::PauseAfter(_) | Play::CrashAfter | Play::Corrupt => {}
        }
        self.life.beat().await;
        self.submit(operation, None, run).await
    }

    /// Runs an operation after those before it. Once submitted it runs, whether or not the caller still waits.
    async fn submit<T: Send + 'static>(
        &self,
        operation: &Operation,
        stall: Option<Duration>,
        run: Run<T>,
    ) -> Result<T> {
        let turn = Arc::clone(&self.lane).lock_owned().await;
        self.history.operation();
        let Some(length) = stall else {
            let result = run(Arc::clone(&self.inner)).await;
            drop(turn);
            record(&self.history, &self.life, operation, &result);
            return result;
        };
        let (inner, (reply, answer)) = (Arc::clone(&self.inner), oneshot::channel());
        let (history, life, operation) = (Arc::clone(&self.history), Arc::clone(&self.life), operation.clone());
        tokio::spawn(async move {
            elapse(length).await;
            let result = run(inner).await;
            record(&history, &life, &operation, &result);
            // The caller may have died meanwhile.
            let _ = reply.send(result);
            drop(turn);
        });
        answer.await.unwrap_or(Err(Error::Expired))
    }
}

/// Deletes a leader's election node, like a witness that saw its process gone.
async fn evict(embedded: &Arc<Embedded>, node: &str) {
    if let Ok(witness) = embedded.connector().connect().await {
        // It may be gone already.
        let _ = witness.delete(node, None).await;
        witness.close().await;
    }
}

/// Returns whether the error isn't a reply of the coordinator.
fn is_no_reply(error: &Error) -> bool {
    matches!(error, Error::Unknown(_) | Error::Disconnected | Error::Expired)
}

/// Records the outcome of an operation, and counts those that the coordinator rejected.
fn record<T>(history: &History, life: &Life, operation: &Operation, result: &Result<T>) {
    if let Err(Error::Multi { index, .. }) = result {
        match operation.what.split_once('/') {
            Some(("?", below)) if *index == 0 && below.starts_with("cluster/leader") => history.refused_write(),
            Some(("?", _)) if operation.what.contains("/done") => history.refused_commit(),
            _ => {}
        }
    }
    let (name, what) = (operation.name, &operation.what);
    match result {
        Err(error) => history.tell(&life.label(), || format!("{name} {what}: {error}")),
        Ok(_) if operation.effect == Effect::Writes => history.tell(&life.label(), || format!("{name} {what}")),
        Ok(_) => {}
    }
}

fn run<T, F: Future<Output = Result<T>> + Send + 'static>(
    operation: impl FnOnce(Arc<dyn Coordinator>) -> F + Send + 'static,
) -> Run<T> {
    Box::new(move |inner| Box::pin(operation(inner)))
}

/// Returns the paths of a multi, as shown in the history.
fn paths(ops: &[Op]) -> String {
    let path = |op: &Op| match op {
        Op::Check { path, .. } => format!("?{path}"),
        Op::Create { path, .. } => format!("+{path}"),
        Op::Set { path, .. } => format!("={path}"),
        Op::Delete { path, .. } => format!("-{path}"),
    };
    ops.iter().map(path).collect::<Vec<_>>().join(" ")
}

#[async_trait]
impl Coordinator for FaultySession {
    fn session(&self) -> SessionId {
        self.inner.session()
    }

    fn session_timeout(&self) -> Duration {
        self.inner.session_timeout()
    }

    fn states(&self) -> watch::Receiver<SessionState> {
        self.states.clone()
    }

    async fn create(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(String, Stat)> {
        let (path, data) = (path.to_owned(), data.to_vec());
        let what = path.clone();
        let create = run(move |inner| async move { inner.create(&path, &data, mode).await });
        self.pass("create", Effect::Writes, what, create).await
    }

    async fn get(&self, path: &str) -> Result<NodeData> {
        let path = path.to_owned();
        let what = path.clone();
        self.pass("get", Effect::Reads, what, run(move |inner| async move { inner.get(&path).await })).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        let path = path.to_owned();
        let what = path.clone();
        self.pass("stat", Effect::Reads, what, run(move |inner| async move { inner.stat(&path).await })).await
    }

    async fn set(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat> {
        let (path, data) = (path.to_owned(), data.to_vec());
        let what = path.clone();
        let set = run(move |inner| async move { inner.set(&path, &data, version).await });
        self.pass("set", Effect::Writes, what, set).await
    }

    async fn delete(&self, path: &str, version: Option<i32>) -> Result<()> {
        let path = path.to_owned();
        let what = path.clone();
        let delete = run(move |inner| async move { inner.delete(&path, version).await });
        self.pass("delete", Effect::Writes, what, delete).await
    }

    async fn children(&self, path: &str) -> Result<Vec<String>> {
        let path = path.to_owned();
        let what = path.clone();
        self.pass("children", Effect::Reads, what, run(move |inner| async move { inner.children(&path).await })).await
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<()> {
        let what = paths(&ops);
        self.pass("multi", Effect::Writes, what, run(move |inner| async move { inner.multi(ops).await })).await
    }

    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<NodeData>>> {
        let paths = paths.to_vec();
        let what = paths.first().cloned().unwrap_or_default();
        let get = run(move |inner| async move { inner.get_many(&paths).await });
        self.pass("get_many", Effect::Reads, what, get).await
    }

    async fn children_many(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>> {
        let paths = paths.to_vec();
        let what = paths.first().cloned().unwrap_or_default();
        let get = run(move |inner| async move { inner.children_many(&paths).await });
        self.pass("children_many", Effect::Reads, what, get).await
    }

    async fn watch(&self, path: &str, scope: Scope) -> Result<Watch> {
        let path = path.to_owned();
        let what = path.clone();
        let watch = run(move |inner| async move { inner.watch(&path, scope).await });
        let inner = self.pass("watch", Effect::Reads, what, watch).await?;
        Ok(relay_hints(inner, &self.life, &Arc::downgrade(&self.faults)))
    }

    async fn sync(&self) -> Result<()> {
        let sync = run(move |inner| async move { inner.sync().await });
        self.pass("sync", Effect::Reads, String::new(), sync).await
    }

    async fn close(&self) {
        self.life.beat().await;
        self.history.tell(&self.life.label(), || format!("closes session {}", self.inner.session()));
        self.inner.close().await;
    }
}

/// Relays hints, randomly delayed, merged and reordered, but never lost.
fn relay_hints(mut inner: Watch, life: &Arc<Life>, faults: &Weak<Faults>) -> Watch {
    let (told, hints) = mpsc::channel(1_024);
    let (life, faults) = (Arc::clone(life), faults.clone());
    let relay = tokio::spawn(async move {
        loop {
            let mut together = vec![inner.changed().await];
            if let Some(delay) = faults.upgrade().and_then(|faults| faults.hint_delay()) {
                let mut until = std::pin::pin!(elapse(delay));
                loop {
                    tokio::select! {
                        hint = inner.changed() => together.push(hint),
                        () = &mut until => break,
                    }
                }
                together.sort_by_key(|hint| (*hint == Hint::Lost, format!("{hint:?}")));
                together.dedup();
            }
            life.beat().await;
            for hint in together {
                if told.send(hint.clone()).await.is_err() || hint == Hint::Lost {
                    return;
                }
            }
        }
    });
    Watch::new(hints, Box::new(Relay(relay)))
}
