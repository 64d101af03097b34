//! `evenlight equalize IN OUT`: equalizes images in one process, without an array.
//!
//! IN is a file, a folder (every image in it) or `-` for standard input; OUT is a file, a folder or `-` for standard output. An
//! output file appears under its name only once it is complete.

use std::collections::HashSet;
use std::fs;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use codec::Limits;
use indicatif::{ProgressBar, ProgressStyle};
use pipeline::local::{Local, Opener, Others};
use rayon::{ThreadPool, ThreadPoolBuilder};
use shared::equalize::Recipe;
use shared::job::Format;

use super::endpoints::{Input, Output, display};
use super::folder::{Depth, Found, Summary, walk};
use super::how::{Files, HowArgs, with_mask};
use super::limits::LimitArgs;
use super::names::format_of_name;
use super::sidecars::Sidecars;
use super::target::TargetArgs;

/// Equalize images on this machine alone.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct EqualizeArgs {
    /// An image, a folder of images, or - for standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Destination of the result: a file, a folder, or - for standard output
    #[arg(value_name = "OUT")]
    output: PathBuf,

    /// If IN is a folder: equalize the images of its subfolders too, into the same subfolders of OUT
    #[arg(short, long)]
    recursive: bool,

    #[command(flatten)]
    target: TargetArgs,

    #[command(flatten)]
    how: HowArgs,

    #[command(flatten)]
    limits: LimitArgs,

    /// Number of worker threads [default: the number of cores]
    #[arg(long, env = "EVENLIGHT_THREADS", value_name = "N")]
    threads: Option<NonZeroUsize>,
}

const AFTER_HELP: &str = "\
A folder's images are recognized by their content, whatever their names; results keep the names. Hidden files and macOS's \
AppleDouble files (._*) are left out. A failure doesn't stop the others; the last line counts the images that were equalized, \
failed and were skipped, and why.

Exit code: 0 if all images were equalized, 1 if one failed or there is none, 2 if the command line is wrong.";

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
    let recipe = Recipe { target: args.target.target(recipe.target), ..recipe };
    let command = Command { recipe, others, limits, pool };
    let (from_stdin, to_stdout) = (args.input == Path::new("-"), args.output == Path::new("-"));
    if !from_stdin && fs::metadata(&args.input).with_context(|| display(&args.input))?.is_dir() {
        ensure!(!to_stdout, "the images of a folder can't all go to standard output; name a folder for OUT");
        let depth = if args.recursive { Depth::Subfolders } else { Depth::Folder };
        return command.folder(&args.input, &args.output, depth);
    }
    ensure!(!args.recursive, "--recursive is for a folder, but IN is a file");
    let input = if from_stdin { Input::stdin()? } else { Input::File(args.input.clone()) };
    let output = match (to_stdout, args.input.file_name()) {
        (true, _) => Output::Stdout,
        (false, Some(name)) if args.output.is_dir() => {
            ensure!(!from_stdin, "standard input has no name; name a file, not a folder, for OUT");
            Output::at(&args.output.join(command.named(Path::new(name), input.format()?)))?
        }
        (false, _) => Output::at(&args.output)?,
    };
    if let (Output::File(path), false, Some(original)) = (&output, args.output.is_dir(), input.format()?) {
        let format = command.recipe.target.format_of(original);
        if let Some(named) = format_of_name(path).filter(|named| *named != format) {
            let (is, extension) = (format.name().to_uppercase(), format.extension());
            match command.recipe.target.format {
                None => bail!(
                    "the result keeps the original's format, {is}: name OUT with .{extension}, or add --to {}",
                    named.name()
                ),
                Some(_) => bail!("the result is a {is}: name OUT with .{extension}"),
            }
        }
    }
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
    fn folder(&self, input: &Path, output: &Path, depth: Depth) -> Result<()> {
        fs::create_dir_all(output).with_context(|| display(output))?;
        ensure!(
            fs::canonicalize(input)? != fs::canonicalize(output)?,
            "IN and OUT are the same folder; the originals would be lost"
        );
        let (mut summary, mut results) = (Summary::default(), HashSet::new());
        for found in walk(input, output, depth) {
            let (path, outcome) = match found {
                Found::Skipped(reason) => {
                    summary.skip(reason);
                    continue;
                }
                Found::Failed(path, error) => (path, Err(error.into())),
                Found::Image { path, relative } => {
                    let outcome = self.one_of_folder(&path, output, &relative, &mut results);
                    (path, outcome)
                }
            };
            match outcome {
                Ok(()) => summary.done += 1,
                Err(error) => {
                    summary.failed += 1;
                    eprintln!("{}: {error:#}", path.display());
                }
            }
        }
        eprintln!("{summary}");
        ensure!(summary.failed == 0, "{} of {} images failed", summary.failed, summary.done + summary.failed);
        ensure!(summary.done > 0, "{}: no images in this folder", input.display());
        Ok(())
    }

    /// Equalizes an image of a folder; `results` are the files made before.
    fn one_of_folder(&self, path: &Path, output: &Path, relative: &Path, results: &mut HashSet<PathBuf>) -> Result<()> {
        let input = Input::File(path.to_owned());
        let format = input.format()?;
        if let (Some(named), Some(format)) = (format_of_name(path), format)
            && named != format
        {
            let is = format.name().to_uppercase();
            eprintln!("{}: its content is {is}, despite its name", path.display());
        }
        let output = output.join(self.named(relative, format));
        let is_first = results.insert(output.clone());
        ensure!(is_first, "another image of this folder has the same result, {}; rename one", output.display());
        if let Some(folder) = output.parent() {
            fs::create_dir_all(folder).with_context(|| display(folder))?;
        }
        self.one(&input, &Output::at(&output)?)
    }

    /// Returns the name of a result in a folder: the original's, with another extension if it gets another format.
    fn named(&self, name: &Path, original: Option<Format>) -> PathBuf {
        match self.recipe.target.format {
            Some(format) if Some(format) != original || format_of_name(name) != original => {
                name.with_extension(format.extension())
            }
            _ => name.to_owned(),
        }
    }

    /// Equalizes one image.
    fn one(&self, input: &Input, output: &Output) -> Result<()> {
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
