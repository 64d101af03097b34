//! A pod: a process of the real binary, and the proxies between it and everything else.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use testkit::proxy::Proxy;
use testkit::{Client, eventually, ok_if, within};

use crate::EVENLIGHT;

/// How long a process may take until it answers; generous, for a busy machine.
const START: Duration = Duration::from_secs(60);

/// The proxied connections of a pod, each of which can be cut on its own.
pub struct Links {
    /// Its connections to ZooKeeper.
    pub zookeeper: Proxy,
    /// Its connections to PostgreSQL.
    pub catalog: Proxy,
    /// Its connections to the store, if that is S3.
    pub store: Option<Proxy>,
    /// Connections of others to its HTTP server.
    pub web: Proxy,
}

impl Links {
    /// Ends all faults.
    pub fn mend(&self) {
        [Some(&self.zookeeper), Some(&self.catalog), self.store.as_ref(), Some(&self.web)]
            .into_iter()
            .flatten()
            .for_each(Proxy::mend);
    }
}

/// A pod.
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its proxied connections.
    pub links: Links,
    /// `host:port` on which it listens, the same after each start.
    pub address: String,
    /// Client of this pod.
    pub client: Client,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    log: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Pod {
    /// Creates a pod that isn't started yet.
    pub fn new(
        name: String,
        address: String,
        links: Links,
        arguments: Vec<String>,
        variables: Vec<(String, String)>,
        log: PathBuf,
    ) -> Self {
        let client = Client::new(&address);
        Self { name, links, address, client, arguments, variables, log, process: Mutex::new(None) }
    }

    /// Starts its process.
    pub fn start(&self) {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let child = EVENLIGHT
            .command()
            .args(["serve", "--pod-name", &self.name, "--listen", &self.address])
            .args(&self.arguments)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let before = self.process.lock().unwrap().replace(child);
        assert!(before.is_none(), "{} runs already", self.name);
    }

    /// Waits until its process answers. Starts it again if it has ended, as it does when the catalog can't be reached.
    pub async fn up(&self) {
        eventually(&format!("an answer of {}", self.name), START, async || {
            let answers = self.client.get_ok("/healthz").await.is_some();
            if !answers && self.ended() {
                self.start();
            }
            ok_if(answers, self.log.clone())
        })
        .await;
    }

    /// Returns whether its process has ended, for whatever reason; if so, forgets it.
    fn ended(&self) -> bool {
        let mut process = self.process.lock().unwrap();
        let ended = process.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
        if ended {
            *process = None;
        }
        ended
    }

    /// Returns whether its process runs.
    pub fn runs(&self) -> bool {
        !self.ended()
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it with `SIGTERM` and waits until it ends; returns whether it succeeded in time.
    pub async fn terminate(&self, patience: Duration) -> bool {
        self.signal("TERM");
        let ended = within(patience, async || {
            let mut process = self.process.lock().unwrap();
            let ended = process.as_mut().map_or(Ok(None), Child::try_wait).unwrap();
            if ended.is_some() {
                *process = None;
            }
            ended.ok_or(())
        });
        match ended.await {
            Ok(status) => status.success(),
            Err(_) => {
                self.kill();
                false
            }
        }
    }

    /// Sends a signal by name, such as `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let process = self.process.lock().unwrap();
        let Some(child) = process.as_ref() else { return };
        let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name} {} failed", self.name);
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.kill();
    }
}
