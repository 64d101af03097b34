//! Real ZooKeeper servers for tests: an ensemble from Debian's jars, on free ports, in a temporary folder.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::keeper::{Kept, tail};
use crate::ports::free_port;
use crate::wait::{eventually_blocking, ok_if};

/// Folder of the jars of Debian's packages.
const JARS: &str = "/usr/share/java";
/// The jars that a server needs.
const CLASSPATH: [&str; 13] = [
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-simple",
    "netty-all",
    "log4j-1.2",
    "snappy-java",
    "metrics-core",
    "commons-cli",
    "commons-io",
    "jackson-annotations",
    "jackson-core",
    "jackson-databind",
];
/// How long a server may take to become ready: three JVMs start on a busy machine.
const READY: Duration = Duration::from_secs(90);
/// ZooKeeper's tick; it grants session timeouts from 2 ticks, here up to a minute.
pub const TICK: Duration = Duration::from_millis(250);

/// An ensemble of ZooKeeper servers.
pub struct Ensemble {
    /// The servers' data folders, removed with the servers.
    folders: Vec<PathBuf>,
    ports: Vec<Ports>,
    servers: Mutex<Vec<Option<Kept>>>,
}

/// A server's ports for clients, the quorum and elections.
struct Ports {
    client: u16,
    quorum: u16,
    election: u16,
}

