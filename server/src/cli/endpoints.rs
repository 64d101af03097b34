//! Where an image comes from and where its result goes: files, standard input and output.

use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use codec::Source;
use shared::job::Format;

/// Source of an original. It is opened several times.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// A copy of standard input, which can't be read twice.
    Stdin(tempfile::NamedTempFile),
}

impl Input {
    /// Copies standard input.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn stdin() -> Result<Self> {
        ensure!(!io::stdin().is_terminal(), "standard input is a terminal; name a file, or pipe an image in");
        let mut file = tempfile::NamedTempFile::new().context("creating a temporary file failed")?;
        io::copy(&mut io::stdin().lock(), &mut file).context("copying standard input to a temporary file failed")?;
        Ok(Input::Stdin(file))
    }

    /// Opens it at its beginning.
    ///
    /// # Errors
    /// As [`File::open`].
    pub fn open(&self) -> io::Result<Box<dyn Source>> {
        let file = match self {
            Input::File(path) => File::open(path)?,
            Input::Stdin(file) => file.reopen()?,
        };
        Ok(Box::new(BufReader::new(file)))
    }

    /// Detects the format from the first bytes.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn format(&self) -> io::Result<Option<Format>> {
        let mut start = Vec::new();
        self.open()?.take(16).read_to_end(&mut start)?;
        Ok(codec::detect(&start))
    }

    /// Returns its name, for messages.
    pub fn name(&self) -> String {
        match self {
            Input::File(path) => path.file_name().unwrap_or(path.as_os_str()).display().to_string(),
            Input::Stdin(_) => "standard input".to_owned(),
        }
    }
}

/// Destination of a result.
pub enum Output {
    /// A file, replaced once the result is complete.
    File(PathBuf),
    /// A write-only target, such as a pipe or a device.
    Stream(PathBuf),
    /// Standard output.
    Stdout,
}

impl Output {
    /// Returns the destination at a path.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn at(path: &Path) -> Result<Self> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => bail!("{}: a folder has the result's name", path.display()),
            // Through a symbolic link, replace the target, not the link.
            Ok(metadata) if metadata.is_file() => Ok(Output::File(fs::canonicalize(path)?)),
            Ok(_) => Ok(Output::Stream(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Output::File(path.to_owned())),
            Err(error) => Err(error).with_context(|| display(path)),
        }
    }

    /// Has `make` write the result, and passes it a folder for its temporary files.
    ///
    /// # Errors
    /// Those of `make`, and a sentence for the user if the result can't be written.
    pub fn write<T>(&self, make: impl FnOnce(&mut File, &Path) -> Result<T>) -> Result<T> {
        let path = match self {
            Output::File(path) => path,
            Output::Stream(path) => {
                let file = File::options().write(true).open(path).with_context(|| display(path))?;
                return copied(make, file).with_context(|| display(path));
            }
            Output::Stdout => {
                ensure!(!io::stdout().is_terminal(), "standard output is a terminal; name a file, or redirect it");
                return copied(make, io::stdout().lock()).context("standard output");
            }
        };
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        ensure!(folder.is_dir(), "{}: no such folder for the result", folder.display());
        let mut builder = tempfile::Builder::new();
        builder.prefix(".evenlight-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // The mode of any new file, before the umask; by default, only its owner could read a temporary file.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let mut file = builder.tempfile_in(folder).with_context(|| display(folder))?;
        let made = make(file.as_file_mut(), folder)?;
        file.persist(path).with_context(|| display(path))?;
        Ok(made)
    }
}

/// Has `make` write a temporary file, and copies it to a target that can't seek.
fn copied<T>(make: impl FnOnce(&mut File, &Path) -> Result<T>, mut to: impl Write) -> Result<T> {
    let mut file = tempfile::tempfile().context("creating a temporary file failed")?;
    let made = make(&mut file, &std::env::temp_dir())?;
    file.rewind()?;
    io::copy(&mut file, &mut to)?;
    to.flush()?;
    Ok(made)
}

/// Returns a path as text.
pub fn display(path: &Path) -> String {
    path.display().to_string()
}
