//! What users see while ZooKeeper or PostgreSQL is away: processes of the real binary on the tests' own real servers.
//!
//! `EVENLIGHT_LONG=1` makes the outages a minute long.
#![allow(clippy::unwrap_used)]

#[path = "../support/balancer.rs"]
mod balancer;
#[path = "../support/client.rs"]
mod client;
#[path = "../support/images.rs"]
mod images;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/processes.rs"]
mod processes;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/zookeeper.rs"]
mod zookeeper;

mod database;
mod lagging;
mod quorum;
mod switchover;

use std::time::Duration;

use postgres::Postgres;
use processes::Server;

/// Session timeout of these tests.
const LEASE: Duration = Duration::from_secs(2);

/// Returns the duration of an outage.
fn outage() -> Duration {
    if std::env::var_os("EVENLIGHT_LONG").is_some() { Duration::from_secs(60) } else { 3 * LEASE }
}

/// Services shared by the processes.
struct Site {
    folder: tempfile::TempDir,
    postgres: Postgres,
    standby: Option<Postgres>,
    zookeeper: String,
    catalog: String,
}

impl Site {
    async fn new(zookeeper: String) -> Self {
        let postgres = Postgres::own();
        let catalog = postgres.database().await;
        Self { folder: tempfile::tempdir().unwrap(), postgres, standby: None, zookeeper, catalog }
    }

    fn process(&self, name: &str) -> Server {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (lease, store, data) = (format!("{}ms", LEASE.as_millis()), path("store"), path(name));
        let shared = ["--zookeeper", &self.zookeeper, "--catalog", &self.catalog, "--store", &store];
        let own = ["--data", &data, "--session-timeout", &lease, "--threads", "2"];
        Server::start(name, self.folder.path(), &[shared, own].concat())
    }

    /// Starts two processes and waits until they see each other.
    async fn two(&self) -> [Server; 2] {
        let servers = ["pod-a", "pod-b"].map(|name| self.process(name));
        servers[0].client.until("two pods", |view| (view.live() == 2).then_some(())).await;
        servers[1].client.master(None).await;
        servers
    }
}
