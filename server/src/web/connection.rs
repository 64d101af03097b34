//! A client's connection: what it is doing, and its bytes at no less than a minimum rate.
//!
//! [`Connection`] is shared by the accept loop, which closes idle ones when there are too many, and by the requests that
//! come over it. [`Watched`] is the socket: it breaks the connection when the client takes bytes more slowly than it may.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pace::{Pace, Slowest};
use crate::pipeline::turns::Client;

/// Bytes that a client must take in every window in which the server waits for it.
const LEAST_TAKEN: usize = 32 << 10;
/// Bytes that the kernel holds for a client beyond those that are on their way. It says that there is room for more when half of
/// them are gone, which is how finely progress is seen.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    /// Requests that aren't answered to their last byte.
    requests: AtomicUsize,
    /// Since when there have been none; ms of [`clock`].
    idle_since: AtomicU64,
    /// Since when the client has taken no byte of what waits for it; ms of [`clock`], 0: nothing waits.
    stalled_since: AtomicU64,
    closed: CancellationToken,
}

impl Connection {
    pub(super) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(clock()),
            stalled_since: AtomicU64::new(0),
            closed: CancellationToken::new(),
        })
    }

    /// Whose it is.
    pub(super) fn client(&self) -> Client {
        self.client
    }

    /// Breaks it.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Whether somebody breaks it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Waits until somebody breaks it.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// How long it has had no request; `None` while one is under way, or its answer isn't on its way as a whole.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let busy = self.requests.load(Ordering::SeqCst) > 0 || self.stalled_since.load(Ordering::SeqCst) > 0;
        (!busy).then(|| since(self.idle_since.load(Ordering::SeqCst)))
    }

    /// How long its client has taken no byte of what waits for it.
    pub(super) fn stalled_for(&self) -> Duration {
        match self.stalled_since.load(Ordering::SeqCst) {
            0 => Duration::ZERO,
            stalled => since(stalled),
        }
    }

    /// A request begins; it ends when the guard is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct Busy(Arc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(clock(), Ordering::SeqCst);
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who sent a request: its connection, which tests that call handlers directly don't have.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller(pub(super) Option<Arc<Connection>>);

impl Caller {
    pub(super) fn of(extensions: &axum::http::Extensions) -> Self {
        Self(extensions.get::<Arc<Connection>>().cloned())
    }

    pub(super) fn client(&self) -> Client {
        self.0.as_ref().map(|connection| connection.client()).unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

/// A connection's socket.
pub(super) struct Watched {
    socket: TcpStream,
    connection: Arc<Connection>,
    writing: Pace,
}

impl Watched {
    /// `window`: how long a client may take fewer bytes than it must.
    pub(super) fn new(socket: TcpStream, connection: Arc<Connection>, window: Duration) -> Self {
        // Where the kernel can't, it holds more, and progress is seen less finely.
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
        let writing = Pace::new(Slowest { least: LEAST_TAKEN, window });
        Self { socket, connection, writing }
    }

    /// Notes what became of a write.
    fn taken(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(written) => {
                self.writing.moved(*written.as_ref().unwrap_or(&0));
                self.connection.stalled_since.store(0, Ordering::SeqCst);
                Poll::Ready(written)
            }
            Poll::Pending => {
                let unset = self.connection.stalled_since.load(Ordering::SeqCst) == 0;
                if unset {
                    self.connection.stalled_since.store(clock(), Ordering::SeqCst);
                }
                let slow = ready!(self.writing.poll_too_slow(cx));
                tracing::info!(client = ?self.connection.client.name(), %slow, "client takes its answer too slowly; closing its connection");
                Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, slow)))
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.connection.stalled_since.load(Ordering::SeqCst) > 0 {
            // Reset instead of closed: otherwise the kernel would keep what nobody takes.
            let _ = self.socket.set_zero_linger();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_read(cx, into)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.taken(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, bytes);
        this.taken(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

/// Milliseconds of this process's monotonic clock; never 0.
fn clock() -> u64 {
    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Half a billion years fit.
    BEGUN.elapsed().as_millis() as u64 + 1
}

fn since(then: u64) -> Duration {
    Duration::from_millis(clock().saturating_sub(then))
}
