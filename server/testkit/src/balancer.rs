//! A load balancer in front of a PostgreSQL primary and its standby, like pgpool-II with `load_balance_mode = on`: the standby
//! answers plain `SELECT`s outside of transactions, the primary everything else.
//!
//! A message is a type byte, a length and that many bytes; a client waits for `ReadyForQuery` after each `Query` or `Sync`
//! (PostgreSQL's documentation, "Frontend/Backend Protocol"). The servers must trust every client.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

/// Encryption requests that may precede a startup message: SSL, GSSAPI.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
const PRIMARY: usize = 0;
const STANDBY: usize = 1;

/// A load balancer; dropping it ends its connections.
pub struct Balancer {
    address: SocketAddr,
    balanced: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Balancer {
    /// Listens in front of two servers, given by their sockets.
    pub async fn start(primary: PathBuf, standby: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let balanced = Arc::new(AtomicU64::new(0));
        let count = balanced.clone();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(serve(client, [primary.clone(), standby.clone()], count.clone()));
            }
        });
        Self { address, balanced, task }
    }

    /// Returns its listening address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of statements that the standby has answered.
    pub fn balanced(&self) -> u64 {
        self.balanced.load(Ordering::Relaxed)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, sockets: [PathBuf; 2], balanced: Arc<AtomicU64>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let startup = loop {
        let length = client.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        client.read_exact(&mut body).await?;
        if !ENCRYPTION.iter().any(|code| body.starts_with(&code.to_be_bytes())) {
            break [&length.to_be_bytes()[..], &body].concat();
        }
        client.write_all(b"N").await?;
    };
    let mut servers = [UnixStream::connect(&sockets[PRIMARY]).await?, UnixStream::connect(&sockets[STANDBY]).await?];
    for server in &mut servers {
        server.write_all(&startup).await?;
    }
    relay(&mut servers[PRIMARY], &mut client).await?;
    relay(&mut servers[STANDBY], &mut tokio::io::sink()).await?;
    let (mut routes, mut in_transaction) = (HashMap::new(), false);
    loop {
        let Some((batch, route)) = request(&mut client, &mut routes).await? else { return Ok(()) };
        let route = if in_transaction { PRIMARY } else { route };
        balanced.fetch_add(u64::from(route == STANDBY), Ordering::Relaxed);
        servers[route].write_all(&batch).await?;
        in_transaction = relay(&mut servers[route], &mut client).await? != b'I';
    }
}

/// Reads a client's messages up to the one whose answer it waits for, and returns them with the server that must answer; `None`
/// if the client disconnects.
async fn request(client: &mut TcpStream, routes: &mut HashMap<Vec<u8>, usize>) -> io::Result<Option<(Vec<u8>, usize)>> {
    let (mut batch, mut route) = (Vec::new(), None);
    loop {
        let message = message(client).await?;
        let (kind, body) = (message[0], &message[5..]);
        let mut strings = body.split(|byte| *byte == 0);
        let mut text = || strings.next().unwrap_or_default().to_vec();
        let to = match kind {
            b'X' => return Ok(None),
            b'Q' => Some(route_of(&text())),
            b'P' => {
                let (statement, to) = (text(), route_of(&text()));
                routes.insert(statement, to);
                Some(to)
            }
            // The portal's name precedes the statement's.
            b'B' => {
                text();
                routes.get(&text()).copied()
            }
            b'D' | b'C' if body.first() == Some(&b'S') => routes.get(&text()[1..]).copied(),
            _ => None,
        };
        // The first message that names a statement determines the server.
        route = route.or(to);
        batch.extend_from_slice(&message);
        if matches!(kind, b'Q' | b'S') {
            return Ok(Some((batch, route.unwrap_or(PRIMARY))));
        }
    }
}

fn route_of(sql: &[u8]) -> usize {
    let sql = String::from_utf8_lossy(sql).trim_start().to_uppercase();
    let locks = ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"].iter().any(|lock| sql.contains(lock));
    if sql.starts_with("SELECT") && !locks { STANDBY } else { PRIMARY }
}

/// Relays a server's answer until it is ready for the next request; returns its transaction status.
async fn relay(server: &mut UnixStream, client: &mut (impl AsyncWrite + Unpin)) -> io::Result<u8> {
    loop {
        let message = message(server).await?;
        client.write_all(&message).await?;
        if message[0] == b'Z' {
            return Ok(message[5]);
        }
    }
}

/// Reads one message including its type and length.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message).await?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(1 + length, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}
