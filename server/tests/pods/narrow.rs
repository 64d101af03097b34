//! A coordinator that rejects some records as too large.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use server::coord::{
    Connector, Coordinator, CreateMode, NodeData, Op, Result, Scope, SessionId, SessionState, Stat, Watch,
};
use tokio::sync::watch;

/// Selects the nodes whose creation is rejected as larger than a znode may be.
pub type Refuses = fn(path: &str, data: &[u8]) -> bool;

/// Opens narrow sessions.
pub struct Narrow {
    pub inner: Arc<dyn Connector>,
    pub refuses: Refuses,
    pub refused: Arc<AtomicUsize>,
}

#[async_trait]
impl Connector for Narrow {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        let inner = self.inner.connect().await?;
        Ok(Arc::new(Session { inner, refuses: self.refuses, refused: self.refused.clone() }))
    }
}

struct Session {
    inner: Arc<dyn Coordinator>,
    refuses: Refuses,
    refused: Arc<AtomicUsize>,
}

#[async_trait]
impl Coordinator for Session {
    fn session(&self) -> SessionId {
        self.inner.session()
    }
    fn session_timeout(&self) -> Duration {
        self.inner.session_timeout()
    }
    fn states(&self) -> watch::Receiver<SessionState> {
        self.inner.states()
    }
    async fn create(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(String, Stat)> {
        self.inner.create(path, data, mode).await
    }
    async fn get(&self, path: &str) -> Result<NodeData> {
        self.inner.get(path).await
    }
    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        self.inner.stat(path).await
    }
    async fn set(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat> {
        self.inner.set(path, data, version).await
    }
    async fn delete(&self, path: &str, version: Option<i32>) -> Result<()> {
        self.inner.delete(path, version).await
    }
    async fn children(&self, path: &str) -> Result<Vec<String>> {
        self.inner.children(path).await
    }
    async fn multi(&self, mut ops: Vec<Op>) -> Result<()> {
        for op in &mut ops {
            if let Op::Create { path, data, .. } = op
                && (self.refuses)(path, data)
            {
                // The size limit that every coordinator checks before it sends anything rejects it.
                data.resize(server::coord::limits::ZNODE_BYTES + 1, b' ');
                self.refused.fetch_add(1, Ordering::SeqCst);
            }
        }
        self.inner.multi(ops).await
    }
    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<NodeData>>> {
        self.inner.get_many(paths).await
    }
    async fn children_many(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>> {
        self.inner.children_many(paths).await
    }
    async fn watch(&self, path: &str, scope: Scope) -> Result<Watch> {
        self.inner.watch(path, scope).await
    }
    async fn sync(&self) -> Result<()> {
        self.inner.sync().await
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}
