//! Client connections: their state, and a minimum rate for what clients read.
//!
//! [`Connection`] is shared by the accept loop, which closes idle connections when there are too many, and by the
//! requests on the connection. [`Watched`] wraps the socket and breaks the connection when the client reads too slowly.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use pipeline::intake::turns::Client;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::pace::{Pace, Slowest};

/// Bytes that a client must read in every window in which the server waits for it.
const MIN_BYTES_PER_WINDOW: usize = 32 << 10;
/// Limit of unsent bytes in the kernel's buffer (`TCP_NOTSENT_LOWAT`), on top of those in flight. The socket becomes
/// writable again when half of them are sent, so progress is seen in steps of that size.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 64 << 10;

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    /// Requests whose response hasn't been sent completely.
    requests: AtomicUsize,
    /// When the last request ended; milliseconds of [`clock`].
    idle_since: AtomicU64,
    /// When the client stopped reading a response that waits for it; milliseconds of [`clock`], 0 if nothing waits.
    stalled_since: AtomicU64,
    closed: CancellationToken,
}

impl Connection {
    pub(crate) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(clock()),
            stalled_since: AtomicU64::new(0),
            closed: CancellationToken::new(),
        })
    }

    /// The client at the other end.
    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// Breaks the connection.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Whether [`Connection::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Waits until [`Connection::close`] is called.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Time since the last request ended; `None` while a request is running or its response isn't sent completely.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let busy = self.requests.load(Ordering::SeqCst) > 0 || self.stalled_since.load(Ordering::SeqCst) > 0;
        (!busy).then(|| since(self.idle_since.load(Ordering::SeqCst)))
    }

    /// Time since the client last read a byte of a response that waits for it; zero if nothing waits.
    pub(crate) fn stalled_for(&self) -> Duration {
        match self.stalled_since.load(Ordering::SeqCst) {
            0 => Duration::ZERO,
            stalled => since(stalled),
        }
    }

    /// Counts a request as running until the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        self.requests.fetch_add(1, Ordering::SeqCst);
        Busy(self.clone())
    }
}

/// Guard of a running request.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Connection>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.idle_since.store(clock(), Ordering::SeqCst);
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The connection that a request came over; `None` in tests that call handlers directly.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(pub(super) Option<Arc<Connection>>);

impl Caller {
    pub(crate) fn of(extensions: &axum::http::Extensions) -> Self {
        Self(extensions.get::<Arc<Connection>>().cloned())
    }

    pub(crate) fn client(&self) -> Client {
        self.0.as_ref().map(|connection| connection.client()).unwrap_or_default()
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

/// A connection's socket, with a minimum rate for writes.
pub(crate) struct Watched {
    socket: TcpStream,
    connection: Arc<Connection>,
    writing: Pace,
}

impl Watched {
    /// Wraps a socket. `window` is how long the client may stay below the minimum rate.
    pub(crate) fn new(socket: TcpStream, connection: Arc<Connection>, window: Duration) -> Self {
        // On a kernel without this option, more bytes are buffered and progress is seen in coarser steps.
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT);
        let writing = Pace::new(Slowest { least: MIN_BYTES_PER_WINDOW, window });
        Self { socket, connection, writing }
    }

    /// Records the outcome of a write, and fails it if the client reads too slowly.
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
                tracing::info!(client = ?self.connection.client.name(), %slow, "client reading too slowly; closing its connection");
                Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, slow)))
            }
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.connection.stalled_since.load(Ordering::SeqCst) > 0 {
            // Reset rather than close: otherwise the kernel would keep the bytes that the client doesn't read.
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
    // A `u64` holds half a billion years.
    BEGUN.elapsed().as_millis() as u64 + 1
}

fn since(then: u64) -> Duration {
    Duration::from_millis(clock().saturating_sub(then))
}
