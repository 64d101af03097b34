//! Limits on what may be submitted, shared by all implementations.

use super::{CreateMode, Invalid, Op, PathFlaw, Result};

/// Maximum size of a znode's data, in bytes.
pub const ZNODE_BYTES: usize = 64 << 10;
/// Maximum total size of the paths and data of a multi, in bytes.
pub const MULTI_BYTES: usize = 256 << 10;
/// Number of znodes read in one round trip.
pub(super) const READ_CHUNK: usize = 256;

/// Rejects paths that ZooKeeper would reject.
pub(super) fn path(path: &str) -> Result<()> {
    let refuse = |flaw| Err(Invalid::Path { path: path.to_owned(), flaw }.into());
    if path == "/" {
        return Ok(());
    }
    let Some(rest) = path.strip_prefix('/') else {
        return refuse(PathFlaw::Relative);
    };
    if rest.split('/').any(|name| matches!(name, "" | "." | "..")) {
        return refuse(PathFlaw::Part);
    }
    let private = |c: char| matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}');
    if rest.contains(private) {
        return refuse(PathFlaw::Character);
    }
    Ok(())
}

/// Rejects data that are too large for a znode.
pub(super) fn data(path: &str, data: &[u8]) -> Result<()> {
    if data.len() <= ZNODE_BYTES {
        return Ok(());
    }
    Err(Invalid::TooLarge { path: path.to_owned(), bytes: data.len(), limit: ZNODE_BYTES }.into())
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
        return Err(Invalid::Root.into());
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
                return Err(Invalid::Sequential(path.clone()).into());
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
        return Err(Invalid::MultiTooLarge { bytes, limit: MULTI_BYTES }.into());
    }
    Ok(())
}
