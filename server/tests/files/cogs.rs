//! The result of a cloud-optimized GeoTIFF (COG) is one too, in whichever parts it is made. Files made by GDAL and checked with
//! rio-cogeo (`scripts/golden/cloud.py`).

use shared::equalize::{Color, Recipe};
use shared::job::Keeping;
use testkit::images::oracle;

use super::carry;
use super::golden::Golden;
use super::strange_tiffs::carry_pages;

#[derive(Debug, serde::Deserialize)]
struct Case {
    name: String,
    /// Why the result isn't cloud-optimized; empty if that isn't reported.
    why: Option<String>,
}

/// Returns what is wrong with the report on a case.
fn wrong(case: &Case, said: &Keeping) -> Option<String> {
    let kept = said.kept.iter().any(|kept| kept == "the cloud-optimized layout (COG)");
    let note = said.changed.iter().find(|note| note.contains("cloud-optimized"));
    let expected = match (case.why.as_deref(), note) {
        (None, note) => kept && note.is_none(),
        (Some(""), note) => !kept && note.is_none(),
        (Some(why), note) => {
            !kept && note.is_some_and(|note| note.contains(&format!("because {why}. `gdal_translate -of COG")))
        }
    };
    (!expected).then(|| format!("{case:?}: {said:?}"))
}

#[test]
fn results_of_cloud_optimized_tiffs_are_cloud_optimized_or_say_why_not() {
    let golden = Golden::to_check("cloud.py");
    let mut all_wrong = Vec::new();
    for case in golden.cases::<Case>() {
        let original = golden.read(&case.name);
        let (same, said) = carry_pages(&original).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        all_wrong.extend(wrong(&case, &said));
        // In the ordinary layout, each part has a strip of each overview.
        if case.why.is_none() {
            for units in [1, 2] {
                assert!(carry(&original, units) == same, "{}: other bytes in parts of {units} units", case.name);
            }
        }
        golden.write(&format!("same-{}", case.name), same);
        golden.write(&format!("out-{}", case.name), oracle(&original, &Recipe::global(Color::Channels)));
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
    golden.check();
}
