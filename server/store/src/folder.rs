//! Folder operations that `object_store` lacks: listing unfinished files and removing empty directories.

use std::fs::{self, ReadDir};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::found::Found;

/// A walk over all files below a folder, a few at a time.
pub(super) struct Walk {
    root: PathBuf,
    open: Vec<ReadDir>,
}

impl Walk {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        Ok(Self { root: root.to_owned(), open: vec![fs::read_dir(root)?] })
    }

    /// Returns up to `most` further files; none at the end. Files that disappear meanwhile are skipped.
    pub(super) fn next(&mut self, most: usize) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        while let Some(folder) = self.open.last_mut().filter(|_| found.len() < most) {
            let Some(entry) = folder.next().transpose()? else {
                self.open.pop();
                continue;
            };
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                match fs::read_dir(&path) {
                    Ok(folder) => self.open.push(folder),
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            } else if let Some(name) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) {
                found.push(Found::named(name));
            }
        }
        Ok(found)
    }
}

/// Removes a file, if it exists, and the directories that became empty.
pub(super) fn remove_file(root: &Path, file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => {
            prune(root, file);
            Ok(())
        }
    }
}

/// Removes a directory with its contents, and its parents below `root` that became empty.
pub(super) fn remove(root: &Path, folder: &Path) -> io::Result<()> {
    // A writer that is still running may add a file while the directory is being emptied.
    for _ in 0..8 {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => continue,
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Err(error),
            _ => break,
        }
    }
    prune(root, folder);
    Ok(())
}

/// Removes the empty parents of a path, up to `root`.
pub(super) fn prune(root: &Path, path: &Path) {
    let parents = path.ancestors().skip(1).take_while(|parent| *parent != root);
    for parent in parents {
        if fs::remove_dir(parent).is_err() {
            break;
        }
    }
}
