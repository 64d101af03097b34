//! One client's way to ZooKeeper, through a gate of this process, which somebody may shut.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::{ZooKeeper, probe};
use crate::backoff::Backoff;
use crate::coord::{Connector, Coordinator, Leash, Result};

/// The longest that a server is waited for before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes sessions for one client, all of whose connections go through a gate. While it is shut they are broken, and new ones
/// come to nothing; the servers let the session's lease run out.
pub struct Leashed {
    zookeeper: ZooKeeper,
    open: watch::Sender<bool>,
    gate: JoinHandle<()>,
}

impl Leashed {
    /// With an open gate, on a free port that only this machine reaches.
    ///
    /// # Errors
    /// If there is no such port.
    pub async fn new(zookeeper: &ZooKeeper) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let servers = listener.local_addr()?.to_string();
        let open = watch::Sender::new(true);
        let behind = zookeeper.servers.split(',').map(str::to_owned).collect();
        let gate = tokio::spawn(keep(listener, behind, open.subscribe()));
        Ok(Arc::new(Self { zookeeper: ZooKeeper { servers, ..zookeeper.clone() }, open, gate }))
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.gate.abort();
    }
}

#[async_trait]
impl Connector for Leashed {
    fn kind(&self) -> &'static str {
        self.zookeeper.kind()
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        self.zookeeper.connect().await
    }
}

impl Leash for Leashed {
    fn cut(&self) {
        self.open.send_replace(false);
    }

    fn mend(&self) {
        self.open.send_replace(true);
    }
}

/// Takes connections for ever; those that come while the gate is shut are closed at once.
async fn keep(listener: TcpListener, mut servers: Vec<String>, open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::new(Duration::from_millis(50), PATIENCE);
    loop {
        match listener.accept().await {
            Ok((client, _)) if *open.borrow() => {
                connections.spawn(pass(client, servers.clone(), open.clone()));
                // A client that comes back found no luck with the first one.
                servers.rotate_left(1);
            }
            Ok(_) => {}
            // No more files may be open: the client tries again, and so does this.
            Err(error) => {
                tracing::warn!(%error, "a connection to ZooKeeper isn't taken");
                backoff.wait().await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Passes on what client and server say, until one of them ends it or the gate is shut.
async fn pass(mut client: TcpStream, servers: Vec<String>, mut open: watch::Receiver<bool>) {
    let said = async {
        let all = servers.join(",");
        let answering = timeout(PATIENCE, probe::answering(&all)).await.unwrap_or(all);
        for server in answering.split(',') {
            if let Ok(Ok(mut server)) = timeout(PATIENCE, TcpStream::connect(server)).await {
                // However it ends: both sides see their connections closed.
                let _ = copy_bidirectional(&mut client, &mut server).await;
                return;
            }
        }
    };
    tokio::select! {
        () = said => {}
        _ = open.wait_for(|open| !open) => {}
    }
}