impl Ensemble {
    /// Returns the three servers shared by all tests of this process, each test in its own chroot.
    pub fn shared() -> &'static Ensemble {
        static SHARED: OnceLock<Ensemble> = OnceLock::new();
        SHARED.get_or_init(|| Ensemble::launch(3))
    }

    /// Starts this many servers and waits until they are ready.
    ///
    /// # Panics
    /// With a sentence that lists what to install, or with a server's log.
    pub fn launch(servers: usize) -> Self {
        require_jars();
        let folder = |_| tempfile::Builder::new().prefix("evenlight-zookeeper-").tempdir().unwrap().keep();
        let folders = (0..servers).map(folder).collect();
        let ensemble = Self { folders, ports: free_ports(servers), servers: Mutex::default() };
        for index in 0..servers {
            ensemble.configure(index);
            let server = ensemble.spawn(index);
            ensemble.servers.lock().unwrap().push(Some(server));
        }
        (0..servers).for_each(|index| ensemble.await_ready(index));
        ensemble
    }

    /// Returns the connect string `host:port,host:port…`.
    pub fn connect_string(&self) -> String {
        let addresses: Vec<String> = (0..self.ports.len()).map(|index| self.address(index).to_string()).collect();
        addresses.join(",")
    }

    /// Returns the connect string with a new chroot.
    pub fn connect_string_with_new_chroot(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("{}/test/{}", self.connect_string(), NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns the number of servers.
    pub fn size(&self) -> usize {
        self.ports.len()
    }

    /// Returns the servers' data folders.
    pub fn folders(&self) -> Vec<PathBuf> {
        self.folders.clone()
    }

    /// Returns a server's client address.
    pub fn address(&self, index: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[index].client).into()
    }

    /// Kills a server. Its data are kept.
    pub fn kill(&self, index: usize) {
        if let Some(server) = self.servers.lock().unwrap()[index].take() {
            server.end("KILL");
        }
    }

    /// Deletes the data of a killed server.
    pub fn wipe(&self, index: usize) {
        fs::remove_dir_all(self.folders[index].join("version-2")).expect("it kept something");
    }

    /// Starts a killed server again and waits until it is ready.
    pub fn restart(&self, index: usize) {
        self.kill(index);
        let server = self.spawn(index);
        self.servers.lock().unwrap()[index] = Some(server);
        self.await_ready(index);
    }

    /// Stops a server with SIGSTOP: its connections stay open, and nothing answers.
    pub fn pause(&self, index: usize) {
        self.signal(index, "STOP");
    }

    /// Resumes a paused server.
    pub fn resume(&self, index: usize) {
        self.signal(index, "CONT");
    }

    /// Returns whether a server leads the ensemble.
    pub fn leads(&self, index: usize) -> bool {
        self.ask(index).is_some_and(|answer| answer.contains("Mode: leader"))
    }

    /// Returns the number of znodes in all chroots.
    pub fn znodes(&self) -> u64 {
        let answer = (0..self.ports.len()).find_map(|index| self.ask_for(index, "mntr")).expect("a server answers");
        let line = answer.lines().find_map(|line| line.strip_prefix("zk_znode_count")).expect("it counts its znodes");
        line.trim().parse().expect("a number")
    }

    /// Returns the number of writes that the first server has applied in its leader's current term, including starts and ends
    /// of sessions.
    pub fn writes(&self) -> u64 {
        let status = self.ask_for(0, "srvr").unwrap();
        let zxid = status.lines().find_map(|line| line.strip_prefix("Zxid: 0x")).unwrap();
        u64::from_str_radix(zxid.trim(), 16).unwrap() & 0xffff_ffff
    }

    /// Returns the last transactions of the first server's log, a line each, to explain an unexpected number of writes.
    pub fn last_transactions(&self, count: usize) -> Vec<String> {
        let mut logs: Vec<PathBuf> = (fs::read_dir(self.folders[0].join("version-2")).into_iter().flatten())
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log.")))
            .collect();
        logs.sort();
        let Some(log) = logs.last() else { return Vec::new() };
        let dump = java().arg("org.apache.zookeeper.server.persistence.TxnLogToolkit").arg("-d").arg(log).output();
        let text = dump.map(|dump| String::from_utf8_lossy(&dump.stdout).into_owned()).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(|line| line.chars().take(400).collect()).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    fn signal(&self, index: usize, signal: &str) {
        let servers = self.servers.lock().unwrap();
        servers[index].as_ref().expect("the server runs").signal(signal);
    }

    fn configure(&self, index: usize) {
        let path = &self.folders[index];
        fs::write(path.join("myid"), (index + 1).to_string()).unwrap();
        let mut config = format!(
            "tickTime={}\ninitLimit=80\nsyncLimit=40\ndataDir={}\nclientPortAddress=127.0.0.1\nclientPort={}\n\
             admin.enableServer=false\nmaxClientCnxns=0\n\
             maxSessionTimeout=60000\n4lw.commands.whitelist=*\nforceSync=no\n",
            TICK.as_millis(),
            path.display(),
            self.ports[index].client
        );
        if self.ports.len() > 1 {
            for (id, ports) in self.ports.iter().enumerate() {
                config += &format!("server.{}=127.0.0.1:{}:{}\n", id + 1, ports.quorum, ports.election);
            }
        }
        fs::write(path.join("zoo.cfg"), config).unwrap();
    }

    fn spawn(&self, index: usize) -> Kept {
        let mut server = java();
        server
            .arg("-Dzookeeper.jmx.log4j.disable=true")
            .arg("org.apache.zookeeper.server.quorum.QuorumPeerMain")
            .arg(self.folders[index].join("zoo.cfg"));
        Kept::start(&server, &self.log(index), "KILL", Some(&self.folders[index]))
    }

    fn log(&self, index: usize) -> PathBuf {
        self.folders[index].join("log")
    }

    fn await_ready(&self, index: usize) {
        eventually_blocking(&format!("ZooKeeper server {index}"), READY, || {
            let serves = self.ask(index).is_some_and(|answer| answer.contains("Mode: "));
            ok_if(serves, tail(&self.log(index)))
        });
    }

    /// Returns a server's status (`srvr`).
    fn ask(&self, index: usize) -> Option<String> {
        self.ask_for(index, "srvr")
    }

    /// Returns a server's answer to a four-letter word.
    fn ask_for(&self, index: usize, word: &str) -> Option<String> {
        let patience = Duration::from_secs(1);
        let mut stream = TcpStream::connect_timeout(&self.address(index), patience).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        stream.write_all(word.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

impl Drop for Ensemble {
    fn drop(&mut self) {
        // A server that was killed has left its folder.
        self.servers.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
        for folder in &self.folders {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Returns the command `java` with ZooKeeper's classes, which a class to run must follow.
fn java() -> Command {
    let jars: Vec<String> = CLASSPATH.iter().map(|jar| format!("{JARS}/{jar}.jar")).collect();
    let mut java = Command::new("java");
    java.args([heap(), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", &jars.join(":")]);
    java
}

/// Returns a server's heap size: small, except for the tests' long forms with a hundred thousand znodes.
fn heap() -> &'static str {
    if std::env::var("EVENLIGHT_LONG").is_ok() { "-Xmx512m" } else { "-Xmx96m" }
}

fn require_jars() {
    let missing: Vec<&str> =
        CLASSPATH.into_iter().filter(|jar| !Path::new(&format!("{JARS}/{jar}.jar")).exists()).collect();
    let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        missing.is_empty() && java.is_ok_and(|status| status.success()),
        "real ZooKeeper servers are needed for this test: on Debian, `apt-get install --no-install-recommends zookeeper \
         libslf4j-java default-jre-headless` (missing jars in {JARS}: {missing:?})"
    );
}

fn free_ports(servers: usize) -> Vec<Ports> {
    let ports = || Ports { client: free_port(), quorum: free_port(), election: free_port() };
    (0..servers).map(|_| ports()).collect()
}
