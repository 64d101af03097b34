//! Folders of tests.

use std::path::{Path, PathBuf};

/// Returns all files below a folder that exist at the moment.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if entry.is_dir() { folders.push(entry) } else { found.push(entry) }
        }
    }
    found
}
