//! Every write that an ensemble ever committed, read from its servers' own transaction logs: whose session wrote it, when,
//! and what it changed. Nothing is sampled and no watch can miss anything.
//!
//! Format: `FileTxnLog.java` and `zookeeper.jute` of ZooKeeper 3.8. A file begins with 16 bytes (magic, version, database);
//! then, for each transaction: a checksum (8 bytes), a length (4), as many bytes, and 0x42. The rest of a file is zeros.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Txn {
    /// Its place in the order of all.
    pub zxid: i64,
    /// The session that asked for it.
    pub session: i64,
    /// When, in ms since 1970.
    pub time: i64,
    /// What it changed, in order.
    pub changes: Vec<Change>,
}

/// A part of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The node existed.
    Check { path: String },
    /// A node was created.
    Create { path: String, data: Vec<u8>, ephemeral: bool },
    /// A node's data were set.
    Set { path: String, data: Vec<u8> },
    /// A node was deleted.
    Delete { path: String },
    /// The session ended, and its ephemeral nodes with it.
    Close,
}

impl Change {
    /// The node.
    pub fn path(&self) -> Option<&str> {
        match self {
            Change::Check { path }
            | Change::Create { path, .. }
            | Change::Set { path, .. }
            | Change::Delete { path } => Some(path),
            Change::Close => None,
        }
    }
}

/// The transactions after `zxid` that a majority of these servers' folders hold, in order: what an ensemble committed. (A
/// leader that dies may hold one more, which is cut off when it comes back.)
pub fn committed(folders: &[PathBuf], after: i64) -> Vec<Txn> {
    let mut found: BTreeMap<i64, (usize, Txn)> = BTreeMap::new();
    for folder in folders {
        let mut of_server: BTreeMap<i64, Txn> = BTreeMap::new();
        for file in logs(folder, after) {
            read(&file, after, &mut of_server);
        }
        for (zxid, txn) in of_server {
            found.entry(zxid).or_insert((0, txn)).0 += 1;
        }
    }
    found.into_values().filter(|(held, _)| *held > folders.len() / 2).map(|(_, txn)| txn).collect()
}

/// A place in the order after which everything is new.
pub fn latest(folders: &[PathBuf]) -> i64 {
    let of_server = |folder: &PathBuf| {
        let mut found = BTreeMap::new();
        logs(folder, i64::MAX).iter().for_each(|file| read(file, 0, &mut found));
        found.into_keys().last().unwrap_or(0)
    };
    folders.iter().map(of_server).min().unwrap_or(0)
}

/// The files that can hold transactions after `zxid`; a file's name is its first one.
fn logs(folder: &Path, after: i64) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("version-2")).into_iter().flatten().flatten();
    let mut files: Vec<(i64, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((i64::from_str_radix(name.strip_prefix("log.")?, 16).ok()?, entry.path()))
        })
        .collect();
    files.sort();
    let first = files.iter().rposition(|(first, _)| *first <= after).unwrap_or(0);
    files.into_iter().skip(first).map(|(_, path)| path).collect()
}

fn read(file: &Path, after: i64, found: &mut BTreeMap<i64, Txn>) {
    // A file may go between the listing and now: then its server begins anew and the others hold what it held.
    let Ok(file) = File::open(file) else { return };
    let mut file = BufReader::with_capacity(1 << 20, file);
    if file.seek(SeekFrom::Start(16)).is_err() {
        return;
    }
    while let Some(entry) = entry(&mut file) {
        // The zxid follows the session (8 bytes) and the client's own number (4).
        if entry.get(12..20).is_some_and(|zxid| i64::from_be_bytes(zxid.try_into().unwrap()) > after) {
            let txn = parse(&entry).unwrap_or_else(|| panic!("a transaction that can't be read: {entry:02x?}"));
            found.insert(txn.zxid, txn);
        }
    }
}

/// The next entry, if it is there as a whole.
fn entry(file: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = [0; 12];
    file.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes(head[8..].try_into().ok()?) as usize;
    let mut entry = vec![0; length];
    let mut end = [0];
    file.read_exact(&mut entry).ok()?;
    file.read_exact(&mut end).ok()?;
    (length > 0 && end == [0x42]).then_some(entry)
}

fn parse(entry: &[u8]) -> Option<Txn> {
    let mut jute = Jute(entry);
    let (session, _, zxid, time) = (jute.long()?, jute.int()?, jute.long()?, jute.long()?);
    let kind = jute.int()?;
    let changes = if kind == MULTI { multi(&mut jute)? } else { change(kind, &mut jute)?.into_iter().collect() };
    Some(Txn { zxid, session, time, changes })
}

// Opcodes of `ZooDefs.java`.
const MULTI: i32 = 14;
const FAILED: i32 = -1;

/// A multi with one operation that failed changed nothing.
fn multi(jute: &mut Jute) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let mut failed = false;
    for _ in 0..jute.int()? {
        let kind = jute.int()?;
        let body = jute.buffer()?;
        failed |= kind == FAILED;
        changes.extend(change(kind, &mut Jute(&body))?);
    }
    Some(if failed { Vec::new() } else { changes })
}

fn change(kind: i32, jute: &mut Jute) -> Option<Option<Change>> {
    Some(match kind {
        // create, create2, createContainer, createTTL
        1 | 15 | 19 | 21 => Some(create(jute)?),
        // delete, deleteContainer
        2 | 20 => Some(Change::Delete { path: jute.text()? }),
        5 => Some(Change::Set { path: jute.text()?, data: jute.buffer()? }),
        13 => Some(Change::Check { path: jute.text()? }),
        -11 => Some(Change::Close),
        // Errors, new sessions, ACLs: they change no node.
        _ => None,
    })
}

fn create(jute: &mut Jute) -> Option<Change> {
    let (path, data) = (jute.text()?, jute.buffer()?);
    for _ in 0..jute.int()?.max(0) {
        let _ = (jute.int()?, jute.text()?, jute.text()?);
    }
    Some(Change::Create { path, data, ephemeral: jute.bytes(1)? == [1] })
}

/// Reads jute's binary encoding.
struct Jute<'a>(&'a [u8]);

impl<'a> Jute<'a> {
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn int(&mut self) -> Option<i32> {
        self.bytes(4)?.try_into().ok().map(i32::from_be_bytes)
    }

    fn long(&mut self) -> Option<i64> {
        self.bytes(8)?.try_into().ok().map(i64::from_be_bytes)
    }

    /// A length, -1 for none, and as many bytes.
    fn buffer(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.int()?.max(0)).ok()?;
        self.bytes(length).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.buffer()?).ok()
    }
}
