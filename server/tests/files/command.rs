//! `evenlight equalize` as a command: files, folders, standard input and output, and refusals.

use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use clap::Parser;
use server::cli::equalize::{EqualizeArgs, run};
use server::codec::Limits;
use server::pipeline::local::equalize_file;
use shared::equalize::Recipe;

use crate::EVENLIGHT;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples").join(name)
}

/// Returns the result of the function behind the command for a sample.
fn equalized(name: &str, recipe: &Recipe) -> Vec<u8> {
    let file = fs::read(sample(name)).unwrap();
    let source = || Ok(Box::new(Cursor::new(file.clone())) as Box<_>);
    let mut out = Cursor::new(Vec::new());
    equalize_file(source, recipe, &mut out, &Limits::default(), &mut |_, _| ()).unwrap();
    out.into_inner()
}

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: EqualizeArgs,
}

fn command(arguments: &[&Path]) -> anyhow::Result<()> {
    let name = Path::new("equalize");
    run(Cli::try_parse_from([name].iter().chain(arguments))?.args)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_goes_to_a_file_or_under_its_name_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let expected = equalized("moon.png", &Recipe::default());
    let file = folder.path().join("even.png");
    command(&[&sample("moon.png"), &file]).unwrap();
    command(&[&sample("moon.png"), folder.path()]).unwrap();
    assert_eq!(names(folder.path()), ["even.png", "moon.png"]);
    assert!(fs::read(&file).unwrap() == expected);
    assert!(fs::read(folder.path().join("moon.png")).unwrap() == expected);
}

#[test]
fn the_flags_say_how_colour_is_treated() {
    let folder = tempfile::tempdir().unwrap();
    for color in ["luma", "channels", "hsv", "gray"] {
        let file = folder.path().join("result.png");
        command(&[&sample("coffee.png"), &file, Path::new(&format!("--color={color}"))]).unwrap();
        let json = format!(r#"{{"method":"global","color":"{color}"}}"#);
        let expected = equalized("coffee.png", &serde_json::from_str(&json).unwrap());
        assert!(fs::read(&file).unwrap() == expected, "{color}");
        command(&[&sample("coffee.png"), &file, Path::new("--recipe"), Path::new(&json)]).unwrap();
        assert!(fs::read(&file).unwrap() == expected, "{color}");
    }
}

#[test]
fn a_folder_is_done_to_its_end_and_failures_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out/even"));
    fs::create_dir_all(input.join("deeper")).unwrap();
    fs::copy(sample("page.png"), input.join("z.png")).unwrap();
    fs::copy(sample("cell.png"), input.join("deeper/cell.png")).unwrap();
    fs::write(input.join("notes.txt"), "Not an image, and it doesn't say so.").unwrap();
    command(&[&input, &output]).unwrap();
    assert_eq!(names(&output), ["z.png"]);

    fs::write(input.join("bad.png"), "Not an image, though it says so.").unwrap();
    fs::copy(sample("moon.png"), input.join("moon.png")).unwrap();
    let error = command(&[&input, &output]).unwrap_err();
    assert_eq!(error.to_string(), "1 of 3 images failed");
    assert_eq!(names(&output), ["moon.png", "z.png"]);
}

