//! Processes of the real binary. Each is killed by its own pid when dropped.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::client::Client;
use crate::wait::{PATIENCE, eventually_blocking, ok_if};

/// The binary `evenlight`. Cargo passes its path only to the tests of the package `server`, so each suite has a constant:
///
/// ```ignore
/// const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Evenlight(pub &'static str);

impl Evenlight {
    /// Returns a command that runs it.
    pub fn command(self) -> Command {
        Command::new(self.0)
    }

    /// Starts a server with this pod name and these arguments, which logs to `logs/name.log`, and waits until it reports its
    /// address.
    pub fn serve(self, name: &str, logs: &Path, args: &[&str]) -> Server {
        Server::start(self.command(), name, logs, args)
    }

    /// Like [`Evenlight::serve`], with additional environment variables.
    pub fn serve_with(self, name: &str, logs: &Path, args: &[&str], variables: &[(&str, &str)]) -> Server {
        let mut command = self.command();
        command.envs(variables.iter().copied());
        Server::start(command, name, logs, args)
    }

    /// Like [`Evenlight::serve`], with its own wall clock.
    pub fn serve_at(self, clock: &Clock, name: &str, logs: &Path, args: &[&str]) -> Server {
        let library = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
        let library = library.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let mut command = self.command();
        command
            .env("LD_PRELOAD", library.expect("Debian's package faketime is installed"))
            .env("FAKETIME_TIMESTAMP_FILE", &clock.0)
            .envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
        Server::start(command, name, logs, args)
    }

    /// Like [`Evenlight::serve`], with a limit on file descriptors.
    pub fn serve_with_descriptors(self, name: &str, logs: &Path, args: &[&str], descriptors: u32) -> Server {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={descriptors}")).arg(self.0);
        Server::start(limited, name, logs, args)
    }

    /// Like [`Evenlight::serve`], with a limit on the address space in bytes: allocating more ends the process.
    pub fn serve_limited(self, name: &str, logs: &Path, args: &[&str], bytes: u64) -> Server {
        let mut limited = Command::new("prlimit");
        // Each of glibc's arenas reserves 64 MiB, whether used or not.
        limited.arg(format!("--as={bytes}")).arg(self.0).env("MALLOC_ARENA_MAX", "2");
        Server::start(limited, name, logs, args)
    }
}

/// A running `evenlight serve`.
pub struct Server {
    child: Child,
    log: std::path::PathBuf,
    /// Pod name.
    pub name: String,
    /// `host:port` on which it listens.
    pub address: String,
    /// Client of this process.
    pub client: Client,
}

/// A wall clock for processes that a test can step. Implemented with libfaketime (Debian's package `faketime`); the monotonic
/// clock continues unchanged, as on a machine whose wall clock is set.
pub struct Clock(std::path::PathBuf);

impl Clock {
    /// Starts with the machine's time.
    pub fn new(folder: &Path) -> Self {
        let clock = Self(folder.join("clock"));
        clock.step("+0");
        clock
    }

    /// Steps the clock to the machine's time plus an offset, such as `+55h`.
    pub fn step(&self, offset: &str) {
        // Renamed into place, because a half-written file would be read as another time.
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, offset).unwrap();
        std::fs::rename(fresh, &self.0).unwrap();
    }
}

impl Server {
    fn start(mut command: Command, name: &str, logs: &Path, args: &[&str]) -> Self {
        let log = std::fs::File::create(logs.join(format!("{name}.log"))).unwrap();
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--pod-name", name])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().and_then(Result::ok);
        let address = first.as_ref().and_then(|line| line.split("http://").nth(1)?.split(' ').next());
        let Some(address) = address else {
            let log = std::fs::read_to_string(logs.join(format!("{name}.log"))).unwrap_or_default();
            panic!("{name} didn't start ({first:?}):\n{log}");
        };
        let client = Client::new(address);
        // Keep reading the pipe: writing to a closed pipe fails, and to a full one blocks.
        std::thread::spawn(move || lines.for_each(drop));
        let log = logs.join(format!("{name}.log"));
        Self { child, name: name.to_owned(), address: address.to_owned(), log, client }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name, such as `TERM`, `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name} failed");
    }

    /// Waits until it ends by itself; returns whether it succeeded.
    pub fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Returns whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself, and returns its error message.
    ///
    /// # Panics
    /// If it succeeded, or keeps running.
    pub fn refusal(&mut self) -> String {
        let end = format!("the end of {}", self.name);
        eventually_blocking(&end, PATIENCE, || ok_if(self.has_ended(), "it runs"));
        assert!(!self.wait(), "{} ended well", self.name);
        self.log()
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Returns the number of log lines.
    pub fn log_lines(&self) -> usize {
        self.log().lines().count()
    }

    /// Returns the CPU time it has used.
    pub fn processor_time(&self) -> std::time::Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The third field follows the name in parentheses; user and system time are the 14th and 15th, in ticks of 10 ms.
        let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        std::time::Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
    }

    /// Returns the number of its threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// Returns its peak memory in bytes (VmHWM). The kernel's figure is approximate: a later one may be slightly lower.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    /// Returns its current memory in bytes (VmRSS).
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
