//! The images of a folder: which files are equalized, which are skipped and why, and the summary.
//!
//! A file's first bytes decide what it is. Its name matters only for hidden files, and for files with an image's extension and
//! other content, which fail instead of being skipped. Links are followed, except one to a folder above it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use codec::foreign;
use walkdir::{DirEntry, WalkDir};

use super::names::format_of_name;
use super::sidecars::is_sidecar;

/// Something found in a folder.
#[derive(Debug)]
pub enum Found {
    /// An image, or a file whose name promises one.
    Image {
        /// Its path.
        path: PathBuf,
        /// Its path within the folder.
        relative: PathBuf,
    },
    /// A file or folder that is left out, with the reason: "hidden".
    Skipped(&'static str),
    /// A file or folder that can't be read.
    Failed(PathBuf, io::Error),
}

/// Whether subfolders are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only the folder itself.
    Folder,
    /// All folders below it.
    Subfolders,
}

/// Walks through a folder, by name. `output` is left out, wherever it is.
pub fn walk(input: &Path, output: &Path, depth: Depth) -> impl Iterator<Item = Found> {
    let output = fs::canonicalize(output).ok();
    let input = input.to_owned();
    let most = if depth == Depth::Folder { 1 } else { usize::MAX };
    let mut entries =
        WalkDir::new(&input).min_depth(1).max_depth(most).follow_links(true).sort_by_file_name().into_iter();
    std::iter::from_fn(move || {
        loop {
            let entry = match entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(unread(error)),
            };
            if !entry.file_type().is_dir() {
                return Some(file(&entry, &input));
            }
            let is_output = output.is_some() && fs::canonicalize(entry.path()).ok() == output;
            if !is_output && !is_hidden(&entry) && depth == Depth::Subfolders {
                continue;
            }
            entries.skip_current_dir();
            if !is_output {
                return Some(Found::Skipped(if is_hidden(&entry) {
                    HIDDEN
                } else {
                    "folders below, which -r includes"
                }));
            }
        }
    })
}

const HIDDEN: &str = "hidden";

fn is_hidden(entry: &DirEntry) -> bool {
    entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn file(entry: &DirEntry, input: &Path) -> Found {
    let path = entry.path();
    if !entry.file_type().is_file() {
        return Found::Skipped("neither a file nor a folder");
    }
    let start = match start(path) {
        Ok(start) => start,
        Err(error) => return Found::Failed(path.to_owned(), error),
    };
    if foreign::apple_double(&start) {
        return Found::Skipped(foreign::name(&start));
    }
    if is_hidden(entry) {
        return Found::Skipped(HIDDEN);
    }
    if is_sidecar(path) {
        return Found::Skipped("masks and overviews of an image beside them");
    }
    if codec::detect(&start).is_none() && format_of_name(path).is_none() {
        return Found::Skipped(foreign::name(&start));
    }
    let relative = path.strip_prefix(input).unwrap_or(path).to_owned();
    Found::Image { path: path.to_owned(), relative }
}

fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(foreign::START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Classifies what couldn't be walked into.
fn unread(error: walkdir::Error) -> Found {
    if error.loop_ancestor().is_some() {
        return Found::Skipped("links to a folder above them");
    }
    let path = error.path().unwrap_or(Path::new("")).to_owned();
    let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
    match error.into_io_error() {
        Some(error) if is_link && error.kind() == io::ErrorKind::NotFound => Found::Skipped("links to nothing"),
        error => Found::Failed(path, error.unwrap_or_else(|| io::Error::other("it can't be read"))),
    }
}

/// What became of a folder's files.
#[derive(Debug, Default)]
pub struct Summary {
    /// Number of images equalized.
    pub done: usize,
    /// Number of images that failed.
    pub failed: usize,
    skipped: BTreeMap<&'static str, usize>,
}

impl Summary {
    /// Counts something that was left out.
    pub fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }
}

impl fmt::Display for Summary {
    /// One line, the most frequent reasons first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images equalized, {} failed", self.done, self.failed)?;
        let skipped: usize = self.skipped.values().sum();
        if skipped == 0 {
            return Ok(());
        }
        let mut reasons: Vec<_> = self.skipped.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let reasons: Vec<String> = reasons.iter().map(|(reason, count)| format!("{reason}: {count}")).collect();
        write!(f, ", {skipped} skipped ({})", reasons.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_groups_reasons_by_their_number() {
        let mut summary = Summary { done: 3, failed: 1, ..Summary::default() };
        assert_eq!(summary.to_string(), "3 images equalized, 1 failed");
        ["hidden", "text", "text"].into_iter().for_each(|reason| summary.skip(reason));
        assert_eq!(summary.to_string(), "3 images equalized, 1 failed, 3 skipped (text: 2; hidden: 1)");
    }
}
