//! The accept loop: serves HTTP/1.1 connections within a limit derived from the process's file descriptors.
//!
//! Half of the descriptors are for clients; the catalog, the store and the coordinator need the rest. When the limit is
//! reached, a new connection displaces the one that has been idle longest; if none is idle, it is answered 503. One
//! address may hold at most three quarters of the connections ([`Client::share`]); beyond that, its new connection
//! displaces its own longest idle one or is answered 429. A connection whose first request isn't complete counts as
//! idle, so half-sent request heads are displaced first.
//!
//! # Hazards
//! - *A client may send its next request just as its idle connection is closed*, as with any HTTP server; clients
//!   retry.
//! - *The lifetime of a connection isn't limited*, because of event streams and long downloads. What is limited is how
//!   long the server waits for a client's next bytes ([`pace`](super::pace)) and for its next request.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pipeline::intake::turns::Client;
use shared::error::{PROBLEM_JSON, Problem};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::connection::{Busy, Connection, Watched};

/// Bytes buffered per connection and direction.
const BUFFER_BYTES: usize = 64 << 10;
/// Refusals written concurrently; connections beyond that are closed without one.
const MAX_REFUSALS: usize = 16;
/// Timeout for writing a refusal and for the client to read it.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause after a failed accept, such as for lack of descriptors.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(200);
/// `Retry-After` of a refusal, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;
/// Upper bound on connections, regardless of the descriptors.
const MAX_CONNECTIONS: u64 = 10_000;

/// Connection limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Maximum number of open connections.
    pub connections: usize,
    /// How long a client may stay below the minimum rate.
    pub timeout: Duration,
}

/// Returns half of the process's file descriptors, at most 10,000, after raising the soft limit to the hard limit.
pub fn connections_by_descriptors() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If raising fails, the current limit counts.
    let _ = setrlimit(Resource::Nofile, limit);
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((descriptors / 2).clamp(1, MAX_CONNECTIONS)).unwrap_or(usize::MAX)
}

/// Timeout for the next complete request: longer than the one for a body's next bytes. Proxies keep connections for a
/// minute and must close theirs first, or a request would meet a closed connection.
fn between_requests(timeout: Duration) -> Duration {
    timeout + timeout / 4
}

/// Serves until `stop` is cancelled; returns once the requests that were running then have been answered.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let (open, tasks) = (Open::new(limits.connections), TaskTracker::new());
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((socket, address)) => {
                failing = false;
                let client = Client::at(address.ip());
                match open.admit(client) {
                    Ok(admitted) => drop(tasks.spawn(answer(socket, admitted, router.clone(), limits, stop.clone()))),
                    Err(refusal) => {
                        if let Ok(permit) = refusals.clone().try_acquire_owned() {
                            tasks.spawn(async move {
                                let _permit = permit;
                                let _ = tokio::time::timeout(REFUSAL_TIMEOUT, refuse(socket, &refusal)).await;
                            });
                        }
                    }
                }
            }
            // The client gave up before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::error!(%error, "accepting connections failed; retrying");
                }
                tokio::time::sleep(ACCEPT_RETRY_PAUSE).await;
            }
        }
    }
    drop(listener);
    tasks.close();
    tasks.wait().await;
}

