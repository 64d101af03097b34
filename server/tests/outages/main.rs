//! What users see while ZooKeeper or PostgreSQL is away: processes of the real binary on the tests' own real servers.
//!
//! `EVENLIGHT_LONG=1` makes the outages a minute long.
#![allow(clippy::unwrap_used)]

mod database;
mod lagging;
mod quorum;
mod switchover;

use std::time::Duration;

use testkit::{Deployment, Evenlight, Postgres, Server};

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Session timeout of these tests.
const LEASE: Duration = Duration::from_secs(2);

/// Returns the duration of an outage.
fn outage() -> Duration {
    if std::env::var_os("EVENLIGHT_LONG").is_some() { Duration::from_secs(60) } else { 3 * LEASE }
}

/// Processes, and database servers of their own, which a test may stop.
struct Services {
    deployment: Deployment,
    postgres: Postgres,
    standby: Option<Postgres>,
}

impl Services {
    async fn new(zookeeper: String) -> Self {
        let postgres = Postgres::own();
        let catalog = postgres.database().await;
        let deployment = Deployment::over(EVENLIGHT, zookeeper, catalog, LEASE);
        Self { deployment, postgres, standby: None }
    }

    fn process(&self, name: &str) -> Server {
        self.deployment.process_with(name, &["--threads", "2"])
    }

    /// Starts two processes and waits until they see each other.
    async fn two(&self) -> [Server; 2] {
        let servers = ["pod-a", "pod-b"].map(|name| self.process(name));
        servers[0].client.until("two pods", |view| (view.live() == 2).then_some(())).await;
        servers[1].client.master(None).await;
        servers
    }
}
