//! Several processes of the real binary, and the services that they share: ZooKeeper, PostgreSQL and a folder for the pixels.

use std::time::Duration;

use crate::evenlight::{Evenlight, Server};
use crate::postgres::Postgres;
use crate::zookeeper::Ensemble;

/// Services shared by processes.
pub struct Deployment {
    /// Folder of the store, of the processes' data folders and of their logs.
    pub folder: tempfile::TempDir,
    /// ZooKeeper's connect string, with a chroot.
    pub zookeeper: String,
    /// The catalog's address.
    pub catalog: String,
    program: Evenlight,
    session_timeout: String,
    /// `EVENLIGHT_LOG` of the processes, if it isn't the test's own.
    log_filter: Option<String>,
}

impl Deployment {
    /// Creates a deployment on the shared servers, with its own chroot, database and folder, and this session timeout.
    pub async fn new(program: Evenlight, session_timeout: Duration) -> Self {
        Self::on(program, Ensemble::shared().connect_string_with_new_chroot(), session_timeout).await
    }

    /// The same, on this ZooKeeper.
    pub async fn on(program: Evenlight, zookeeper: String, session_timeout: Duration) -> Self {
        Self::over(program, zookeeper, Postgres::shared().database().await, session_timeout)
    }

    /// The same, on this ZooKeeper and this catalog.
    pub fn over(program: Evenlight, zookeeper: String, catalog: String, session_timeout: Duration) -> Self {
        let session_timeout = format!("{}ms", session_timeout.as_millis());
        let folder = tempfile::tempdir().unwrap();
        Self { folder, zookeeper, catalog, program, session_timeout, log_filter: None }
    }

    /// Makes the processes log these targets as well, such as `pod::leadership::witness=debug`.
    pub fn logging(mut self, more: &str) -> Self {
        self.log_filter = Some(format!("info,sqlx=warn,{more}"));
        self
    }

    /// Starts a process with one pod of this name, which divides every image into tasks.
    pub fn process(&self, name: &str, more: &[&str]) -> Server {
        self.process_via(&self.zookeeper, name, more)
    }

    /// The same, with this address of ZooKeeper.
    pub fn process_via(&self, zookeeper: &str, name: &str, more: &[&str]) -> Server {
        self.start(name, &[&self.coordinator(zookeeper)[..], &["--whole-below", "0"], more].concat())
    }

    /// Starts a process with one pod of this name and the defaults, apart from these arguments.
    pub fn process_with(&self, name: &str, more: &[&str]) -> Server {
        self.start(name, &[&self.coordinator(&self.zookeeper)[..], more].concat())
    }

    /// Starts a process on this catalog and store but without `--zookeeper`.
    pub fn process_without_zookeeper(&self, name: &str) -> Server {
        self.start(name, &["--pods", "1"])
    }

    fn coordinator<'a>(&'a self, zookeeper: &'a str) -> [&'a str; 4] {
        ["--zookeeper", zookeeper, "--session-timeout", &self.session_timeout]
    }

    fn start(&self, name: &str, more: &[&str]) -> Server {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (store, data) = (path("store"), path(name));
        let services = ["--catalog", &self.catalog, "--store", &store, "--data", &data];
        let args = [&services[..], more].concat();
        let filter: Vec<_> = self.log_filter.iter().map(|filter| ("EVENLIGHT_LOG", &**filter)).collect();
        self.program.serve_with(name, self.folder.path(), &args, &filter)
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
