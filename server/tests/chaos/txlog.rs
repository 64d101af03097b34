//! The complete write history of an ensemble, read from its servers' transaction logs: which session wrote when, and what it
//! changed. Nothing is sampled, and no change can be missed.
//!
//! Format: `FileTxnLog.java` and `zookeeper.jute` of ZooKeeper 3.8. A file starts with 16 bytes (magic, version, database),
//! followed for each transaction by a checksum (8 bytes), a length (4), that many bytes, and 0x42. The rest of a file is zeros.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// One transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Txn {
    /// Its position in the total order.
    pub zxid: i64,
    /// The session that requested it.
    pub session: i64,
    /// Time in ms since 1970.
    pub time: i64,
    /// Its changes, in order.
    pub changes: Vec<Change>,
}

/// One change of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A successful check that a node exists.
    Check { path: String },
    /// A node was created.
    Create { path: String, data: Vec<u8>, ephemeral: bool },
    /// A node's data were set.
    Set { path: String, data: Vec<u8> },
    /// A node was deleted.
    Delete { path: String },
    /// The session ended, and its ephemeral nodes were deleted.
    Close,
}

impl Change {
    /// Returns the node's path, if it has one.
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

/// Returns the transactions after `zxid` that a majority of these servers' folders contain, in order: what the ensemble
/// committed. (A leader that dies may have one more, which is truncated when it comes back.)
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

/// Returns a zxid after which everything is new.
pub fn latest(folders: &[PathBuf]) -> i64 {
    let of_server = |folder: &PathBuf| {
        let mut found = BTreeMap::new();
        logs(folder, i64::MAX).iter().for_each(|file| read(file, 0, &mut found));
        found.into_keys().last().unwrap_or(0)
    };
    folders.iter().map(of_server).min().unwrap_or(0)
}

/// Returns the files that may contain transactions after `zxid`; a file's name is its first zxid.
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
    // The file may have been deleted since the listing: then its server starts afresh, and the others contain what it had.
    let Ok(file) = File::open(file) else { return };
    let mut file = BufReader::with_capacity(1 << 20, file);
    if file.seek(SeekFrom::Start(16)).is_err() {
        return;
    }
    while let Some(entry) = entry(&mut file) {
        // The session (8 bytes) and the client's request number (4) precede the zxid.
        if entry.get(12..20).is_some_and(|zxid| i64::from_be_bytes(zxid.try_into().unwrap()) > after) {
            let txn = parse(&entry).unwrap_or_else(|| panic!("a transaction that can't be read: {entry:02x?}"));
            found.insert(txn.zxid, txn);
        }
    }
}

/// Reads the next entry, if it is complete.
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

/// A multi with a failed operation changed nothing.
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
        // Errors, new sessions and ACLs change no node.
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

/// A reader of jute's binary encoding.
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

    /// Reads a length (-1 for none) and that many bytes.
    fn buffer(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.int()?.max(0)).ok()?;
        self.bytes(length).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.buffer()?).ok()
    }
}
