//! Probes of another pod's process over HTTP: which incarnation answers at an address, and in what state.

use std::io::{self, ErrorKind};
use std::time::Duration;

use base::incarnation;
use shared::id::PodName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connection timeout.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum size of a response's head, in bytes.
const MAX_HEAD_BYTES: usize = 8 << 10;

/// The process that answers at an address, as `/healthz` reports it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Incarnation of the process.
    pub process: String,
    /// How long it has been cut off from the coordinator; zero if it isn't.
    pub cut_off: Duration,
    /// Pods that live in the process, each with its life's id; `None` if it doesn't report them.
    pub lives: Option<Vec<(String, String)>>,
}

impl Peer {
    /// Returns whether a pod of this name lives in the process.
    pub(crate) fn has(&self, pod: &PodName) -> bool {
        self.lives.iter().flatten().any(|(name, _)| name == pod.as_str())
    }

    /// Returns whether the process reports that a life has ended.
    pub(crate) fn has_lost(&self, life: &str) -> bool {
        let lost = |lives: &Vec<(String, String)>| !lives.iter().any(|(_, other)| other == life);
        !life.is_empty() && self.lives.as_ref().is_some_and(lost)
    }
}

/// Outcome of a probe.
pub(crate) enum Answer {
    /// This process answered, and its connection is open.
    Peer(Peer, TcpStream),
    /// The connection was refused.
    Refused,
    /// Anything else: no route, no answer, an answer that isn't a pod's.
    Nothing,
}

impl Answer {
    /// Returns the process that answered, if any.
    pub(crate) fn peer(self) -> Option<Peer> {
        match self {
            Answer::Peer(peer, _) => Some(peer),
            Answer::Refused | Answer::Nothing => None,
        }
    }
}

/// Probes an address; waits for the answer for as long as the connection stands.
pub(crate) async fn ask(address: &str) -> Answer {
    match connect(address).await {
        Ok(mut connection) => match question(&mut connection, address).await {
            Ok(Some(peer)) => Answer::Peer(peer, connection),
            Ok(None) | Err(_) => Answer::Nothing,
        },
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Answer::Refused,
        Err(_) => Answer::Nothing,
    }
}

/// Connects. Fails with *refused* only if every address of the name refuses.
async fn connect(address: &str) -> io::Result<TcpStream> {
    let mut refused = None;
    for address in tokio::net::lookup_host(address).await? {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => refused = Some(error),
            Ok(Err(error)) => return Err(error),
            Err(elapsed) => return Err(elapsed.into()),
        }
    }
    Err(refused.unwrap_or_else(|| ErrorKind::AddrNotAvailable.into()))
}

/// Sends the request on this connection and reads the answer.
async fn question(connection: &mut TcpStream, address: &str) -> io::Result<Option<Peer>> {
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nuser-agent: evenlight-witness\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if head.len() > MAX_HEAD_BYTES || connection.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    };
    Ok(peer_of(&String::from_utf8_lossy(&head[..end])))
}

/// Parses the head of a response.
fn peer_of(head: &str) -> Option<Peer> {
    let value = |name: &str| {
        let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let cut_off =
        value(incarnation::CUT_OFF).and_then(|ms| ms.parse().ok()).map_or(Duration::ZERO, Duration::from_millis);
    let life = |life: &str| life.split_once('=').map(|(pod, life)| (pod.to_owned(), life.to_owned()));
    let lives = value(incarnation::LIVES).map(|lives| lives.split(',').filter_map(life).collect());
    Some(Peer { process: value(incarnation::PROCESS)?.to_owned(), cut_off, lives })
}

/// Waits until a connection is closed or broken.
pub(crate) async fn closed(mut connection: TcpStream) {
    let mut rest = [0; 64];
    while connection.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_read_from_the_head_whatever_its_case() {
        let peer =
            |process: &str, ms| Some(Peer { process: process.into(), cut_off: Duration::from_millis(ms), lives: None });
        assert_eq!(peer_of("HTTP/1.1 200 OK\r\nEVENLIGHT-Process:  x1 \r\na: b"), peer("x1", 0));
        assert_eq!(peer_of("HTTP/1.1 200 OK\r\nevenlight-cut-off: 1200\r\nevenlight-process: x"), peer("x", 1_200));
        assert_eq!(peer_of("HTTP/1.1 200 OK\r\nevenlight-cut-off: long\r\nevenlight-process: x"), peer("x", 0));
        let lives = peer_of("HTTP/1.1 200 OK\r\nevenlight-process: x\r\nevenlight-lives: pod-1=a,pod-2=b")
            .and_then(|peer| peer.lives);
        assert_eq!(lives, Some(vec![("pod-1".into(), "a".into()), ("pod-2".into(), "b".into())]));
        assert_eq!(peer_of("HTTP/1.1 404 Not Found\r\nserver: other"), None);
    }
}
