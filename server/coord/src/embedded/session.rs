//! The client's side of an embedded session.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::super::hub::Hub;
use super::super::{
    Coordinator, CreateMode, Error, NodeData, Op, Result, Scope, SessionId, SessionState, Stat, Watch, limits,
};
use super::coordinator::Embedded;
use super::state::State;

/// One session. Dropping it without a close counts as a crash; outside a runtime, it closes the session.
pub(super) struct Session {
    embedded: Arc<Embedded>,
    id: SessionId,
    states: watch::Receiver<SessionState>,
    hub: Arc<Hub>,
}

impl Session {
    pub(super) fn open(embedded: &Arc<Embedded>) -> Self {
        let (id, states, hub) = embedded.lock().open();
        Self { embedded: Arc::clone(embedded), id, states, hub }
    }

    /// Simulates a round trip: yields so that other tasks run meanwhile.
    async fn run<T>(&self, operation: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        tokio::task::yield_now().await;
        operation(&mut self.embedded.lock())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.embedded.lock().forget(self.id);
    }
}

#[async_trait]
impl Coordinator for Session {
    fn session(&self) -> SessionId {
        self.id
    }

    fn session_timeout(&self) -> Duration {
        self.embedded.session_timeout()
    }

    fn states(&self) -> watch::Receiver<SessionState> {
        self.states.clone()
    }

    async fn create(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(String, Stat)> {
        limits::create(path, data, mode)?;
        let (id, path, data) = (self.id, path.to_owned(), data.to_vec());
        self.run(move |state| state.write(id, move |writer| writer.create(id, &path, &data, mode))).await
    }

    async fn get(&self, path: &str) -> Result<NodeData> {
        limits::path(path)?;
        self.run(|state| state.read(self.id, |tree| tree.get(path))?).await
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        limits::path(path)?;
        self.run(|state| state.read(self.id, |tree| tree.stat(path))).await
    }

    async fn set(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat> {
        limits::path(path)?;
        limits::data(path, data)?;
        let (path, data) = (path.to_owned(), data.to_vec());
        self.run(|state| state.write(self.id, move |writer| writer.set(&path, &data, version))).await
    }

    async fn delete(&self, path: &str, version: Option<i32>) -> Result<()> {
        limits::not_root(path)?;
        let path = path.to_owned();
        self.run(|state| state.write(self.id, move |writer| writer.delete(&path, version))).await
    }

    async fn children(&self, path: &str) -> Result<Vec<String>> {
        limits::path(path)?;
        self.run(|state| state.read(self.id, |tree| tree.children(path))?).await
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<()> {
        limits::multi(&ops)?;
        let id = self.id;
        self.run(move |state| state.write(id, move |writer| writer.multi(id, &ops))).await
    }

    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<NodeData>>> {
        paths.iter().try_for_each(|path| limits::path(path))?;
        let mut found = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(limits::READ_CHUNK) {
            let read = |state: &mut State| {
                state.read(self.id, |tree| chunk.iter().map(|path| tree.get(path).ok()).collect::<Vec<_>>())
            };
            found.extend(self.run(read).await?);
        }
        Ok(found)
    }

    async fn children_many(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>> {
        paths.iter().try_for_each(|path| limits::path(path))?;
        let mut found = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(limits::READ_CHUNK) {
            let read = |state: &mut State| {
                state.read(self.id, |tree| chunk.iter().map(|path| tree.children(path).ok()).collect::<Vec<_>>())
            };
            found.extend(self.run(read).await?);
        }
        Ok(found)
    }

    async fn watch(&self, path: &str, scope: Scope) -> Result<Watch> {
        limits::path(path)?;
        self.run(|state| {
            state.read(self.id, |_| ())?;
            self.hub.watch(path, scope).ok_or(Error::Disconnected)
        })
        .await
    }

    async fn sync(&self) -> Result<()> {
        self.run(|state| state.sync(self.id)).await
    }

    async fn close(&self) {
        self.embedded.lock().close(self.id);
    }
}