/// Serves the requests of a connection until it ends.
async fn answer(socket: TcpStream, admitted: Admitted, router: Router, limits: Limits, stop: CancellationToken) {
    let connection = admitted.connection.clone();
    let io = Watched::new(socket, connection.clone(), limits.timeout);
    let sender = connection.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (busy, router) = (sender.request(), router.clone());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(sender.clone());
        async move {
            let response = router.oneshot(request).await?;
            Ok::<_, Infallible>(response.map(|body| Answer { body, _busy: busy }))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(between_requests(limits.timeout)).max_buf_size(BUFFER_BYTES);
    let mut served = pin!(http.serve_connection(TokioIo::new(io), service));
    let mut stopped = pin!(stop.cancelled());
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut served => {
                if let Err(error) = ended {
                    tracing::debug!(client = ?connection.client().name(), %error, "connection ended early");
                }
                return;
            }
            () = connection.closed() => return,
            () = &mut stopped, if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

/// A response body that keeps its connection busy until it is sent.
struct Answer {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a connection isn't served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// All connections are in use; holds the limit.
    Full(usize),
    /// The client's address uses its whole share; holds the share.
    Share(usize),
}

impl Refusal {
    fn problem(self) -> (StatusCode, Problem) {
        let (status, detail) = match self {
            Self::Full(most) => (
                StatusCode::SERVICE_UNAVAILABLE,
                format!("This server has {most} connections in use, which is the limit; try again in a moment."),
            ),
            Self::Share(most) => (
                StatusCode::TOO_MANY_REQUESTS,
                format!("Your address has {most} connections in use, which is the limit; close one and try again."),
            ),
        };
        (status, Problem::new(status.as_u16(), status.canonical_reason().unwrap_or_default(), detail))
    }
}

/// Answers with the reason, and closes the connection.
async fn refuse(mut socket: TcpStream, refusal: &Refusal) -> io::Result<()> {
    let (status, problem) = refusal.problem();
    let body = serde_json::to_string(&problem)?;
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_JSON}\r\nretry-after: {RETRY_AFTER_SECONDS}\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    // Unread bytes would make the kernel reset the connection, and the client wouldn't see the answer.
    let mut rest = [0; 1 << 10];
    while socket.read(&mut rest).await? > 0 {}
    Ok(())
}

/// The open connections.
struct Open {
    most: usize,
    connections: Mutex<(u64, HashMap<u64, Arc<Connection>>)>,
}

/// Registration of an open connection; removed on drop.
struct Admitted {
    open: Arc<Open>,
    number: u64,
    connection: Arc<Connection>,
}

impl Open {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, connections: Mutex::default() })
    }

    /// Makes room for a connection and registers it.
    fn admit(self: &Arc<Self>, client: Client) -> Result<Admitted, Refusal> {
        let connection = Connection::new(client);
        let mut open = self.lock();
        self.make_room(&open.1, client)?;
        open.0 += 1;
        let number = open.0;
        open.1.insert(number, connection.clone());
        drop(open);
        Ok(Admitted { open: self.clone(), number, connection })
    }

    /// Closes an idle connection if a limit is reached. Connections that are being closed don't count.
    fn make_room(&self, open: &HashMap<u64, Arc<Connection>>, client: Client) -> Result<(), Refusal> {
        let share = client.share(self.most as u64) as usize;
        if open.len() < share {
            return Ok(());
        }
        let live = || open.values().filter(|connection| !connection.is_closed());
        let own = || live().filter(|connection| connection.client() == client);
        if own().count() >= share {
            return close_idlest(own()).ok_or(Refusal::Share(share));
        }
        if live().count() >= self.most {
            return close_idlest(live()).ok_or(Refusal::Full(self.most));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Arc<Connection>>)> {
        // A poisoned lock is safe: no change can panic halfway.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn close_idlest<'a>(connections: impl Iterator<Item = &'a Arc<Connection>>) -> Option<()> {
    let idle = connections.filter_map(|connection| Some((connection.idle_for()?, connection)));
    let (_, idlest) = idle.max_by_key(|(idle, _)| *idle)?;
    idlest.close();
    Some(())
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.open.lock().1.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::IpAddr;

    use super::*;

    fn client(last: u8) -> Client {
        Client::at(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn the_longest_idle_connection_makes_room_and_busy_ones_stay() {
        let open = Open::new(4);
        let admitted = [1, 2, 3, 4].map(|last| {
            // They have been idle for different times.
            std::thread::sleep(Duration::from_millis(5));
            open.admit(client(last)).unwrap()
        });
        let busy = admitted[0].connection.request();
        let _fifth = open.admit(client(5)).unwrap();
        let closed = admitted.each_ref().map(|admitted| admitted.connection.is_closed());
        assert_eq!(closed, [false, true, false, false]);
        drop(busy);
    }

    #[test]
    fn a_connection_is_refused_when_all_are_busy() {
        let open = Open::new(4);
        let admitted = [1, 2, 3, 4].map(|last| open.admit(client(last)).unwrap());
        let _busy = admitted.each_ref().map(|admitted| admitted.connection.request());
        assert_eq!(open.admit(client(5)).err(), Some(Refusal::Full(4)));
        drop(admitted);
        open.admit(client(5)).unwrap();
    }

    #[test]
    fn one_address_cannot_hold_the_last_quarter() {
        let open = Open::new(4);
        let own = [1, 1, 1].map(|last| open.admit(client(last)).unwrap());
        let busy = own.each_ref().map(|admitted| admitted.connection.request());
        assert_eq!(open.admit(client(1)).err(), Some(Refusal::Share(3)));
        let _other = open.admit(client(2)).unwrap();
        drop(busy);
        let _again = open.admit(client(1)).unwrap();
        assert!(own.iter().filter(|admitted| admitted.connection.is_closed()).count() == 1);
    }
}
