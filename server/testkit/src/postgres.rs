//! A real PostgreSQL server for tests, in a temporary folder, reached through a socket in it.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::keeper::{Kept, tail};
use crate::wait::{eventually, eventually_blocking, ok_if};

/// Time limit for a server's start and for a standby's replay.
const READY: Duration = Duration::from_secs(60);

/// A server in a folder of its own. Both go when it is dropped or the test process ends.
pub struct Postgres {
    /// `None` while it is stopped.
    server: Option<Kept>,
    folder: PathBuf,
    databases: AtomicU32,
}

impl Postgres {
    /// Returns the server shared by all tests of this process, each test in its own database.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::start)
    }

    /// Starts a server for one test, which may damage it.
    pub fn own() -> Postgres {
        Self::start()
    }

    /// Starts an asynchronous standby of this server that applies each commit `delay` after it was made.
    pub fn standby(&self, delay: Duration) -> Postgres {
        let folder = folder();
        let copied = server_command(&programs().join("pg_basebackup"))
            .args(["--username=postgres", "--checkpoint=fast", "--write-recovery-conf", "--no-sync", "--host"])
            .arg(&self.folder)
            .arg("--pgdata")
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(copied.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&copied.stderr));
        Self::serve(folder, &[&format!("recovery_min_apply_delay={}ms", delay.as_millis())])
    }

    fn start() -> Postgres {
        let folder = folder();
        let made = server_command(&programs().join("initdb"))
            .arg("--pgdata")
            .arg(folder.join("data"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        Self::serve(folder, &[])
    }

    /// Starts a server on the data in a folder.
    fn serve(folder: PathBuf, settings: &[&str]) -> Postgres {
        let server = Some(spawn(&folder, settings));
        let postgres = Postgres { server, folder, databases: AtomicU32::new(0) };
        postgres.await_ready();
        postgres
    }

    /// Shuts the server down cleanly: connections end, and new ones are refused.
    pub fn stop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown.
        self.server.take().expect("the server runs").end("INT");
    }

    /// Starts a stopped server again; returns when it accepts connections.
    pub fn start_again(&mut self) {
        self.server = Some(spawn(&self.folder, &[]));
        self.await_ready();
    }

    /// Runs statements as superuser.
    pub async fn administer(&self, statements: &[&str]) {
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        for statement in statements {
            sqlx::query(sqlx::AssertSqlSafe((*statement).to_owned())).execute(&mut admin).await.unwrap();
        }
        admin.close().await.unwrap();
    }

    /// Makes the server refuse writes but keep its connections, like a demoted primary behind pgpool or a proxy.
    pub async fn demote(&self) {
        self.administer(&["ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"]).await;
    }

    /// Promotes this standby once it has applied everything that `primary` has written; `primary` must not write any more.
    pub async fn promote_after(&self, primary: &Postgres) {
        self.caught_up(primary).await;
        self.administer(&["SELECT pg_promote(true, 30)"]).await;
    }

    /// Waits until this standby has applied everything that `primary` has written so far.
    pub async fn caught_up(&self, primary: &Postgres) {
        let mut source = PgConnection::connect(&primary.url("postgres")).await.unwrap();
        let written = sqlx::query_scalar::<_, String>("SELECT pg_current_wal_lsn()::text");
        let written = written.fetch_one(&mut source).await.unwrap();
        let mut standby = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let applied = "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn, pg_last_wal_replay_lsn()::text";
        eventually(&format!("the standby to apply {written}"), READY, async || {
            let applied = sqlx::query_as::<_, (bool, String)>(applied).bind(&written);
            let (all, upto) = applied.fetch_one(&mut standby).await.unwrap();
            ok_if(all, upto)
        })
        .await;
    }

    fn await_ready(&self) {
        let (program, log) = (programs().join("pg_isready"), self.folder.join("log"));
        eventually_blocking("PostgreSQL", READY, || {
            let ready = Command::new(&program).arg("-q").arg("-h").arg(&self.folder).status().unwrap().success();
            assert!(ready || self.server().runs(), "PostgreSQL has ended; its log ends: {:#?}", tail(&log));
            ok_if(ready, tail(&log))
        });
    }

    fn server(&self) -> &Kept {
        self.server.as_ref().expect("the server runs")
    }

    /// Creates an empty database and returns its address.
    pub async fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        admin.close().await.unwrap();
        self.url(&name)
    }

    /// Stops the server and all its processes with SIGSTOP: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Resumes a paused server.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Signals the server first, so that it starts no process meanwhile.
    fn signal(&self, signal: &str) {
        self.server().signal(signal);
        for pid in children(self.server().pid()) {
            // A connection's process may have ended already.
            let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).status().unwrap();
        }
    }

    /// Terminates every connection to a database, whatever it is doing; returns their number.
    pub async fn end_connections(&self, url: &str) -> usize {
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
        let mut admin = PgConnection::connect(&self.url("postgres")).await.unwrap();
        let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
        let ended = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut admin).await.unwrap().len();
        admin.close().await.unwrap();
        ended
    }

    /// Returns a backup of a database, made by `pg_dump`.
    pub fn dump(&self, url: &str) -> Vec<u8> {
        let made =
            Command::new(programs().join("pg_dump")).args(["--clean", "--if-exists", "-d", url]).output().unwrap();
        assert!(made.status.success(), "pg_dump failed: {}", String::from_utf8_lossy(&made.stderr));
        made.stdout
    }

    /// Replaces a database's contents with a backup.
    pub fn restore(&self, url: &str, dump: &[u8]) {
        // By standard input: tests that share the server restore at the same time.
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-d", url, "-f", "-"]);
        let mut psql = psql.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        psql.stdin.take().unwrap().write_all(dump).unwrap();
        let restored = psql.wait_with_output().unwrap();
        assert!(restored.status.success(), "psql failed: {}", String::from_utf8_lossy(&restored.stderr));
    }

    /// Returns the socket on which it listens.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Returns its folder, in the form used in addresses.
    pub fn host(&self) -> String {
        self.folder.display().to_string()
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A server that was stopped has left its folder.
        drop(self.server.take());
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Creates a folder owned by the user that runs the server.
fn folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("evenlight-pg-").tempdir().unwrap().keep();
    if is_root() {
        let owned = Command::new("chown").arg("postgres").arg(&folder).status().unwrap();
        assert!(owned.success(), "{} can't be owned by the user postgres", folder.display());
    }
    folder
}

/// Starts a server. At the end of the test process its data are worthless: SIGQUIT is PostgreSQL's immediate shutdown.
fn spawn(folder: &Path, settings: &[&str]) -> Kept {
    let mut command = server_command(&programs().join("postgres"));
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    command.args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
    for setting in settings {
        command.args(["-c", setting]);
    }
    Kept::start(&command, &folder.join("log"), "QUIT", Some(folder))
}

/// Returns the child processes of a process.
fn children(parent: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything; after it come the state and the parent.
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

/// PostgreSQL refuses to run as root.
fn server_command(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Returns the program folder of the newest installed version.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    found.sort();
    let (_, bin) = found
        .pop()
        .expect("these tests need a PostgreSQL server in /usr/lib/postgresql: on Debian, `apt-get install postgresql`");
    bin
}
