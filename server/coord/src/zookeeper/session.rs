//! One session with ZooKeeper.

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use base::backoff::Backoff;
use base::causes::SharedError;
use tokio::sync::watch;
use zookeeper_client as zk;
use zookeeper_client::{Acls, AddWatchMode, Client, EventType, MultiReadResult, PersistentWatcher};

use super::super::hub::Hub;
use super::super::{
    Coordinator, CreateMode, Error, NodeData, Op, Result, Scope, SessionId, SessionState, Stat, Watch, limits,
};
use super::ensemble::ZooKeeper;
use super::errors;

/// One session. Dropping it without [`Coordinator::close`] lets it time out, as after a crash.
pub(super) struct Session {
    /// `None` once the session is closed or the servers are known to have lost it.
    client: Arc<Mutex<Option<Client>>>,
    zookeeper: ZooKeeper,
    id: SessionId,
    timeout: Duration,
    told: watch::Sender<SessionState>,
    hub: Arc<Hub>,
    /// The latest transaction observed.
    seen: Arc<AtomicI64>,
    /// Held while the watch on the root is set up.
    rooting: tokio::sync::Mutex<()>,
}

impl Session {
    pub(super) fn new(client: Client, zookeeper: ZooKeeper) -> Self {
        let told = watch::Sender::new(state_of(client.state()));
        tokio::spawn(follow(client.state_watcher(), told.clone()));
        let (id, timeout) = (SessionId(client.session_id().0), client.session_timeout());
        let (client, seen) = (Arc::new(Mutex::new(Some(client))), Arc::new(AtomicI64::new(0)));
        let lost = Lost { client: Arc::downgrade(&client), zookeeper: zookeeper.clone(), seen: seen.clone(), timeout };
        tokio::spawn(lost.watch(told.clone()));
        Self {
            id,
            timeout,
            client,
            zookeeper,
            seen,
            told,
            hub: Arc::new(Hub::default()),
            rooting: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the client if operations may be submitted now.
    fn client(&self) -> Result<Client> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(Error::Expired)?;
        match state_of(client.state()) {
            SessionState::Connected => Ok(client),
            SessionState::Disconnected => Err(Error::Disconnected),
            SessionState::Expired | SessionState::Closed => Err(Error::Expired),
        }
    }

    /// Awaits a reply for at most the session timeout.
    async fn reply<T, E>(
        &self,
        reply: impl Future<Output = Result<T, E>> + Send,
        error: impl FnOnce(E) -> Error + Send,
    ) -> Result<T> {
        match tokio::time::timeout(self.timeout, reply).await {
            Ok(reply) => reply.map_err(error),
            Err(_) => Err(Error::Unknown(SharedError::new(format!("no reply within {:?}", self.timeout)))),
        }
    }

    /// Sets up this connection's watch on the root and returns the first watch fed by it.
    async fn watch_root(&self, path: &str, scope: Scope) -> Result<Watch> {
        let _one_at_a_time = self.rooting.lock().await;
        if let Some(watch) = self.hub.watch(path, scope) {
            return Ok(watch);
        }
        let client = self.client()?;
        let root = client.watch("/", AddWatchMode::PersistentRecursive);
        let events = self.reply(root, |error| errors::from_client("/", error)).await?;
        self.hub.open();
        let watch = self.hub.watch(path, scope).ok_or(Error::Disconnected);
        tokio::spawn(share_out(events, Arc::clone(&self.hub)));
        watch
    }

    /// Converts a node's metadata and records the latest transaction in it.
    fn stat_of(&self, stat: &zk::Stat) -> Stat {
        self.seen.fetch_max(stat.czxid.max(stat.mzxid), Ordering::Relaxed);
        stat_of(stat)
    }

    async fn read_many(&self, paths: &[String], what: Read) -> Result<Vec<Option<MultiReadResult>>> {
        let mut found = Vec::with_capacity(paths.len());
        for chunk in paths.chunks(limits::READ_CHUNK) {
            let client = self.client()?;
            let mut reader = client.new_multi_reader();
            for path in chunk {
                limits::path(path)?;
                let added = match what {
                    Read::Data => reader.add_get_data(path),
                    Read::Children => reader.add_get_children(path),
                };
                added.map_err(|error| errors::from_client(path, error))?;
            }
            let results = self.reply(reader.commit(), |error| errors::from_client("a multi-read", error)).await?;
            if results.len() != chunk.len() {
                return Err(Error::Unknown(SharedError::new(format!(
                    "{} replies to {} reads",
                    results.len(),
                    chunk.len()
                ))));
            }
            for (path, result) in chunk.iter().zip(results) {
                found.push(match result {
                    MultiReadResult::Error { err: zk::Error::NoNode | zk::Error::NoAuth } => None,
                    MultiReadResult::Error { err } => return Err(errors::from_client(path, err)),
                    other => Some(other),
                });
            }
        }
        Ok(found)
    }
}

/// What a multi-read reads of each node.
#[derive(Clone, Copy)]
enum Read {
    Data,
    Children,
}

/// Detects that the servers have lost a session along with all their data.
struct Lost {
    client: Weak<Mutex<Option<Client>>>,
    zookeeper: ZooKeeper,
    seen: Arc<AtomicI64>,
    timeout: Duration,
}

impl Lost {
    /// Probes while the session is disconnected, and ends it once it is known to be lost. Otherwise it would end only 7/5 of
    /// its timeout after the last message of a server.
    async fn watch(self, told: watch::Sender<SessionState>) {
        let mut states = told.subscribe();
        let mut backoff = Backoff::new(self.timeout / 16, self.timeout / 4);
        loop {
            // Every sender publishes a terminal state before it ends.
            let Ok(state) = states.wait_for(|state| *state != SessionState::Connected).await.map(|state| *state) else {
                return;
            };
            if state.is_terminal() || self.client.strong_count() == 0 {
                return;
            }
            let seen = self.seen.load(Ordering::Relaxed);
            let connected = states.wait_for(|state| *state != SessionState::Disconnected);
            tokio::select! {
                _ = connected => backoff.reset(),
                wiped = async {
                    backoff.wait().await;
                    tokio::time::timeout(self.timeout, self.zookeeper.is_wiped(seen)).await
                } => {
                    if matches!(wiped, Ok(Ok(true))) {
                        tracing::warn!("ZooKeeper lost its data; ending the session");
                        if let Some(client) = self.client.upgrade() {
                            drop(client.lock().unwrap_or_else(PoisonError::into_inner).take());
                        }
                        tell(&told, SessionState::Expired);
                        return;
                    }
                }
            }
        }
    }
}

/// Publishes the session's state as it changes. The only place that does so, apart from `close` and a detected loss of data.
async fn follow(mut client: zk::StateWatcher, told: watch::Sender<SessionState>) {
    loop {
        let state = state_of(client.state());
        tell(&told, state);
        if state.is_terminal() {
            return;
        }
        client.changed().await;
    }
}

/// Publishes a state; terminal states stick.
fn tell(told: &watch::Sender<SessionState>, state: SessionState) {
    told.send_if_modified(|before| {
        let changes = *before != state && !before.is_terminal();
        if changes {
            *before = state;
        }
        changes
    });
}

/// Dispatches the root's events until the connection ends, then ends every watch.
async fn share_out(mut events: PersistentWatcher, hub: Arc<Hub>) {
    loop {
        let event = events.changed().await;
        match event.event_type {
            EventType::NodeCreated | EventType::NodeDeleted | EventType::NodeDataChanged => hub.tell(&event.path),
            EventType::NodeChildrenChanged => {}
            EventType::Session if event.session_state == zk::SessionState::SyncConnected => {}
            EventType::Session => break,
        }
    }
    drop(events);
    hub.close();
}

fn state_of(state: zk::SessionState) -> SessionState {
    match state {
        zk::SessionState::SyncConnected => SessionState::Connected,
        // `ConnectedReadOnly` can't happen: a read-only server is never requested.
        zk::SessionState::Disconnected | zk::SessionState::ConnectedReadOnly => SessionState::Disconnected,
        zk::SessionState::Expired | zk::SessionState::AuthFailed => SessionState::Expired,
        zk::SessionState::Closed => SessionState::Closed,
    }
}

fn stat_of(stat: &zk::Stat) -> Stat {
    Stat {
        czxid: stat.czxid,
        mzxid: stat.mzxid,
        version: stat.version,
        owner: (stat.ephemeral_owner != 0).then_some(SessionId(stat.ephemeral_owner)),
        children: u32::try_from(stat.num_children).unwrap_or(0),
    }
}

fn mode_of(mode: CreateMode) -> zk::CreateOptions<'static> {
    let mode = match mode {
        CreateMode::Persistent => zk::CreateMode::Persistent,
        CreateMode::Ephemeral => zk::CreateMode::Ephemeral,
        CreateMode::EphemeralSequential => zk::CreateMode::EphemeralSequential,
    };
    mode.with_acls(Acls::anyone_all())
}

