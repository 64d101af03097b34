//! Outliers of floating-point samples: the range leaves them out, and the job's notes say so with the sentence of
//! `evenlight equalize`.

use std::io::Cursor;

use shared::equalize::Recipe;
use shared::job::JobState;
use shared::route;
use testkit::Evenlight;
use testkit::images::{float_tiff, oracle, sample};
use tiff::encoder::{TiffEncoder, colortype};

use crate::jobs::{halfway_with, luma, start};

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Generates pages of floating-point gray, each with these values in place of its first ones.
fn pages(sizes: &[(u32, u32)], far: &[&[f32]]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file).unwrap();
    for ((width, height), far) in sizes.iter().zip(far) {
        let mut samples: Vec<f32> = (0..width * height).map(|at| (at % 9_973) as f32 / 8.0).collect();
        samples[..far.len()].copy_from_slice(far);
        let mut image = encoder.new_image::<colortype::Gray32Float>(*width, *height).unwrap();
        image.rows_per_strip(16).unwrap();
        image.write_data(&samples).unwrap();
    }
    file.into_inner()
}

/// Returns what `evenlight equalize` says about a file, without its name.
fn said_by_the_command(original: &[u8], recipe: &Recipe) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.tif");
    std::fs::write(&input, original).unwrap();
    let mut command = EVENLIGHT.command();
    command.arg("equalize").args([&input, &folder.path().join("out.tif")]);
    let output = command.args(["--recipe", &serde_json::to_string(recipe).unwrap()]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said.lines().map(|line| line.split_once(": ").unwrap().1.to_owned()).collect()
}

async fn are_noted(more: &[&str]) {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), more).await;
    let channels: Recipe = serde_json::from_str(r#"{"method":"global","color":"channels"}"#).unwrap();
    let stretch: Recipe = serde_json::from_str(r#"{"method":"stretch","low":1,"high":99}"#).unwrap();
    let given: Recipe = serde_json::from_str(r#"{"method":"global","range":[-3,1e6]}"#).unwrap();
    let hot = sample("tiff/f_hotpixel.tif");
    let several = pages(&[(90, 70), (60, 50), (40, 40)], &[&[1e9], &[], &[-3e8, 4e9]]);
    for (name, original, recipe, notes) in [
        ("hot.tif", &hot, luma(), 1),
        ("hot.tif", &hot, channels, 1),
        ("hot.tif", &hot, stretch, 1),
        ("hot.tif", &hot, given, 0),
        ("large.tif", &pages(&[(700, 1_100)], &[&[1e9, -4e8, f32::NAN]]), luma(), 1),
        ("none.tif", &float_tiff(300, 200), luma(), 0),
        ("pages.tif", &several, luma(), 2),
    ] {
        let accepted = client.upload(name, original.clone(), &recipe).await.unwrap();
        assert!(client.result(&accepted.image_id).await == oracle(original, &recipe), "{name} with {recipe:?}");
        let noted = client.timeline(&accepted.job_id).await.notes;
        assert_eq!(noted, said_by_the_command(original, &recipe), "{name} with {recipe:?}");
        assert_eq!(noted.iter().filter(|note| note.contains("far away from all others")).count(), notes, "{noted:?}");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outliers_are_noted_by_a_job_in_tasks_as_by_the_command() {
    are_noted(&["--pods", "3", "--parts-per-task", "1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outliers_are_noted_by_a_job_in_one_task_as_by_the_command() {
    are_noted(&["--pods", "3", "--whole-below", "10000000"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_note_on_outliers_survives_the_master_that_found_the_range() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
    let (master, _) = client.master(None).await;
    let original = pages(&[(1_600, 2_400)], &[&[1e12]]);
    let accepted = halfway_with(&client, &original, &luma()).await;
    assert_eq!(client.post(&route::kill(&master)).await / 100, 2);
    assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
    assert_eq!(client.timeline(&accepted.job_id).await.notes, said_by_the_command(&original, &luma()));
    process.stop().await;
}
