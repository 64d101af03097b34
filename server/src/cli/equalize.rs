//! `evenlight equalize IN OUT`: equalizes images in one process, without an array.
//!
//! IN is a file, a folder (every image in it, subfolders excluded) or `-` for standard input; OUT is a file, a folder
//! or `-` for standard output. An output file appears under its name only once it is complete.

use std::fs::{self, File};
use std::io::{self, BufReader, IsTerminal, Read, Seek, Write};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use codec::{Limits, Source};
use indicatif::{ProgressBar, ProgressStyle};
use pipeline::local::{Local, Opener, Others};
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::equalize::Recipe;
use shared::job::Format;

use super::how::{Files, HowArgs, with_mask};
use super::limits::LimitArgs;
use super::sidecars::{Sidecars, is_sidecar};

/// Equalize images on this machine alone.
#[derive(Debug, Clone, clap::Args)]
pub struct EqualizeArgs {
    /// An image, a folder of images, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Destination of the result: a file, a folder, or - for standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    how: HowArgs,

    #[command(flatten)]
    limits: LimitArgs,

    /// Number of worker threads [default: the number of cores]
    #[arg(long, env = "EVENLIGHT_THREADS", value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// Runs the subcommand.
///
/// # Errors
/// A sentence for the user: what can't be read, equalized or written. A failure of one image in a folder doesn't stop
/// the others; each failure is printed to standard error.
pub fn run(args: EqualizeArgs) -> Result<()> {
    let threads = args.threads.map_or(0, NonZeroUsize::get);
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().context("starting threads failed")?;
    let limits = Limits::from(&args.limits);
    let (recipe, others) = args.how.into_recipe()?;
    let command = Command { recipe, others, limits, pool };
    let (from_stdin, to_stdout) = (args.input == Path::new("-"), args.output == Path::new("-"));
    if !from_stdin && fs::metadata(&args.input).with_context(|| display(&args.input))?.is_dir() {
        ensure!(!to_stdout, "the images of a folder can't all go to standard output; name a folder for OUT");
        return command.folder(&args.input, &args.output);
    }
    let input = if from_stdin { Input::stdin()? } else { Input::File(args.input.clone()) };
    let output = match (to_stdout, args.input.file_name()) {
        (true, _) => Output::Stdout,
        (false, Some(name)) if args.output.is_dir() => {
            ensure!(!from_stdin, "standard input has no name; name a file, not a folder, for OUT");
            Output::at(&args.output.join(name))?
        }
        (false, _) => Output::at(&args.output)?,
    };
    command.one(&input, &output)
}

struct Command {
    recipe: Recipe,
    others: Files,
    limits: Limits,
    pool: ThreadPool,
}

impl Command {
    /// Equalizes every image of a folder, in the order of their names.
    fn folder(&self, input: &Path, output: &Path) -> Result<()> {
        fs::create_dir_all(output).with_context(|| display(output))?;
        ensure!(
            fs::canonicalize(input)? != fs::canonicalize(output)?,
            "IN and OUT are the same folder; the originals would be lost"
        );
        let entries = fs::read_dir(input).with_context(|| display(input))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        files.retain(|path| path.is_file() && !is_sidecar(path));
        files.sort();
        let (mut done, mut failed, mut skipped) = (0usize, 0usize, 0usize);
        for path in files {
            let Some(name) = path.file_name() else { continue };
            let input = Input::File(path.clone());
            match input.format() {
                // Not an image by its content, nor by its name.
                Ok(None) if format_of_name(&path).is_none() => skipped += 1,
                _ => match Output::at(&output.join(name)).and_then(|output| self.one(&input, &output)) {
                    Ok(()) => done += 1,
                    Err(error) => {
                        failed += 1;
                        eprintln!("{}: {error:#}", path.display());
                    }
                },
            }
        }
        let others = if skipped > 0 { format!(", {skipped} other files skipped") } else { String::new() };
        eprintln!("{done} images equalized, {failed} failed{others}");
        ensure!(failed == 0, "{failed} of {} images failed", done + failed);
        ensure!(done > 0, "{}: no images in this folder", input.display());
        Ok(())
    }