#[async_trait]
impl Coordinator for Session {
    fn session(&self) -> SessionId {
        self.id
    }

    fn session_timeout(&self) -> Duration {
        self.timeout
    }

    fn states(&self) -> watch::Receiver<SessionState> {
        self.told.subscribe()
    }

    async fn create(&self, path: &str, data: &[u8], mode: CreateMode) -> Result<(String, Stat)> {
        limits::create(path, data, mode)?;
        let client = self.client()?;
        let options = mode_of(mode);
        let created = self.reply(client.create(path, data, &options), |error| errors::from_client(path, error)).await;
        let created = match created {
            // The parent is the root, so the chroot was deleted.
            Err(Error::NoNode(_)) if path.rfind('/') == Some(0) => {
                self.reply(self.zookeeper.restore_chroot(), |error| error).await?;
                self.reply(client.create(path, data, &options), |error| errors::from_client(path, error)).await
            }
            created => created,
        };
        let (stat, sequence) = created?;
        let path = match mode {
            CreateMode::EphemeralSequential => format!("{path}{sequence}"),
            CreateMode::Persistent | CreateMode::Ephemeral => path.to_owned(),
        };
        Ok((path, self.stat_of(&stat)))
    }

    async fn get(&self, path: &str) -> Result<NodeData> {
        limits::path(path)?;
        let client = self.client()?;
        let (data, stat) = self.reply(client.get_data(path), |error| errors::from_client(path, error)).await?;
        Ok((data, self.stat_of(&stat)))
    }

