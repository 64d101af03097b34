//! A proxy in this process for one client's connections to ZooKeeper, which can be cut to inject faults.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base::backoff::Backoff;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::ensemble::ZooKeeper;
use super::probe;
use crate::{Connector, Coordinator, FaultLink, Result};

/// How long to wait for a server before trying the next one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens sessions for one client, all of whose connections pass through a gate. While the gate is shut, existing connections
/// are broken and new ones fail, and the servers let the session time out.
pub struct FaultConnector {
    zookeeper: ZooKeeper,
    open: watch::Sender<bool>,
    gate: JoinHandle<()>,
}

impl FaultConnector {
    /// Creates the connector with an open gate, on a free port of the loopback interface.
    ///
    /// # Errors
    /// Fails if no port is free.
    pub async fn new(zookeeper: &ZooKeeper) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let servers = listener.local_addr()?.to_string();
        let open = watch::Sender::new(true);
        let behind = zookeeper.servers.split(',').map(str::to_owned).collect();
        let gate = tokio::spawn(keep(listener, behind, open.subscribe()));
        Ok(Arc::new(Self { zookeeper: ZooKeeper { servers, ..zookeeper.clone() }, open, gate }))
    }
}

impl Drop for FaultConnector {
    fn drop(&mut self) {
        self.gate.abort();
    }
}

#[async_trait]
impl Connector for FaultConnector {
    fn kind(&self) -> &'static str {
        self.zookeeper.kind()
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        self.zookeeper.connect().await
    }
}

impl FaultLink for FaultConnector {
    fn cut(&self) {
        self.open.send_replace(false);
    }

    fn mend(&self) {
        self.open.send_replace(true);
    }
}

/// Accepts connections indefinitely; closes them at once while the gate is shut.
async fn keep(listener: TcpListener, mut servers: Vec<String>, open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut backoff = Backoff::new(Duration::from_millis(50), CONNECT_TIMEOUT);
    loop {
        match listener.accept().await {
            Ok((client, _)) if *open.borrow() => {
                connections.spawn(pass(client, servers.clone(), open.clone()));
                // A client that reconnects probably failed with the first server.
                servers.rotate_left(1);
            }
            Ok(_) => {}
            // Out of file descriptors, for example: the client will retry, and so does this loop.
            Err(error) => {
                tracing::warn!(%error, "accepting a connection to ZooKeeper failed");
                backoff.wait().await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Forwards bytes between client and server until one of them closes or the gate is shut.
async fn pass(mut client: TcpStream, servers: Vec<String>, mut open: watch::Receiver<bool>) {
    let said = async {
        let all = servers.join(",");
        let answering = timeout(CONNECT_TIMEOUT, probe::answering(&all)).await.unwrap_or(all);
        for server in answering.split(',') {
            if let Ok(Ok(mut server)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await {
                // Whatever the result, both sides see their connections closed.
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
