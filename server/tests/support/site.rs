//! A site: the services that several processes of the real binary share: ZooKeeper, PostgreSQL and a folder for the pixels.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use super::postgres::Postgres;
use super::processes::Server;
use super::zookeeper::Ensemble;

/// Services shared by several processes.
pub struct Site {
    pub folder: tempfile::TempDir,
    _postgres: Arc<Postgres>,
    pub zookeeper: String,
    catalog: String,
    store: String,
    lease: Duration,
}

impl Site {
    /// Creates a site on the shared servers, with its own chroot, database and folder, and this session timeout.
    pub async fn new(lease: Duration) -> Self {
        Self::with(Ensemble::shared().connect_string_with_new_chroot(), lease).await
    }

    /// The same, with this ZooKeeper.
    pub async fn with(zookeeper: String, lease: Duration) -> Self {
        let postgres = Postgres::shared();
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store").display().to_string();
        Self { catalog: postgres.database().await, store, zookeeper, _postgres: postgres, folder, lease }
    }

    /// Starts a process with one pod of this name.
    pub fn process(&self, name: &str, more: &[&str]) -> Server {
        self.process_via(&self.zookeeper, name, more)
    }

    /// The same, with this address of ZooKeeper.
    pub fn process_via(&self, zookeeper: &str, name: &str, more: &[&str]) -> Server {
        let data = self.folder.path().join(name).display().to_string();
        let lease = format!("{}ms", self.lease.as_millis());
        let shared = ["--zookeeper", zookeeper, "--catalog", &self.catalog, "--store", &self.store];
        let own = ["--data", &data, "--session-timeout", &lease, "--whole-below", "0"];
        Server::start(name, self.folder.path(), &[&shared[..], &own[..], more].concat())
    }

    /// Starts a process with this catalog and store but without `--zookeeper`.
    pub fn process_without_zookeeper(&self, name: &str) -> Server {
        let data = self.folder.path().join(name).display().to_string();
        let shared = ["--catalog", &self.catalog, "--store", &self.store, "--data", &data, "--pods", "1"];
        Server::start(name, self.folder.path(), &shared)
    }

    /// Starts three processes and waits until all know each other and the master.
    pub async fn three(&self) -> [Server; 3] {
        self.three_with(&[]).await
    }

    /// The same, with additional arguments.
    pub async fn three_with(&self, more: &[&str]) -> [Server; 3] {
        let servers = ["pod-a", "pod-b", "pod-c"].map(|name| self.process(name, more));
        for server in &servers {
            server.client.until("three pods", |view| (view.live() == 3).then_some(())).await;
            server.client.master(None).await;
        }
        servers
    }
}
