//! Lock files on the data folder and the SQLite catalog.
//!
//! They are shared by any number of processes that coordinate through ZooKeeper, and exclusive to one process that uses
//! the embedded coordinator: the two never run on the same folder or catalog.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Locks that a process holds while it runs.
pub struct Locks {
    data: Option<File>,
    catalog: Option<File>,
    alone: bool,
}

impl Locks {
    /// Locks the data folder, and the catalog if it is an SQLite file. `alone`: exclusively, for a process with the
    /// embedded coordinator.
    ///
    /// # Errors
    /// A sentence with what to do if another process holds a conflicting lock.
    pub fn take(data: &Path, catalog: &str, alone: bool) -> Result<Self> {
        let held = lock(&data.join("lock"), &format!("the data folder {}", data.display()), alone)?;
        let catalog = match sqlite_file(catalog) {
            Some(path) => lock(Path::new(&format!("{path}.lock")), &format!("the catalog {path}"), alone)?,
            None => None,
        };
        Ok(Self { data: held, catalog, alone })
    }

    /// Whether the locks keep every other process from using the catalog.
    pub fn keep_others_from_catalog(&self) -> bool {
        self.alone && self.catalog.is_some()
    }

    /// Returns the id of the embedded coordinator, which stays the same across restarts on this data folder.
    ///
    /// # Errors
    /// If the lock file can't be read or written.
    pub fn coordinator(&mut self) -> Result<String> {
        let fresh = uuid::Uuid::new_v4().simple().to_string();
        let Some(file) = &mut self.data else { return Ok(fresh) };
        let mut known = String::new();
        file.rewind()?;
        file.read_to_string(&mut known)?;
        if known.trim().parse::<uuid::Uuid>().is_ok() {
            return Ok(known.trim().to_owned());
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(fresh.as_bytes())?;
        file.sync_all()?;
        Ok(fresh)
    }
}

/// Returns the path of an SQLite catalog; `None` for any other catalog.
fn sqlite_file(catalog: &str) -> Option<&str> {
    match catalog.split_once("://") {
        Some(("sqlite", path)) => Some(path),
        Some(_) => None,
        None => Some(catalog),
    }
}

fn what_to_do(what: &str, alone: bool) -> String {
    let other = if alone {
        "Another process is using it. Stop that process, or give this one its own --data; several processes share one installation \
         with --zookeeper."
    } else {
        "A process without --zookeeper is using it. Stop that process, or start it with the same --zookeeper."
    };
    format!("can't use {what}: {other}")
}

/// Opens and locks a file; `None` if the file system doesn't support locks. The lock is released when the file is
/// closed, also by a crash.
fn lock(path: &Path, what: &str, alone: bool) -> Result<Option<File>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = match opened {
        Ok(file) => file,
        // A read-only data folder holds nothing that another process could disturb.
        Err(error) if !alone => {
            tracing::warn!(path = %path.display(), %error, "can't open the lock file; continuing without it");
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| format!("can't open the lock file {}", path.display())),
    };
    match if alone { file.try_lock() } else { file.try_lock_shared() } {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => bail!("{}", what_to_do(what, alone)),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "file system without locks; continuing without one");
            Ok(None)
        }
    }
}
