//! A TCP proxy for network faults: it can cut, refuse, hold or delay one direction, break a connection instead of delivering
//! its Nth reply, and hold traffic from a given byte sequence of a client on. It knows no protocol.
//!
//! A *held* direction models a partition: what was sent is neither lost nor answered, and arrives late, when the partition
//! ends, provided the connection still stands. Connections opened meanwhile hang.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::ports::free_port;
use crate::wait::elapse;

/// Destination of connections.
#[derive(Debug, Clone)]
pub enum Target {
    /// A TCP server.
    Tcp(SocketAddr),
    /// A server's Unix socket.
    Unix(PathBuf),
}

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    /// Existing connections stay; new ones are accepted and broken at once.
    Closed,
    /// Existing connections are broken; new ones are accepted and broken at once.
    Cut,
    /// Existing connections are broken and the port is closed, as after the death of a process.
    Refuse,
}

/// What happens to the bytes of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Pass.
    Free,
    /// Arrive after this delay.
    Late(Duration),
    /// Wait until the direction is free again.
    Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    door: Door,
    to_server: Flow,
    to_client: Flow,
}

const CALM: Line = Line { door: Door::Open, to_server: Flow::Free, to_client: Flow::Free };

struct Trap {
    bytes: Vec<u8>,
    passes: u32,
}

struct Shared {
    targets: Mutex<Vec<Target>>,
    next: AtomicUsize,
    line: watch::Sender<Line>,
    /// Number of replies until one is lost; 0: none will be lost.
    doomed: AtomicU32,
    trap: Mutex<Option<Trap>>,
    /// How many times a trap was sprung.
    sprung: watch::Sender<u32>,
}

/// A proxy; dropping it breaks its connections.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    doorkeeper: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and connects each new connection to the next of these targets.
    pub async fn start(targets: Vec<Target>) -> Self {
        assert!(!targets.is_empty(), "a proxy leads somewhere");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            targets: Mutex::new(targets),
            next: AtomicUsize::new(0),
            line: watch::Sender::new(CALM),
            doomed: AtomicU32::new(0),
            trap: Mutex::new(None),
            sprung: watch::Sender::new(0),
        });
        let doorkeeper = tokio::spawn(keep_door(listener, address, Arc::clone(&shared)));
        Self { address, shared, doorkeeper }
    }

    /// Returns its listening address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Keeps existing connections, and breaks new ones at once.
    pub fn close(&self) {
        self.shared.line.send_modify(|line| line.door = Door::Closed);
    }

    /// Breaks existing connections, and new ones at once.
    pub fn cut(&self) {
        self.shared.line.send_modify(|line| line.door = Door::Cut);
    }

    /// Breaks all connections and stops listening.
    pub fn refuse(&self) {
        self.shared.line.send_modify(|line| line.door = Door::Refuse);
    }

    /// Sets the flow from clients to servers.
    pub fn to_server(&self, flow: Flow) {
        self.shared.line.send_modify(|line| line.to_server = flow);
    }

    /// Sets the flow from servers to clients.
    pub fn to_client(&self, flow: Flow) {
        self.shared.line.send_modify(|line| line.to_client = flow);
    }

    /// Ends every fault and removes the trap; held bytes arrive now.
    pub fn mend(&self) {
        *self.shared.trap.lock().unwrap() = None;
        self.shared.line.send_replace(CALM);
    }

    /// Breaks the connection on which the `nth` reply from now (at least 1) would arrive, instead of delivering it. A chunk
    /// that a server sends at once counts as one reply.
    pub fn lose_reply(&self, nth: u32) {
        self.shared.doomed.store(nth, Ordering::SeqCst);
    }

    /// Directs new connections to these targets from now on, and breaks existing ones.
    pub fn lead_to(&self, targets: Vec<Target>) {
        assert!(!targets.is_empty(), "a proxy leads somewhere");
        *self.shared.targets.lock().unwrap() = targets;
        self.shared.line.send_modify(|line| line.door = Door::Cut);
        self.shared.line.send_modify(|line| line.door = Door::Open);
    }

    /// Directs new connections to these targets from now on; existing ones keep theirs.
    pub fn lead_new_to(&self, targets: Vec<Target>) {
        assert!(!targets.is_empty(), "a proxy leads somewhere");
        *self.shared.targets.lock().unwrap() = targets;
    }

    /// Sets a trap: holds everything that clients send, from the `nth` occurrence (at least 1) of these bytes on.
    pub fn hold_at(&self, bytes: impl Into<Vec<u8>>, nth: u32) {
        *self.shared.trap.lock().unwrap() = Some(Trap { bytes: bytes.into(), passes: nth.saturating_sub(1) });
    }

    /// Waits until more than `before` traps have been sprung.
    pub async fn sprung(&self, before: u32) {
        let mut sprung = self.shared.sprung.subscribe();
        sprung.wait_for(|times| *times > before).await.expect("the sender lives as long as the proxy");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.doorkeeper.abort();
        self.cut();
    }
}

