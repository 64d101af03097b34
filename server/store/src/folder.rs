//! Folder operations that `object_store` lacks: reading on the calling thread, listing unfinished files, removing empty
//! directories, and telling a disk from a network folder.

use std::fs::{self, File, ReadDir};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::found::Found;

/// `f_type` of file systems on disks or in memory: ext2 to ext4, XFS, Btrfs, ZFS, F2FS, tmpfs and overlayfs (Linux,
/// `include/uapi/linux/magic.h`; ZFS: `include/os/linux/zfs/sys/zfs_vfsops_os.h`).
#[cfg(target_os = "linux")]
const DISKS: [u32; 7] = [0xef53, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1, 0xf2f5_2010, 0x0102_1994, 0x794c_7630];

/// Returns whether a folder is on a file system of this machine: reading it returns soon, and writing reports errors at once.
/// Unknown file systems count as network folders.
#[cfg(target_os = "linux")]
pub(super) fn is_on_disk(folder: &Path) -> io::Result<bool> {
    // The field's type differs between architectures; the numbers have 32 bits.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let kind = rustix::fs::statfs(folder)?.f_type as u32;
    Ok(DISKS.contains(&kind))
}

/// As on Linux; elsewhere, every folder counts as a network folder.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_on_disk(_folder: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Reads from a place of a file until `into` is full or the file ends; returns the number of bytes read.
pub(super) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], at + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// Reads this range of a file, or less if the file ends before.
pub(super) fn read(file: &Path, range: Range<u64>) -> io::Result<Bytes> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end.saturating_sub(range.start);
    // Unlike a zeroed buffer, this one's memory is written once.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

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
