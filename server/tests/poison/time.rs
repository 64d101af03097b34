//! Images that exceed the time limit of a task or an image.

use std::time::Duration;

use shared::equalize::{Color, Recipe};
use shared::job::JobState;
use testkit::Server;
use testkit::images::{oracle, rgb16_tiff, sample};

use crate::EVENLIGHT;
use crate::files::{Order, png, zeros};

/// Starts a process with these limits.
fn server(folder: &tempfile::TempDir, limits: &[&str]) -> Server {
    let data = folder.path().join("data").display().to_string();
    let args = ["--data", &data, "--session-timeout", "500ms", "--pods", "3"];
    EVENLIGHT.serve("pod", folder.path(), &[&args[..], limits].concat())
}

/// Stops a process by SIGTERM.
async fn stop(mut server: Server) {
    server.signal("TERM");
    let stopped = tokio::task::spawn_blocking(move || server.wait());
    assert!(tokio::time::timeout(Duration::from_secs(30), stopped).await.unwrap().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_overruns_its_time_fails_with_both_times_and_no_other_does() {
    let folder = tempfile::tempdir().unwrap();
    // Less than decoding the poison takes, and much more than the others take.
    let server = server(&folder, &["--task-time", "500ms", "--max-active-jobs", "4"]);
    let (client, luma) = (&server.client, Recipe::default());
    // 900 MB of rows including filter bytes, decoded by one task.
    let (width, height) = (30_000, 15_000);
    let poison = png((width, height), 16, Order::Rows, &[], &zeros(u64::from(height) * (1 + 2 * u64::from(width))));
    let before = client.upload("before.png", sample("cell.png"), &luma).await.unwrap();
    let poisoned = client.upload("poison.png", poison, &luma).await.unwrap();
    let after = client.upload("after.png", sample("moon.png"), &luma).await.unwrap();
    assert!(client.result(&before.image_id).await == oracle(&sample("cell.png"), &luma));
    assert!(client.result(&after.image_id).await == oracle(&sample("moon.png"), &luma));
    let failed = client.ended(&poisoned.image_id).await;
    assert_eq!(failed.state, JobState::Failed);
    let reason = failed.reason.unwrap();
    assert!(
        reason.contains("of its attempts, 3 took too long") && reason.contains("limit for a task is 0.5 s"),
        "{reason}"
    );
    let took: f64 = reason.split("too long: it took ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // The work noticed the limit soon after it was exceeded: the thread returned by itself.
    assert!((0.5..3.5).contains(&took), "{reason}");
    let last = client.upload("last.png", sample("cell.png"), &luma).await.unwrap();
    let last = client.ended(&last.image_id).await;
    assert_eq!(last.state, JobState::Done, "{:?}", last.reason);
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_many_short_tasks_that_overruns_its_time_fails_and_no_other_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &["--image-time", "1s", "--parts-per-task", "1"]);
    let client = &server.client;
    let slow = Recipe { color: Color::Oklab, ..Recipe::default() };
    let poisoned = client.upload("poison.tif", rgb16_tiff(6_000, 5_000), &slow).await.unwrap();
    let other = client.upload("other.png", sample("cell.png"), &slow).await.unwrap();
    assert!(client.result(&other.image_id).await == oracle(&sample("cell.png"), &slow));
    let failed = client.ended(&poisoned.image_id).await;
    assert_eq!(failed.state, JobState::Failed);
    let reason = failed.reason.unwrap();
    println!("{reason}");
    assert!(reason.starts_with("The image took too long") && reason.ends_with("the limit is 1.0 s."), "{reason}");
    stop(server).await;
}
