//! An array of real processes on a real ensemble, database and store, each pod behind its own proxies.
//!
//! The ensemble, the database server and the S3 server are started once and shared; each array has its own chroot, database and
//! bucket or folder. Arrays run one at a time, because some faults hit the ensemble itself.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, Hint, Scope, paths};
use server::store::Store;
use shared::cluster::Candidate;
use shared::task::Lock;
use sqlx::{Connection, PgConnection};
use testkit::proxy::{Proxy, Target};
use testkit::wait::PATIENCE;
use testkit::{Ensemble, Postgres, S3, eventually, free_port};

use crate::pod::{Links, Pod};
use crate::rows;
use crate::txlog::{self, Txn};

/// Where pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// A folder shared by all processes.
    Folder,
    /// S3, which each pod reaches through a proxy.
    S3,
}

/// Configuration of an array.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// Number of processes.
    pub pods: usize,
    /// Where pixels are stored.
    pub pixels: Pixels,
    /// Session timeout.
    pub lease: Duration,
    /// Additional arguments of each process.
    pub more: Vec<&'static str>,
    /// Whether other pods reach a pod through its proxy `web` instead of at its own address.
    pub proxied_web: bool,
    /// Whether the array has its own database server with a standby.
    pub standby: bool,
}

impl Default for Blueprint {
    fn default() -> Self {
        Self {
            pods: 3,
            pixels: Pixels::Folder,
            lease: Duration::from_secs(2),
            more: Vec::new(),
            proxied_web: false,
            standby: false,
        }
    }
}

/// An array and its services.
pub struct ProxiedArray {
    /// Its pods.
    pub pods: Vec<Pod>,
    /// The ensemble shared by all arrays.
    pub ensemble: &'static Ensemble,
    /// Session timeout.
    pub lease: Duration,
    /// The store, reached directly.
    pub store: Store,
    /// Folder of the processes' logs, and of the store if it is a folder.
    pub folder: tempfile::TempDir,
    catalog: Mutex<String>,
    chroot: String,
    since: i64,
    /// Its own database server, if it has a standby.
    own_postgres: Option<Postgres>,
    standby: Option<Postgres>,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

/// Held by the array that runs.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl ProxiedArray {
    /// Starts an array and waits for its pods and its master.
    pub async fn start(blueprint: &Blueprint) -> Self {
        let own_postgres = blueprint.standby.then(Postgres::own);
        let postgres = own_postgres.as_ref().unwrap_or_else(|| Postgres::shared());
        let s3 = (blueprint.pixels == Pixels::S3).then(S3::shared);
        let turn = TURN.lock().await;
        let ensemble = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap();
        let folder = tempfile::Builder::new().prefix("evenlight-chaos-").tempdir().unwrap();
        let connect = ensemble.connect_string_with_new_chroot();
        let chroot = connect[connect.find('/').expect("it has a chroot")..].to_owned();
        let catalog = postgres.database().await;
        let names: Vec<String> = ('a'..).take(blueprint.pods).map(|letter| format!("pod-{letter}")).collect();
        drop(server::catalog::open(&catalog).await.unwrap());
        rows::install(&catalog, &names).await;
        let standby = blueprint.standby.then(|| postgres.standby(Duration::ZERO));
        let store_url = match &s3 {
            Some(s3) => format!("s3://{}", s3.bucket()),
            None => folder.path().join("store").display().to_string(),
        };
        let variables = s3.as_ref().map_or_else(Vec::new, |s3| s3.variables());
        let store = Store::open_with(&store_url, variables).unwrap();
        let plot = Plot { ensemble, postgres, s3, folder: folder.path(), chroot: &chroot };
        let mut pods = Vec::new();
        for name in names {
            pods.push(plot.pod(name, blueprint, &catalog, &store_url).await);
        }
        let since = txlog::latest(&ensemble.folders());
        let (lease, catalog) = (blueprint.lease, Mutex::new(catalog));
        let array =
            Self { pods, ensemble, lease, store, folder, catalog, chroot, since, own_postgres, standby, _turn: turn };
        array.pods.iter().for_each(Pod::start);
        for pod in &array.pods {
            pod.up().await;
        }
        let pods = array.pods.len();
        array.pods[0].client.until("all pods", |view| (view.live() == pods).then_some(())).await;
        array.master().await;
        array
    }

    fn postgres(&self) -> &Postgres {
        self.own_postgres.as_ref().unwrap_or_else(|| Postgres::shared())
    }

    /// Opens a connection to the catalog that no fault affects.
    pub async fn catalog(&self) -> PgConnection {
        let catalog = self.catalog.lock().unwrap().clone();
        PgConnection::connect(&catalog).await.unwrap()
    }

    /// Makes the primary read-only while it keeps its connections, promotes its standby, and directs new connections there.
    /// Returns `false` if there is no standby to promote.
    pub async fn switch_over(&self) -> bool {
        let Some(standby) =
            self.standby.as_ref().filter(|standby| !self.catalog.lock().unwrap().contains(&standby.host()))
        else {
            return false;
        };
        self.postgres().demote().await;
        standby.promote_after(self.postgres()).await;
        self.pods.iter().for_each(|pod| pod.links.catalog.lead_new_to(vec![Target::Unix(standby.socket())]));
        let mut catalog = self.catalog.lock().unwrap();
        *catalog = catalog.replace(&self.postgres().host(), &standby.host());
        true
    }

    /// Opens a session in the array's chroot that bypasses the proxies.
    pub async fn session(&self) -> Arc<dyn Coordinator> {
        let address = format!("{}{}", self.ensemble.connect_string(), self.chroot);
        let connector = ZooKeeper::new(&address, Duration::from_secs(5)).unwrap();
        eventually("a session with the ensemble", PATIENCE, async || connector.connect().await).await
    }

