//! Files that the scripts in `scripts/golden` make with other programs, and their checks of the results.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::de::DeserializeOwned;

/// Folder that a script filled.
pub struct Golden {
    script: PathBuf,
    folder: tempfile::TempDir,
    /// What the script printed.
    pub printed: String,
}

impl Golden {
    /// Runs `SCRIPT FOLDER`.
    pub fn of(script: &str) -> Self {
        Self::filled(script, &[])
    }

    /// Runs `SCRIPT make FOLDER`, for a later [`Golden::check`].
    pub fn to_check(script: &str) -> Self {
        Self::filled(script, &["make"])
    }

    fn filled(script: &str, action: &[&str]) -> Self {
        let script = root().join("scripts/golden").join(script);
        let mut golden = Self { script, folder: tempfile::tempdir().unwrap(), printed: String::new() };
        golden.printed = golden.run(action);
        golden
    }

    /// Runs `SCRIPT check FOLDER`, which fails if a result isn't as expected.
    pub fn check(&self) {
        self.run(&["check"]);
    }

    fn run(&self, action: &[&str]) -> String {
        let python = root().join(".venv/bin/python");
        assert!(python.exists(), "the tests' Python is missing: `make test` installs it into .venv");
        let Output { status, stdout, stderr } =
            Command::new(python).arg(&self.script).args(action).arg(self.folder.path()).output().unwrap();
        let [printed, errors] = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(status.success(), "{printed}{errors}");
        printed
    }

    /// Returns the cases that the script lists in `cases.json`.
    pub fn cases<T: DeserializeOwned>(&self) -> Vec<T> {
        serde_json::from_slice(&self.read("cases.json")).unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(name)).unwrap()
    }

    pub fn write(&self, name: &str, bytes: Vec<u8>) {
        std::fs::write(self.folder.path().join(name), bytes).unwrap();
    }

    /// Returns the names of all TIFFs, with their bytes and those of the pixels beside them, in `NAME.raw`.
    pub fn tiffs_with_pixels(&self) -> Vec<(String, Vec<u8>, Vec<u8>)> {
        let paths = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let tiffs = paths.filter(|path| path.extension().is_some_and(|extension| extension == "tif"));
        let read = |path: PathBuf| {
            let pixels = std::fs::read(path.with_extension("raw")).unwrap();
            (path.display().to_string(), std::fs::read(&path).unwrap(), pixels)
        };
        tiffs.map(read).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
