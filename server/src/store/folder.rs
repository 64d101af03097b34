//! What a folder needs besides `object_store`: to remove what is empty or unfinished.

use std::io::{self, ErrorKind};
use std::path::Path;

/// Removes a folder with all that is in it, and its parents below `root` that became empty.
pub(super) fn remove(root: &Path, folder: &Path) -> io::Result<()> {
    // A writer that isn't done yet may put another file in while the folder is being emptied.
    for _ in 0..8 {
        match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => continue,
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Err(error),
            _ => break,
        }
    }
    prune(root, folder);
    Ok(())
}

/// Removes the parents of a path that are empty, up to `root`.
pub(super) fn prune(root: &Path, path: &Path) {
    let parents = path.ancestors().skip(1).take_while(|parent| *parent != root);
    for parent in parents {
        if std::fs::remove_dir(parent).is_err() {
            break;
        }
    }
}