    /// Waits for a master, according to the election nodes and with an epoch, and returns its index.
    pub async fn master(&self) -> usize {
        let leader = async || self.leader_now().await.ok_or(format!("logs in {}", self.folder.path().display()));
        eventually("a master", PATIENCE, leader).await
    }

    /// Returns the current master's index, if it has its epoch and answers.
    async fn leader_now(&self) -> Option<usize> {
        let session = self.session().await;
        let leader = async {
            let mut names = session.children(paths::LEADER).await.ok()?;
            names.sort_by_key(|name| name.rsplit_once('-').map(|(_, sequence)| sequence.to_owned()));
            let (data, _) = session.get(&format!("{}/{}", paths::LEADER, names.first()?)).await.ok()?;
            serde_json::from_slice::<Candidate>(&data).ok().filter(|leader| leader.epoch.is_some())
        };
        let leader = leader.await;
        session.close().await;
        self.pods.iter().position(|pod| leader.as_ref().is_some_and(|leader| leader.pod.as_str() == pod.name))
    }

    /// Waits until a znode with a matching path is written; returns the path and, for a lock, the index of its holder.
    pub async fn seen(&self, fits: impl Fn(&str) -> bool, patience: Duration) -> Option<(String, Option<usize>)> {
        let session = self.session().await;
        let found = tokio::time::timeout(patience, async {
            loop {
                let watch = async || session.watch(paths::JOBS, Scope::Recursive).await;
                let mut watch = eventually("a watch of the jobs", PATIENCE, watch).await;
                while let Hint::Changed(path) = watch.changed().await {
                    if fits(&path) {
                        return path;
                    }
                }
            }
        });
        let path = found.await.ok();
        let holder = match &path {
            Some(path) => session.get(path).await.ok(),
            None => None,
        };
        session.close().await;
        let lock = holder.and_then(|(data, _)| serde_json::from_slice::<Lock>(&data).ok());
        let holder = lock.and_then(|lock| self.pods.iter().position(|pod| pod.name == lock.pod.as_str()));
        path.map(|path| (path, holder))
    }

    /// Returns everything that was written to the ensemble since the array started.
    pub fn history(&self) -> Vec<Txn> {
        txlog::committed(&self.ensemble.folders(), self.since)
    }

    /// Returns the ensemble's servers as targets of proxies.
    pub fn servers(&self) -> Vec<Target> {
        servers(self.ensemble)
    }

    /// Returns the array's chroot.
    pub fn chroot(&self) -> &str {
        &self.chroot
    }

    /// Ends all faults and makes sure that all processes run.
    pub async fn calm(&self) {
        for pod in &self.pods {
            pod.links.mend();
            pod.signal("CONT");
        }
        for pod in &self.pods {
            if !pod.runs() {
                pod.start();
            }
        }
        for pod in &self.pods {
            pod.up().await;
        }
    }

    /// Keeps the logs and the store, and returns their folder.
    pub fn keep(mut self) -> PathBuf {
        self.pods.iter().for_each(Pod::kill);
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }
}

impl Drop for ProxiedArray {
    /// Keep the logs of a test that panicked.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("logs are kept in {}", self.folder.path().display());
        }
    }
}

/// What a pod is created from.
struct Plot<'a> {
    ensemble: &'a Ensemble,
    postgres: &'a Postgres,
    s3: Option<&'a S3>,
    folder: &'a Path,
    chroot: &'a str,
}

impl Plot<'_> {
    async fn pod(&self, name: String, blueprint: &Blueprint, catalog: &str, store: &str) -> Pod {
        let address = format!("127.0.0.1:{}", free_port());
        let links = Links {
            zookeeper: Proxy::start(servers(self.ensemble)).await,
            catalog: Proxy::start(vec![Target::Unix(self.postgres.socket())]).await,
            store: match self.s3 {
                Some(s3) => Some(Proxy::start(vec![Target::Tcp(s3.address())]).await),
                None => None,
            },
            web: Proxy::start(vec![Target::Tcp(address.parse().unwrap())]).await,
        };
        // postgres://postgres@localhost/NAME?host=SOCKET
        let database = catalog.split('/').nth(3).and_then(|rest| rest.split('?').next()).expect("it names a database");
        let catalog = format!("postgres://{name}@{}/{database}?sslmode=disable", links.catalog.address());
        let zookeeper = format!("{}{}", links.zookeeper.address(), self.chroot);
        let (data, lease) = (self.folder.join(&name), format!("{}ms", blueprint.lease.as_millis()));
        let mut arguments: Vec<String> = [
            ["--zookeeper", &zookeeper],
            ["--catalog", &catalog],
            ["--store", store],
            ["--data", &data.display().to_string()],
            ["--session-timeout", &lease],
            ["--whole-below", "5000"],
            ["--abandon-after", "4s"],
            ["--sweep-every", "3s"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        if blueprint.proxied_web {
            arguments.extend(["--advertise".to_owned(), links.web.address().to_string()]);
        }
        arguments.extend(blueprint.more.iter().map(|&argument| argument.to_owned()));
        let mut variables = self.s3.map_or_else(Vec::new, S3::variables);
        for (variable, value) in &mut variables {
            if let (true, Some(store)) = (variable.starts_with("AWS_ENDPOINT"), &links.store) {
                *value = format!("http://{}", store.address());
            }
        }
        let log = self.folder.join(format!("{name}.log"));
        Pod::new(name, address, links, arguments, variables, log)
    }
}

fn servers(ensemble: &Ensemble) -> Vec<Target> {
    (0..ensemble.size()).map(|index| Target::Tcp(ensemble.address(index))).collect()
}
