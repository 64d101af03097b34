//! A real S3 server process (PyPI's `moto`) for tests, on a free port of this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::keeper::Kept;
use crate::wait::eventually_blocking;

/// A running server. It ends with the test process.
pub struct S3 {
    server: Kept,
    port: u16,
    buckets: AtomicU32,
}

impl S3 {
    /// Returns the server shared by all tests of this process, each test in its own bucket.
    pub fn shared() -> &'static S3 {
        static SHARED: OnceLock<S3> = OnceLock::new();
        SHARED.get_or_init(S3::start)
    }

    fn start() -> S3 {
        let program = program();
        // Another process may take the port between the check and the server's bind.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            let server = Kept::start(&command, Path::new("/dev/null"), "KILL", None);
            let s3 = S3 { server, port, buckets: AtomicU32::new(0) };
            if s3.await_ready() {
                return s3;
            }
        }
        panic!("{} ended at once, five times", program.display());
    }

    fn await_ready(&self) -> bool {
        eventually_blocking("the S3 server", Duration::from_secs(60), || match self.server.runs() {
            false => Ok(false),
            true => TcpStream::connect(("127.0.0.1", self.port)).map(|_| true),
        })
    }

    /// Creates an empty bucket and returns its name.
    pub fn bucket(&self) -> String {
        let name = format!("evenlight-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        let answer = self.request("PUT", &format!("/{name}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        name
    }

    /// Returns its listening address.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// Returns the `AWS_*` variables for this server.
    pub fn variables(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Sends a plain HTTP request that the store can't make, and returns the whole response.
    pub fn request(&self, method: &str, path: &str) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.port
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("EVENLIGHT_MOTO") {
        return program.into();
    }
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/moto_server");
    assert!(
        program.exists(),
        "these tests need an S3 server: in the repository's root, run `python3 -m venv .venv && \
         .venv/bin/pip install 'moto[server,s3]==5.2.5'`, or set EVENLIGHT_MOTO to a moto_server's path"
    );
    program
}
