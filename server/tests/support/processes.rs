//! Processes of the real binary for tests. Each is killed by its own pid when the test lets it go.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::client::Client;

/// A running `evenlight serve`.
pub struct Server {
    child: Child,
    log: std::path::PathBuf,
    /// The pod's name.
    pub name: String,
    /// `host:port` where it listens.
    pub address: String,
    /// Talks to it.
    pub client: Client,
}

/// A wall clock of processes, which a test steps. It is played by libfaketime (Debian's package `faketime`); the monotonic
/// clock goes on as it does on a machine whose wall clock is set.
pub struct Clock(std::path::PathBuf);

impl Clock {
    /// The machine's time, until it is stepped.
    pub fn new(folder: &Path) -> Self {
        let clock = Self(folder.join("clock"));
        clock.step("+0");
        clock
    }

    /// Steps to so much more or less than the machine's time, such as `+55h`.
    pub fn step(&self, offset: &str) {
        // Renamed into place: a half written file would be another time.
        let fresh = self.0.with_extension("new");
        std::fs::write(&fresh, offset).unwrap();
        std::fs::rename(fresh, &self.0).unwrap();
    }
}

impl Server {
    /// As [`Server::start`], with a wall clock of its own.
    pub fn start_at(clock: &Clock, name: &str, logs: &Path, args: &[&str]) -> Self {
        let library = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
        let library = library.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenlight"));
        command
            .env("LD_PRELOAD", library.expect("Debian's package faketime is installed"))
            .env("FAKETIME_TIMESTAMP_FILE", &clock.0)
            .envs([("FAKETIME_NO_CACHE", "1"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
        Self::start_as(command, name, logs, args)
    }

    /// Starts one, and waits until it says where it is.
    pub fn start(name: &str, logs: &Path, args: &[&str]) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_evenlight")), name, logs, args)
    }

    /// As [`Server::start`], with these variables of the environment.
    pub fn start_with(name: &str, logs: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenlight"));
        command.envs(variables.iter().copied());
        Self::start_as(command, name, logs, args)
    }

    /// As [`Server::start`], with so many file descriptors and no more.
    pub fn start_with_descriptors(name: &str, logs: &Path, args: &[&str], descriptors: u32) -> Self {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={descriptors}")).arg(env!("CARGO_BIN_EXE_evenlight"));
        Self::start_as(limited, name, logs, args)
    }

    /// As [`Server::start`], with so many bytes of address space and no more: what allocates more ends the process.
    pub fn start_limited(name: &str, logs: &Path, args: &[&str], bytes: u64) -> Self {
        let mut limited = Command::new("prlimit");
        // Each of glibc's arenas reserves 64 MiB, used or not.
        limited.arg(format!("--as={bytes}")).arg(env!("CARGO_BIN_EXE_evenlight")).env("MALLOC_ARENA_MAX", "2");
        Self::start_as(limited, name, logs, args)
    }

    fn start_as(mut command: Command, name: &str, logs: &Path, args: &[&str]) -> Self {
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
        // Whoever writes to a closed pipe fails: keep it open and empty.
        std::thread::spawn(move || lines.for_each(drop));
        let log = logs.join(format!("{name}.log"));
        Self { child, name: name.to_owned(), address: address.to_owned(), log, client }
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by name, such as `TERM`, `STOP` or `CONT`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -{name} failed");
    }

    /// Waits for it to end by itself; whether it ended well.
    pub fn wait(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it has ended by itself, and gives what it said.
    ///
    /// # Panics
    /// If it ended well, or runs on.
    pub fn refusal(&mut self) -> String {
        let begun = std::time::Instant::now();
        while !self.has_ended() {
            assert!(begun.elapsed() < super::client::PATIENCE, "{} runs on", self.name);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(!self.wait(), "{} ended well", self.name);
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Lines that it has logged.
    pub fn log_lines(&self) -> usize {
        std::fs::read_to_string(&self.log).unwrap().lines().count()
    }

    /// Processor time that it has used.
    pub fn processor_time(&self) -> std::time::Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, in parentheses, comes the third field; user and system time are the 14th and 15th, in ticks of 10 ms.
        let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
        std::time::Duration::from_millis(ticks.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
    }

    /// The number of its threads.
    pub fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// The most memory it ever held, in bytes (VmHWM). The kernel sums it up roughly: a later figure may be a little less.
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:") * 1024
    }

    /// The memory that it holds, in bytes (VmRSS).
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
