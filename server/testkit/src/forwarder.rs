//! A TCP forwarder between one ZooKeeper client and its servers. It parses enough of the protocol to lose the reply of a chosen
//! request.
//!
//! A frame is a length and that many bytes. The first frame in each direction is the handshake; after it, requests start with
//! an xid and an opcode, replies with the xid (ZooKeeper programmer's guide and `zookeeper.jute`).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Opcodes of writes: create, delete, setData, multi, create2.
const WRITES: [i32; 5] = [1, 2, 5, 14, 15];

/// Forwards connections to servers, or blocks them.
pub struct Forwarder {
    address: SocketAddr,
    plan: Arc<Plan>,
}

struct Plan {
    servers: Vec<SocketAddr>,
    next: AtomicUsize,
    open: watch::Sender<bool>,
    lose: AtomicU32,
}

impl Forwarder {
    /// Starts; forwards each new connection to the next of these servers.
    pub async fn start(servers: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let plan = Arc::new(Plan {
            servers,
            next: AtomicUsize::new(0),
            open: watch::Sender::new(true),
            lose: AtomicU32::new(0),
        });
        tokio::spawn(accept(listener, Arc::clone(&plan)));
        Self { address, plan }
    }

    /// Returns its listening address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections and blocks new ones.
    pub fn cut(&self) {
        self.plan.open.send_replace(false);
    }

    /// Allows connections again.
    pub fn mend(&self) {
        self.plan.open.send_replace(true);
    }

    /// Breaks the connection when the reply to the next write is due: the write has taken effect, but the client doesn't learn
    /// it.
    pub fn lose_reply(&self) {
        self.plan.lose.fetch_add(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, plan: Arc<Plan>) {
    while let Ok((client, _)) = listener.accept().await {
        if !*plan.open.borrow() {
            continue;
        }
        let server = plan.servers[plan.next.fetch_add(1, Ordering::SeqCst) % plan.servers.len()];
        let plan = Arc::clone(&plan);
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(server).await else { return };
            let mut open = plan.open.subscribe();
            tokio::select! {
                () = forward(client, server, &plan) => {}
                _ = open.wait_for(|open| !open) => {}
            }
        });
    }
}

/// Forwards until either side closes or a reply must be lost; dropping both sides breaks the connection.
async fn forward(client: TcpStream, server: TcpStream, plan: &Plan) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let doomed = watch::Sender::new(None);
    tokio::select! {
        _ = requests(&mut from_client, &mut to_server, plan, &doomed) => {}
        _ = replies(&mut from_server, &mut to_client, &doomed) => {}
    }
}

async fn requests(
    client: &mut OwnedReadHalf,
    server: &mut OwnedWriteHalf,
    plan: &Plan,
    doomed: &watch::Sender<Option<i32>>,
) -> std::io::Result<()> {
    let handshake = frame(client).await?;
    server.write_all(&handshake).await?;
    loop {
        let request = frame(client).await?;
        if let (Some(xid), Some(opcode)) = (number(&request, 4), number(&request, 8))
            && WRITES.contains(&opcode)
            && plan.lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |lose| lose.checked_sub(1)).is_ok()
        {
            doomed.send_replace(Some(xid));
        }
        server.write_all(&request).await?;
    }
}

async fn replies(
    server: &mut OwnedReadHalf,
    client: &mut OwnedWriteHalf,
    doomed: &watch::Sender<Option<i32>>,
) -> std::io::Result<()> {
    let handshake = frame(server).await?;
    client.write_all(&handshake).await?;
    loop {
        let reply = frame(server).await?;
        if number(&reply, 4).is_some_and(|xid| *doomed.borrow() == Some(xid)) {
            return Ok(());
        }
        client.write_all(&reply).await?;
    }
}

/// Reads one frame including its length.
async fn frame(stream: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut frame = length.to_be_bytes().to_vec();
    stream.take(length.into()).read_to_end(&mut frame).await?;
    if frame.len() < 4 + length as usize {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

/// Returns the big-endian number at an offset of a frame.
fn number(frame: &[u8], at: usize) -> Option<i32> {
    frame.get(at..at + 4)?.try_into().ok().map(i32::from_be_bytes)
}