    /// Equalizes one image.
    fn one(&self, input: &Input, output: &Output) -> Result<()> {
        if let (Output::File(path), Some(format)) = (output, input.format()?) {
            let named = format_of_name(path);
            ensure!(
                named.is_none_or(|named| named == format),
                "the result keeps the original's format, {}; give OUT a name that ends in .{}",
                format.name().to_uppercase(),
                format.extension()
            );
        }
        if let (Input::File(input), Output::File(output)) = (input, output) {
            let same = fs::canonicalize(output).is_ok_and(|output| fs::canonicalize(input).is_ok_and(|i| i == output));
            ensure!(!same, "IN and OUT are the same file; the original would be lost");
        }
        let sidecars = match input {
            Input::File(path) => Sidecars::beside(path, self.others.mask.is_some(), &self.limits),
            Input::Stdin(_) => Sidecars::default(),
        };
        let recipe = if sidecars.mask.is_some() { with_mask(&self.recipe)? } else { self.recipe.clone() };
        let bar = progress_bar(input);
        let notes = output.write(|out, scratch| {
            let local = Local { limits: self.limits, pool: Some(&self.pool), scratch: scratch.to_owned() };
            let mut progress = |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            };
            // A decoder that panics must fail only its own image, not those after it.
            let open = |path: &PathBuf| Input::File(path.clone()).open();
            let reference = self.others.reference.as_ref().map(|path| move || open(path));
            let mask = self.others.mask.as_ref().or(sidecars.mask.as_ref()).map(|path| move || open(path));
            let others = Others {
                reference: reference.as_ref().map(|open| open as &Opener<'_>),
                mask: mask.as_ref().map(|open| open as &Opener<'_>),
            };
            let result =
                catch_unwind(AssertUnwindSafe(|| local.equalize(|| input.open(), &recipe, others, out, &mut progress)));
            Ok(result.map_err(|_| anyhow!("the decoder crashed on this image"))??.notes)
        });
        bar.finish_and_clear();
        for note in notes?.iter().chain(&sidecars.notes) {
            eprintln!("{}: {note}", input.name());
        }
        Ok(())
    }
}

/// A progress bar on standard error; hidden if that isn't a terminal.
fn progress_bar(input: &Input) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent:>3} % {eta:>4}")
        .expect("the template names only known keys");
    ProgressBar::new(1).with_style(style).with_prefix(input.name())
}

/// Source of an original. It is opened several times.
enum Input {
    File(PathBuf),
    /// A copy of standard input, which can't be read twice.
    Stdin(tempfile::NamedTempFile),
}

impl Input {
    fn stdin() -> Result<Self> {
        ensure!(!io::stdin().is_terminal(), "standard input is a terminal; name a file, or pipe an image in");
        let mut file = tempfile::NamedTempFile::new().context("creating a temporary file failed")?;
        io::copy(&mut io::stdin().lock(), &mut file).context("copying standard input to a temporary file failed")?;
        Ok(Input::Stdin(file))
    }

    fn open(&self) -> io::Result<Box<dyn Source>> {
        let file = match self {
            Input::File(path) => File::open(path)?,
            Input::Stdin(file) => file.reopen()?,
        };
        Ok(Box::new(BufReader::new(file)))
    }

    /// Detects the format from the first bytes.
    fn format(&self) -> io::Result<Option<Format>> {
        let mut start = Vec::new();
        self.open()?.take(16).read_to_end(&mut start)?;
        Ok(codec::detect(&start))
    }

    fn name(&self) -> String {
        match self {
            Input::File(path) => path.file_name().unwrap_or(path.as_os_str()).display().to_string(),
            Input::Stdin(_) => "standard input".to_owned(),
        }
    }
}

/// Destination of a result.
enum Output {
    /// A file, replaced once the result is complete.
    File(PathBuf),
    /// A write-only target, such as a pipe or a device.
    Stream(PathBuf),
    Stdout,
}

impl Output {
    fn at(path: &Path) -> Result<Self> {
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
    fn write<T>(&self, make: impl FnOnce(&mut File, &Path) -> Result<T>) -> Result<T> {
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

/// Returns the format that the file's extension stands for.
fn format_of_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "png" => Some(Format::Png),
        "jpg" | "jpeg" | "jpe" | "jfif" => Some(Format::Jpeg),
        "tif" | "tiff" => Some(Format::Tiff),
        "webp" => Some(Format::Webp),
        _ => None,
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_promise_formats() {
        assert_eq!(format_of_name(Path::new("a/b.TIFF")), Some(Format::Tiff));
        assert_eq!(format_of_name(Path::new("b.jpeg")), Some(Format::Jpeg));
        assert_eq!(format_of_name(Path::new("png")), None);
    }
}
