//! Raw connections to a process: from a chosen address, with a small receive buffer, and as slow as required.

use std::future::Future;
use std::time::Duration;

use testkit::{eventually, ok_if};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Client addresses on this machine.
pub const ONE: &str = "127.0.0.1";
pub const ANOTHER: &str = "127.0.0.2";
/// Bytes that the kernel receives for a client that doesn't read.
const LITTLE: u32 = 4 << 10;
/// Time limit for every wait, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a connection with a small receive buffer.
pub async fn connect(server: &str, from: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(LITTLE).unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    in_time("a connection", socket.connect(server.parse().unwrap())).await.unwrap()
}

/// Opens a connection, sends these bytes and reads nothing.
pub async fn send(server: &str, from: &str, bytes: &str) -> TcpStream {
    let mut connection = connect(server, from).await;
    connection.write_all(bytes.as_bytes()).await.unwrap();
    connection
}

/// Returns a request's head without the empty line that ends it.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nhost: here\r\n{headers}")
}

/// Returns a request without a body.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    head(method, path, headers) + "\r\n"
}

/// Creates an HTTP client that connects from an address.
pub fn http(from: &str) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Each request uses a new connection, like a new client.
    let http = reqwest::Client::builder().local_address(Some(from.parse().unwrap())).pool_max_idle_per_host(0);
    http.build().unwrap()
}

/// Returns how many of these connections have data to read or have ended.
pub async fn answered(connections: &[TcpStream]) -> usize {
    let mut answered = 0;
    for connection in connections {
        let mut byte = [0];
        let peek = tokio::time::timeout(Duration::from_millis(1), connection.peek(&mut byte)).await;
        answered += usize::from(peek.is_ok());
    }
    answered
}

/// Reads everything that arrives on a connection until it ends, cleanly or not.
pub async fn rest(mut connection: TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    let reading = async {
        while let Ok(read) = connection.read(&mut piece).await
            && read > 0
        {
            bytes.extend_from_slice(&piece[..read]);
        }
    };
    in_time("a connection's end", reading).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

pub async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} didn't come within {PATIENCE:?}"))
}

/// Waits until this many of these connections have data to read.
pub async fn until_answered(connections: &[TcpStream], least: usize) {
    eventually("the first bytes of answers", PATIENCE, async || {
        let answered = answered(connections).await;
        ok_if(answered >= least, answered)
    })
    .await;
}