    async fn stat(&self, path: &str) -> Result<Option<Stat>> {
        limits::path(path)?;
        let client = self.client()?;
        let stat = self.reply(client.check_stat(path), |error| errors::from_client(path, error)).await?;
        Ok(stat.as_ref().map(|stat| self.stat_of(stat)))
    }

    async fn set(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<Stat> {
        limits::path(path)?;
        limits::data(path, data)?;
        let client = self.client()?;
        let set = client.set_data(path, data, version);
        let stat = self.reply(set, |error| errors::from_client(path, error)).await?;
        Ok(self.stat_of(&stat))
    }

    async fn delete(&self, path: &str, version: Option<i32>) -> Result<()> {
        limits::not_root(path)?;
        let client = self.client()?;
        self.reply(client.delete(path, version), |error| errors::from_client(path, error)).await
    }

    async fn children(&self, path: &str) -> Result<Vec<String>> {
        limits::path(path)?;
        let client = self.client()?;
        let mut names = self.reply(client.list_children(path), |error| errors::from_client(path, error)).await?;
        names.sort_unstable();
        Ok(names)
    }

    async fn multi(&self, ops: Vec<Op>) -> Result<()> {
        limits::multi(&ops)?;
        let client = self.client()?;
        let mut writer = client.new_multi_writer();
        for op in &ops {
            // ZooKeeper's -1 means any version.
            let (path, added) = match op {
                Op::Check { path, version } => (path, writer.add_check_version(path, version.unwrap_or(-1))),
                Op::Create { path, data, mode } => (path, writer.add_create(path, data, &mode_of(*mode))),
                Op::Set { path, data, version } => (path, writer.add_set_data(path, data, *version)),
                Op::Delete { path, version } => (path, writer.add_delete(path, *version)),
            };
            added.map_err(|error| errors::from_client(path, error))?;
        }
        self.reply(writer.commit(), |error| errors::from_multi(&ops, error)).await.map(drop)
    }

    async fn get_many(&self, paths: &[String]) -> Result<Vec<Option<NodeData>>> {
        let found = self.read_many(paths, Read::Data).await?;
        let data = |result| match result {
            MultiReadResult::Data { data, stat } => Some((data, self.stat_of(&stat))),
            _ => None,
        };
        Ok(found.into_iter().map(|result| result.and_then(data)).collect())
    }

    async fn children_many(&self, paths: &[String]) -> Result<Vec<Option<Vec<String>>>> {
        let found = self.read_many(paths, Read::Children).await?;
        let names = |result| match result {
            MultiReadResult::Children { mut children } => {
                children.sort_unstable();
                Some(children)
            }
            _ => None,
        };
        Ok(found.into_iter().map(|result| result.and_then(names)).collect())
    }

    async fn watch(&self, path: &str, scope: Scope) -> Result<Watch> {
        limits::path(path)?;
        self.client()?;
        match self.hub.watch(path, scope) {
            Some(watch) => Ok(watch),
            None => self.watch_root(path, scope).await,
        }
    }

    async fn sync(&self) -> Result<()> {
        let client = self.client()?;
        self.reply(client.sync("/"), |error| errors::from_client("/", error)).await
    }

    async fn close(&self) {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(client) = client {
            // If the session can't be closed in time, it times out on the servers.
            let _ = tokio::time::timeout(self.timeout, close_session(client, &self.zookeeper.servers)).await;
        }
        tell(&self.told, SessionState::Closed);
        self.hub.close();
    }
}

/// Takes the session over with a client that closes it on drop, and waits until that is done. The crate offers no other way to
/// close a detached session.
async fn close_session(client: Client, servers: &str) {
    let (info, timeout) = (client.session().clone(), client.session_timeout());
    drop(client);
    let attached = Client::connector().with_session(info).with_session_timeout(timeout).connect(servers).await;
    if let Ok(attached) = attached {
        let mut states = attached.state_watcher();
        drop(attached);
        while !state_of(states.peek_state()).is_terminal() {
            states.changed().await;
        }
    }
}
