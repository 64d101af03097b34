//! Child processes that end with the test process, however that ends.
//!
//! Each is the child of a shell that reads a pipe from the test process. When the test process ends, even by SIGKILL, the pipe
//! closes, and the shell ends its child and removes the child's folder. Nothing else is ever signalled.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Runs a command and prints its pid, then reads the name of a signal. Without one, sends `$AT_END` and removes `$FOLDER`. The
/// terminal's interrupt reaches the shell as well, which must live on to clean up. The trap comes after the fork: a child that inherits
/// it, and is signalled before it has started its program, would lose the signal.
const KEEPER: &str = r#"
"$@" </dev/null >>"$LOG" 2>&1 & pid=$!
trap : INT TERM HUP
echo $pid
read -r signal
kill -s "${signal:-$AT_END}" $pid 2>/dev/null
# A stopped process takes no signal but KILL.
kill -s CONT $pid 2>/dev/null
wait $pid 2>/dev/null
[ -n "$signal" ] || [ -z "$FOLDER" ] || rm -rf -- "$FOLDER"
"#;

/// A running child process and its shell.
pub struct Kept {
    shell: Child,
    pid: u32,
}

impl Kept {
    /// Starts a command's program with its arguments; it appends its output to `log`. When the test process ends or this is
    /// dropped, it gets the signal `at_end`, and `folder` is removed.
    pub fn start(command: &Command, log: &Path, at_end: &str, folder: Option<&Path>) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", KEEPER, "keeper"]).arg(command.get_program()).args(command.get_args());
        shell.env("LOG", log).env("AT_END", at_end).env("FOLDER", folder.unwrap_or(Path::new("")));
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh runs");
        let mut pid = String::new();
        let stdout = shell.stdout.take().expect("its output is piped");
        BufReader::new(stdout).read_line(&mut pid).expect("the shell prints the pid");
        Self { shell, pid: pid.trim().parse().expect("a pid") }
    }

    /// Returns the child's pid.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal by name, such as `STOP`, which must succeed.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid.to_string()]).status().expect("kill runs");
        assert!(sent.success(), "kill -s {name} {}: {sent}", self.pid);
    }

    /// Ends the child with this signal, waits for it, and keeps its folder.
    pub fn end(mut self, signal: &str) {
        let stdin = self.shell.stdin.as_mut().expect("its input is piped");
        writeln!(stdin, "{signal}").expect("the shell reads");
    }

    /// Returns whether the child still runs.
    pub fn runs(&self) -> bool {
        // Its parent, the shell, waits for it only at the end, so until then a dead child is a zombie.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // The name in parentheses may contain anything; the state follows it.
        stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Returns the last lines of a log.
pub fn tail(log: &Path) -> Vec<String> {
    let mut text = String::new();
    let _ = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(30)..].to_vec()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::wait::{eventually_blocking, ok_if};

    /// Where the child process must work; set only in the child.
    const CHILD: &str = "EVENLIGHT_TEST_KEEP_UNTIL_KILLED";

    const LIMIT: Duration = Duration::from_secs(60);

    /// Not a test of its own: the child process below runs it until it is killed.
    #[test]
    fn a_test_process_that_is_killed() {
        let Ok(folder) = std::env::var(CHILD) else { return };
        let folder = Path::new(&folder);
        let mut sleep = Command::new("sleep");
        sleep.arg("600");
        let kept = Kept::start(&sleep, &folder.join("log"), "TERM", Some(folder));
        kept.signal("STOP");
        fs::write(folder.join("new"), kept.pid().to_string()).unwrap();
        fs::rename(folder.join("new"), folder.join("pid")).unwrap();
        // Its parent holds the other end.
        let _ = std::io::stdin().read_line(&mut String::new());
    }

    #[test]
    fn even_a_paused_server_and_its_folder_go_when_the_test_process_is_killed() {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "keeper::tests::a_test_process_that_is_killed"])
            .env(CHILD, &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually_blocking("the server's start", LIMIT, || ok_if(folder.join("pid").exists(), child.try_wait()));
        let server = fs::read_to_string(folder.join("pid")).unwrap();
        let process = Path::new("/proc").join(server);
        assert!(process.exists());
        child.kill().unwrap();
        child.wait().unwrap();
        eventually_blocking("the server's end", LIMIT, || ok_if(!process.exists(), &process));
        eventually_blocking("the folder's end", LIMIT, || ok_if(!folder.exists(), &folder));
    }
}