/// Runs the binary on a folder; returns its exit code and what it says.
fn folder_by_binary(arguments: &[&Path]) -> (Option<i32>, String) {
    let output = binary(Stdio::null(), arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_folder_is_gone_through_by_content_and_its_summary_groups_what_was_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(input.join("below")).unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(input.join(name), bytes).unwrap();
    let page = fs::read(sample("page.png")).unwrap();
    put("page", &page);
    put("page.jpg", &page);
    put("._page.jpg", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ");
    put("resource fork.png", b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ");
    put(".hidden.png", &page);
    put("one.gif", b"GIF89a\x01\0\x01\0");
    put("two.gif", b"GIF89a\x01\0\x01\0");
    put("notes.txt", b"No image.");
    put("below/deep.png", &page);

    let (code, said) = folder_by_binary(&[&input, &output]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(names(&output), ["page", "page.jpg"]);
    let expected = equalized("page.png", &Recipe::default());
    assert!(fs::read(output.join("page.jpg")).unwrap() == expected);
    assert!(said.contains("page.jpg: its content is PNG"), "{said}");
    assert_eq!(
        said.lines().last().unwrap(),
        "2 images equalized, 0 failed, 7 skipped (a GIF image: 2; macOS's notes about another file (AppleDouble): 2; \
         folders below, which -r includes: 1; hidden: 1; text: 1)"
    );

    put("bad.png", b"No image, though it says so.");
    let (code, said) = folder_by_binary(&[&input, &output]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("bad.png: This is text") && said.contains("2 images equalized, 1 failed, 7 skipped"),
        "{said}"
    );
    let (code, _) = folder_by_binary(&[&input, &output, Path::new("--strength=no")]);
    assert_eq!(code, Some(2));
}

#[cfg(unix)]
#[test]
fn subfolders_keep_their_structure_and_links_end() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir_all(input.join("a/b")).unwrap();
    fs::create_dir_all(input.join(".git")).unwrap();
    fs::create_dir_all(input.join("empty")).unwrap();
    for place in ["top.png", "a/one.png", "a/b/two.png", ".git/three.png"] {
        fs::copy(sample("page.png"), input.join(place)).unwrap();
    }
    symlink(&input, input.join("a/b/loop")).unwrap();
    symlink(input.join("nowhere.png"), input.join("broken.png")).unwrap();
    fs::copy(sample("page.png"), folder.path().join("elsewhere.png")).unwrap();
    symlink(folder.path().join("elsewhere.png"), input.join("linked.png")).unwrap();
    // OUT in IN isn't gone into, even when it has results.
    let output = input.join("out");
    for _ in 0..2 {
        let (code, said) = folder_by_binary(&[&input, &output, Path::new("-r")]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(names(&output), ["a", "linked.png", "top.png"]);
        assert_eq!(names(&output.join("a")), ["b", "one.png"]);
        assert_eq!(names(&output.join("a/b")), ["two.png"]);
        assert_eq!(
            said.lines().last().unwrap(),
            "4 images equalized, 0 failed, 3 skipped (hidden: 1; links to a folder above them: 1; links to nothing: 1)"
        );
    }
    let error = command(&[&sample("page.png"), folder.path(), Path::new("-r")]).unwrap_err();
    assert!(error.to_string().contains("for a folder"), "{error}");
}

#[test]
fn a_result_gets_another_format_only_on_request_and_what_is_lost_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(&input).unwrap();
    fs::copy(sample("made/opencv_rgb16.png"), input.join("wide.png")).unwrap();
    fs::copy(sample("made/pillow_lossless_alpha.webp"), input.join("alpha.webp")).unwrap();
    let (code, said) = folder_by_binary(&[&input, &output, Path::new("--to=jpeg")]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(names(&output), ["alpha.jpg", "wide.jpg"]);
    for words in
        ["wide.png: Samples of 16 bits became 8", "alpha.webp: The alpha channel was left out", "which is lossy"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let to = |arguments: &[&Path]| command(arguments).unwrap_err().to_string();
    let wide = input.join("wide.png");
    assert!(to(&[&wide, &output.join("wide.tif")]).contains("or add --to tiff"));
    assert!(to(&[&wide, &output.join("wide.tif"), Path::new("--to=webp")]).contains(".webp"));

    fs::copy(sample("made/pillow_lossless_alpha.webp"), input.join("alpha.png")).unwrap();
    let (code, said) = folder_by_binary(&[&input, &output, Path::new("--to=tiff")]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another image of this folder has the same result"), "{said}");
}

#[test]
fn nothing_is_left_where_nothing_could_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.png");
    fs::write(&bad, "Not an image.").unwrap();
    assert!(command(&[&bad, &folder.path().join("even.png")]).is_err());
    assert!(command(&[&folder.path().join("missing.png"), &folder.path().join("even.png")]).is_err());
    assert_eq!(names(folder.path()), ["bad.png"]);
}

#[test]
fn originals_are_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("moon.png");
    fs::copy(sample("moon.png"), &file).unwrap();
    for output in [&file, folder.path()] as [&Path; 2] {
        assert!(command(&[&file, output]).unwrap_err().to_string().contains("same file"));
    }
    assert!(command(&[folder.path(), folder.path()]).unwrap_err().to_string().contains("same folder"));
    assert!(fs::read(&file).unwrap() == fs::read(sample("moon.png")).unwrap());
}

#[test]
fn a_name_that_promises_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = command(&[&sample("moon.png"), &folder.path().join("moon.jpg")]).unwrap_err();
    assert!(error.to_string().contains(".png"), "{error}");
    assert!(names(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn a_result_has_the_rights_of_a_new_file_and_links_and_devices_stay_what_they_are() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new");
    fs::write(&file, "").unwrap();
    let usual = fs::metadata(&file).unwrap().permissions().mode();
    let link = folder.path().join("link");
    symlink(&file, &link).unwrap();

    command(&[&sample("page.png"), &link]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::metadata(&file).unwrap().len() > 0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode(), usual);

    command(&[&sample("page.png"), Path::new("/dev/null")]).unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

/// Runs the binary with a file as its standard input.
fn binary(input: impl Into<Stdio>, arguments: &[&Path]) -> Output {
    let mut command = EVENLIGHT.command();
    command.arg("equalize").args(arguments).stdin(input).output().unwrap()
}

#[test]
fn a_dash_is_standard_input_and_standard_output() {
    let expected = equalized("moon.png", &Recipe::default());
    let dash = Path::new("-");
    let moon = || File::open(sample("moon.png")).unwrap();

    let through = binary(moon(), &[dash, dash]);
    assert!(through.status.success() && through.stdout == expected && through.stderr.is_empty());
    let out = binary(Stdio::null(), &[&sample("moon.png"), dash]);
    assert!(out.status.success() && out.stdout == expected);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("even.png");
    assert!(binary(moon(), &[dash, &file]).status.success());
    assert!(fs::read(&file).unwrap() == expected);
}

#[test]
fn the_binary_says_in_one_line_what_is_wrong_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (dash, file) = (Path::new("-"), folder.path().join("even.png"));
    for (arguments, said) in [
        (&[dash, dash][..], "The file is empty"),
        (&[dash, folder.path()], "standard input has no name"),
        (&[folder.path(), dash], "name a folder for OUT"),
        (&[folder.path(), &file], "no images"),
        (&[&sample("missing.png"), &file], "missing.png"),
        (&[&sample("moon.png"), &folder.path().join("none/even.png")], "no such folder"),
    ] {
        let output = binary(Stdio::null(), arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
        assert!(stderr.lines().count() <= 2, "{stderr}");
    }
}

#[test]
fn limits_are_flags_each_with_a_sentence() {
    for (flag, limit, name, words) in [
        ("--max-pixels", "200000", "moon.png", "512 × 512 pixels, 262,144 in all; the limit is 200,000."),
        ("--max-side", "500", "moon.png", "512 × 512 pixels; the limit of a side is 500."),
        ("--max-whole-decode", "100KiB", "rocket.jpg", "A JPEG must be decoded at once, which takes"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let output =
            binary(Stdio::null(), &[&sample(name), &out.path().join("out"), Path::new(flag), Path::new(limit)]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(words), "{flag}: {told}");
        assert!(fs::read_dir(out.path()).unwrap().next().is_none(), "nothing is left of it");
    }
}

/// Address space limit of a process that reads truncated files.
const LITTLE: &str = "--as=1073741824";
/// Number of places at which each sample is truncated.
const CUTS: usize = 200;

/// Returns all samples, including those in subfolders.
fn samples(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => found.extend(samples(&path)),
            Some("png" | "jpg" | "tif" | "webp") => found.push(path),
            _ => {}
        }
    }
    found
}

#[test]
fn every_sample_cut_off_at_two_hundred_places_is_told_in_a_sentence_within_bounded_memory() {
    for sample in samples(&sample("")) {
        let (bytes, folder) = (fs::read(&sample).unwrap(), tempfile::tempdir().unwrap());
        let name = sample.file_name().unwrap().to_str().unwrap();
        for cut in 0..CUTS {
            let short = &bytes[..bytes.len() * cut / CUTS];
            fs::write(folder.path().join(format!("{cut:03}-{name}")), short).unwrap();
        }
        let output = folder.path().join("out");
        let done = Command::new("prlimit")
            .arg(LITTLE)
            .arg(EVENLIGHT.0)
            .env("MALLOC_ARENA_MAX", "2")
            .args(["equalize", "--threads", "2"])
            .args([folder.path(), &output])
            .output()
            .unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        // A file may be complete before its last byte; every failure must be a refusal.
        assert_eq!(done.status.code(), Some(1), "{name}: {told}");
        let wrong = ["panicked", "decoder crashed", "made the decoder fail", "memory allocation"];
        assert!(wrong.iter().all(|wrong| !told.contains(wrong)), "{name}: {told}");
        // A note on a result names the file without its folder.
        let path = folder.path().display().to_string();
        let refusal =
            |line: &&str| line.starts_with(&path) && line.contains(&format!("-{name}: ")) && line.ends_with('.');
        let refused = told.lines().filter(refusal).count();
        let summary = told.lines().last().unwrap();
        // Behind the pixels may be overviews, which are made anew: of `g_f32_m34e38_ovr.tif` they are 73 % of the bytes.
        assert!(told.contains(&format!("{refused} failed")) && refused > CUTS / 4, "{name}: {refused}, {summary}");
    }
}

#[test]
fn a_mask_beside_an_image_is_obeyed_and_is_no_image_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (beside, alone) = (folder.path().join("beside"), folder.path().join("alone"));
    let (image, mask) = (sample("tiff/side.tif"), sample("tiff/side.tif.msk"));
    for (to, names) in [(&beside, &[&image, &mask][..]), (&alone, &[&image])] {
        fs::create_dir(to).unwrap();
        for name in names {
            fs::copy(name, to.join(name.file_name().unwrap())).unwrap();
        }
    }
    let result = |arguments: &[&Path]| {
        let out = folder.path().join("out");
        command(&[arguments, &[&out]].concat()).unwrap();
        assert_eq!(names(&out), ["side.tif"]);
        let bytes = fs::read(out.join("side.tif")).unwrap();
        fs::remove_dir_all(out).unwrap();
        bytes
    };
    let named = result(&[Path::new("--mask"), &mask, &alone]);
    assert!(result(&[&beside]) == named);
    assert!(result(&[&alone]) != named);
}
