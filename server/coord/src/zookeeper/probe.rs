//! Liveness probe of the servers, run before a session is opened so that it doesn't start on a server that hangs.
//!
//! The client tries one server at a time, in an order of its own, and waits for each as long as for a silent connection: 2/5 of
//! the session timeout. A server that hangs still accepts connections, through its kernel. So the probe asks all servers at
//! once for their state (`srvr`, the only four-letter word allowed by default; any answer counts, even a refusal) and leaves
//! out those that stay silent.
//!
//! Leaving servers out must not hurt the session later, when the connected server dies. As long as those that answered are a
//! majority, every quorum includes one of them; if they are fewer, none is left out.

use std::time::Duration;

use base::backoff::Backoff;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Longest wait for answers.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);
/// Additional wait for the others once a majority has answered.
const MAJORITY_GRACE: Duration = Duration::from_millis(50);

/// Result of probing a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reply {
    /// It serves clients.
    Serves,
    /// It is up but can't serve (yet): it has no quorum.
    Waits,
    /// It doesn't listen, or doesn't answer.
    Silent,
}

/// Returns the servers of a connect string, `host:port,…`, that a session should be opened with. Waits while all of them are
/// silent or can't serve, so that the first to come back is found at once.
///
/// # Cancellation
/// Safe. The caller limits the total time.
pub(super) async fn answering(servers: &str) -> String {
    let all: Vec<&str> = servers.split(',').collect();
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_millis(400));
    loop {
        let (replies, reached) = ask_all(&all).await;
        let serving: Vec<&str> =
            all.iter().zip(&replies).filter(|(_, reply)| **reply == Reply::Serves).map(|(server, _)| *server).collect();
        if serving.len() * 2 > all.len() {
            return serving.join(",");
        }
        // Too few serve to leave out the others; or a server took the connection and stayed silent, as something other than
        // ZooKeeper's own port may do.
        if !serving.is_empty() || reached {
            return servers.to_owned();
        }
        backoff.wait().await;
    }
}

/// Probes all servers at once; the flag is true if one accepted the connection, kept it open, and sent nothing.
async fn ask_all(servers: &[&str]) -> (Vec<Reply>, bool) {
    let mut replies = vec![Reply::Silent; servers.len()];
    let mut mute = false;
    let mut asking: FuturesUnordered<_> =
        servers.iter().enumerate().map(|(at, server)| async move { (at, ask(server).await) }).collect();
    let mut until = Instant::now() + PROBE_TIMEOUT;
    loop {
        tokio::select! {
            answered = asking.next() => match answered {
                Some((at, Some(reply))) => replies[at] = reply,
                Some((_, None)) => mute = true,
                None => break,
            },
            () = sleep_until(until) => break,
        }
        if replies.iter().filter(|reply| **reply == Reply::Serves).count() * 2 > servers.len() {
            until = until.min(Instant::now() + MAJORITY_GRACE);
        }
    }
    (replies, mute)
}

/// Probes one server; `None` if it accepted the connection and sent nothing.
async fn ask(server: &str) -> Option<Reply> {
    let until = Instant::now() + PROBE_TIMEOUT - MAJORITY_GRACE;
    let Ok(Ok(mut connection)) = timeout_at(until, TcpStream::connect(server)).await else {
        return Some(Reply::Silent);
    };
    let mut answer = String::new();
    let asked = async {
        connection.write_all(b"srvr").await?;
        connection.read_to_string(&mut answer).await
    };
    let asked = timeout_at(until, asked).await;
    match asked {
        Ok(Ok(0) | Err(_)) => Some(Reply::Silent),
        Ok(Ok(_)) if answer.contains("not currently serving") => Some(Reply::Waits),
        Ok(Ok(_)) => Some(Reply::Serves),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request. Closing the connection with the request unread would reset it and lose the answer.
    async fn reply(connection: &mut TcpStream, answer: &str) {
        connection.read_exact(&mut [0; 4]).await.unwrap();
        connection.write_all(answer.as_bytes()).await.unwrap();
    }

    /// A server that answers each request with this, or accepts connections and stays silent.
    async fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                match answer {
                    Some(answer) => reply(&mut connection, answer).await,
                    None => kept.push(connection),
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn a_silent_server_is_left_out_where_the_others_are_a_majority() {
        let (a, b) = (server(Some("Mode: follower")).await, server(Some("Mode: leader")).await);
        let hangs = server(None).await;
        assert_eq!(answering(&format!("{a},{hangs},{b}")).await, format!("{a},{b}"));
        let all = format!("{a},{hangs},{}", server(None).await);
        assert_eq!(answering(&all).await, all, "one of three is no majority");
    }

    #[tokio::test]
    async fn servers_that_come_back_are_waited_for() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = gone.local_addr().unwrap();
        drop(gone);
        let waiting = tokio::spawn(async move { answering(&address.to_string()).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!waiting.is_finished());
        let back = TcpListener::bind(address).await.unwrap();
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = back.accept().await.unwrap();
                reply(&mut connection, "Mode: standalone").await;
            }
        });
        assert_eq!(waiting.await.unwrap(), address.to_string());
    }
}