async fn keep_door(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) {
    let mut lines = shared.line.subscribe();
    let mut listener = Some(listener);
    loop {
        if lines.wait_for(|line| line.door != Door::Refuse).await.is_err() {
            return;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(address).await.expect("the proxy's port is still free"),
        };
        tokio::select! {
            () = accept(&open, &shared) => return,
            _ = lines.wait_for(|line| line.door == Door::Refuse) => {}
        }
    }
}

async fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, Arc::clone(shared)));
    }
}

/// Serves one connection until either side ends it, a reply is lost or it is cut. Dropping both sides breaks it.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut lines = shared.line.subscribe();
    if lines.borrow_and_update().door != Door::Open {
        return;
    }
    let target = {
        let targets = shared.targets.lock().unwrap();
        targets[shared.next.fetch_add(1, Ordering::SeqCst) % targets.len()].clone()
    };
    let _ = client.set_nodelay(true);
    tokio::select! {
        () = connect_and_forward(client, target, &shared) => {}
        // Every change is observed, so a door that was shut only for a moment counts too.
        () = shut(&mut lines) => {}
    }
}

async fn shut(lines: &mut watch::Receiver<Line>) {
    while lines.changed().await.is_ok() {
        if matches!(lines.borrow_and_update().door, Door::Cut | Door::Refuse) {
            return;
        }
    }
}

async fn connect_and_forward(client: TcpStream, target: Target, shared: &Shared) {
    let (from_client, to_client) = client.into_split();
    match target {
        Target::Tcp(address) => {
            let Ok(server) = TcpStream::connect(address).await else { return };
            let _ = server.set_nodelay(true);
            let (from_server, to_server) = server.into_split();
            forward((from_client, to_client), (from_server, to_server), shared).await;
        }
        Target::Unix(path) => {
            let Ok(server) = UnixStream::connect(path).await else { return };
            let (from_server, to_server) = server.into_split();
            forward((from_client, to_client), (from_server, to_server), shared).await;
        }
    }
}

async fn forward<R, W>(client: (impl AsyncRead + Unpin, impl AsyncWrite + Unpin), server: (R, W), shared: &Shared)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (requests, replies) = (|bytes: &[u8]| shared.pass_request(bytes), |_: &[u8]| shared.pass_reply());
    tokio::select! {
        () = pump(client.0, server.1, requests, shared, |line| line.to_server) => {}
        () = pump(server.0, client.1, replies, shared, |line| line.to_client) => {}
    }
}

impl Shared {
    /// Returns whether the connection continues after these bytes of a client; springs the trap.
    fn pass_request(&self, bytes: &[u8]) -> bool {
        let mut trap = self.trap.lock().unwrap();
        if let Some(set) = trap.as_mut().filter(|trap| contains(bytes, &trap.bytes)) {
            if set.passes > 0 {
                set.passes -= 1;
            } else {
                *trap = None;
                self.line.send_modify(|line| line.to_server = Flow::Held);
                self.sprung.send_modify(|times| *times += 1);
            }
        }
        true
    }

    /// Returns whether the connection continues with a reply.
    fn pass_reply(&self) -> bool {
        let counted = self.doomed.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        counted != Ok(1)
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Copies the bytes of one direction, each chunk when it may arrive, until the sender ends or `pass` returns `false`.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    pass: impl Fn(&[u8]) -> bool,
    shared: &Shared,
    flow: impl Fn(&Line) -> Flow,
) {
    let (send, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(64);
    let read = async move {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let chunk = buffer[..length].to_vec();
            if !pass(&chunk) {
                return false;
            }
            if send.send((Instant::now(), chunk)).await.is_err() {
                return false;
            }
        }
        true
    };
    let write = async {
        let mut lines = shared.line.subscribe();
        while let Some((sent, chunk)) = under_way.recv().await {
            arrival(&mut lines, sent, &flow).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
    };
    let (mut read, mut write) = (std::pin::pin!(read), std::pin::pin!(write));
    tokio::select! {
        ended_well = &mut read => if ended_well {
            // Deliver what was sent before the end.
            write.await;
        },
        () = &mut write => {}
    }
}

/// Waits until bytes sent at this time may arrive.
async fn arrival(lines: &mut watch::Receiver<Line>, sent: Instant, flow: &impl Fn(&Line) -> Flow) {
    loop {
        let now = flow(&lines.borrow_and_update());
        match now {
            Flow::Free => return,
            Flow::Late(delay) if sent + delay <= Instant::now() => return,
            Flow::Late(delay) => tokio::select! {
                () = elapse((sent + delay).saturating_duration_since(Instant::now())) => {}
                _ = lines.changed() => {}
            },
            Flow::Held => {
                if lines.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
