//! Dependencies point down only: `shared ← app ← server`, and inside the server as described in ARCHITECTURE.md. The test reads
//! the `use` lines and every path that starts with `crate::`.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// What each part of the server may use, besides itself.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("coord", &[]),
    ("store", &[]),
    ("catalog", &[]),
    ("codec", &[]),
    ("logs", &[]),
    ("kube", &["logs"]),
    ("pipeline", &["catalog", "codec", "coord", "store"]),
    ("pod", &["catalog", "codec", "coord", "pipeline", "store"]),
    ("web", &["catalog", "codec", "coord", "logs", "pipeline", "store"]),
    ("cli", &["catalog", "codec", "coord", "kube", "logs", "pipeline", "pod", "store", "web"]),
];

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

/// Returns the first segment of every path that starts with `crate::`.
fn crate_paths(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1)).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[test]
fn arrows_inside_the_server_point_down() {
    for (part, allowed) in ALLOWED {
        for (path, text) in read_all(&format!("src/{part}")) {
            for used in crate_paths(&text) {
                let is_part = ALLOWED.iter().any(|(name, _)| *name == used);
                assert!(
                    !is_part || used == part || allowed.contains(&used),
                    "{} uses crate::{used}, which {part} must not know",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn every_part_of_the_server_has_its_rule() {
    let folders = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    for folder in folders.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir()) {
        let name = folder.file_name().into_string().unwrap();
        assert!(ALLOWED.iter().any(|(part, _)| *part == name), "no rule says what {name} may use");
    }
}

#[test]
fn shared_and_app_know_nothing_above_them() {
    for (folder, forbidden) in [("../shared/src", &["app::", "server::"][..]), ("../app/src", &["server::"][..])] {
        for (path, text) in read_all(folder) {
            for line in text.lines().map(str::trim) {
                let Some(target) = line.trim_start_matches("pub ").strip_prefix("use ") else { continue };
                assert!(!forbidden.iter().any(|name| target.starts_with(name)), "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn znodes_are_spelled_in_one_place() {
    for part in ["pipeline", "pod", "web", "cli", "coord"] {
        for (path, text) in read_all(&format!("src/{part}")) {
            if path.ends_with("coord/paths.rs") || path.to_string_lossy().contains("test") {
                continue;
            }
            let production = text.split("#[cfg(test)]").next().unwrap();
            for spelled in ["\"/jobs", "\"/nodes", "\"/cluster/leader", "\"/cluster/doorbell"] {
                assert!(!production.contains(spelled), "{} spells a znode: {spelled}", path.display());
            }
        }
    }
}
