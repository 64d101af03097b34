//! Limits on what may be submitted, shared by all implementations.

use super::{CreateMode, Error, Op, Result};

/// Maximum size of a znode's data, in bytes.
pub const ZNODE_BYTES: usize = 64 << 10;
/// Maximum total size of the paths and data of a multi, in bytes.
pub const MULTI_BYTES: usize = 256 << 10;
/// Number of znodes read in one round trip.
pub(super) const READ_CHUNK: usize = 256;

/// Rejects paths that ZooKeeper would reject.
pub(super) fn path(path: &str) -> Result<()> {
    let refuse = |why: &str| Err(Error::Invalid(format!("the znode path {path:?} {why}")));
    if path == "/" {
        return Ok(());
    }
    let Some(rest) = path.strip_prefix('/') else {
        return refuse("doesn't begin with a slash");
    };
    if rest.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return refuse("has an empty or a relative part");
    }
    let private = |c: char| matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}');
    if rest.contains(private) {
        return refuse("has a character that is not allowed");
    }
    Ok(())
}

/// Rejects data that are too large for a znode.
pub(super) fn data(path: &str, data: &[u8]) -> Result<()> {
    if data.len() <= ZNODE_BYTES {
        return Ok(());
    }
    Err(Error::Invalid(format!("{} bytes for {path}, a znode may hold {ZNODE_BYTES}", data.len())))
}

/// Rejects a create with an invalid path or data; a sequential path may end in a slash.
pub(super) fn create(target: &str, bytes: &[u8], mode: CreateMode) -> Result<()> {
    match mode {
        CreateMode::EphemeralSequential => path(&format!("{target}0"))?,
        CreateMode::Persistent | CreateMode::Ephemeral => not_root(target)?,
    }
    data(target, bytes)
}

/// Rejects the root, which always exists, and invalid paths.
pub(super) fn not_root(target: &str) -> Result<()> {
    if target == "/" {
        return Err(Error::Invalid("the root can neither be created nor deleted".into()));
    }
    path(target)
}

/// Rejects a multi that is invalid or too large.
pub(super) fn multi(ops: &[Op]) -> Result<()> {
    let mut bytes = 0;
    for op in ops {
        bytes += match op {
            Op::Check { path: target, .. } => path(target).map(|()| target.len())?,
            Op::Create { mode: CreateMode::EphemeralSequential, path, .. } => {
                return Err(Error::Invalid(format!("a multi can't create the sequential {path}")));
            }
            Op::Create { path, data, mode } => create(path, data, *mode).map(|()| path.len() + data.len())?,
            Op::Set { path: target, data: bytes, .. } => {
                path(target)?;
                data(target, bytes).map(|()| target.len() + bytes.len())?
            }
            Op::Delete { path, .. } => not_root(path).map(|()| path.len())?,
        };
    }
    if bytes > MULTI_BYTES {
        return Err(Error::Invalid(format!("a multi of {bytes} bytes, {MULTI_BYTES} are allowed")));
    }
    Ok(())
}
