//! Relatives of the files that used to fail, each by `evenlight equalize`: nodata of bands, overviews, further bands, masks, CLAHE of
//! 16 bits, metadata that become false, and colours. Made and checked by `scripts/golden/relatives.py`.

use std::path::Path;

use shared::equalize::Recipe;

use super::EVENLIGHT;
use super::golden::Golden;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    recipe: Recipe,
    /// Words in the notes.
    notes: Vec<String>,
    /// Words in the refusal; empty if the file is taken.
    refused: Vec<String>,
}

/// Runs the command in a folder; returns what is wrong with what it says.
fn equalize(folder: &Path, case: &Case) -> Option<String> {
    let mut command = EVENLIGHT.command();
    command.current_dir(folder).args(["equalize", &case.name, &format!("out-{}", case.name)]);
    let output = command.args(["--recipe", &serde_json::to_string(&case.recipe).unwrap()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let is_as_expected = output.status.success() == case.refused.is_empty()
        && case.notes.iter().chain(&case.refused).all(|words| said.contains(words.as_str()));
    (!is_as_expected).then(|| format!("{}: {said:?} for {:?} or {:?}", case.name, case.notes, case.refused))
}

#[test]
fn relatives_of_the_files_that_failed_become_what_other_programs_say() {
    let golden = Golden::to_check("relatives.py");
    let cases: Vec<Case> = golden.cases();
    let wrong: Vec<String> = cases.iter().filter_map(|case| equalize(golden.folder(), case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    golden.check();
}
