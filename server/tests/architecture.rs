//! What the crates' dependencies (ARCHITECTURE.md) don't enforce. The test reads the sources.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn read_all(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(!found.is_empty(), "no sources in {folder}");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn znodes_are_spelled_in_one_place() {
    for part in ["pipeline/src", "pod/src", "web/src", "src/cli", "coord/src"] {
        for (path, text) in read_all(part) {
            if path.ends_with("coord/src/paths.rs") || path.to_string_lossy().contains("test") {
                continue;
            }
            let production = text.split("#[cfg(test)]").next().unwrap();
            for spelled in ["\"/jobs", "\"/nodes", "\"/cluster/leader", "\"/cluster/doorbell"] {
                assert!(!production.contains(spelled), "{} spells a znode: {spelled}", path.display());
            }
        }
    }
}
