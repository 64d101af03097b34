//! Images that exceed the time limit of a task or an image.

use std::time::Duration;

use clap::Parser;
use server::cli::process::Process;
use server::cli::serve::ServeArgs;
use shared::equalize::{Color, Recipe};
use shared::job::JobState;

use crate::client::Client;
use crate::files::{Order, png, zeros};
use crate::images::{oracle, rgb16_tiff, sample};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_overruns_its_time_fails_with_both_times_and_no_other_does() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().display().to_string();
    let args = ["evenlight", "--listen", "127.0.0.1:0", "--data", &folder, "--session-timeout", "500ms"];
    let limit = ["--task-time", "1500ms", "--pods", "3", "--max-active-jobs", "4"];
    let process = Process::start(Cli::parse_from(args.iter().chain(&limit)).serve).await.unwrap();
    let (client, luma) = (Client::new(process.address), Recipe::default());
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
        reason.contains("of its attempts, 3 took too long") && reason.contains("limit for a task is 1.5 s"),
        "{reason}"
    );
    let took: f64 = reason.split("too long: it took ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // The work noticed the limit soon after it was exceeded: the thread returned by itself.
    assert!((1.5..4.5).contains(&took), "{reason}");
    let last = client.upload("last.png", sample("cell.png"), &luma).await.unwrap();
    let last = client.ended(&last.image_id).await;
    assert_eq!(last.state, JobState::Done, "{:?}", last.reason);
    tokio::time::timeout(Duration::from_secs(30), process.stop()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_many_short_tasks_that_overruns_its_time_fails_and_no_other_does() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().display().to_string();
    let args = ["evenlight", "--listen", "127.0.0.1:0", "--data", &folder, "--pods", "3"];
    let limit = ["--image-time", "1s", "--parts-per-task", "1"];
    let process = Process::start(Cli::parse_from(args.iter().chain(&limit)).serve).await.unwrap();
    let client = Client::new(process.address);
    let slow = Recipe { color: Color::Oklab, ..Recipe::default() };
    let poisoned = client.upload("poison.tif", rgb16_tiff(6_000, 5_000), &slow).await.unwrap();
    let other = client.upload("other.png", sample("cell.png"), &slow).await.unwrap();
    assert!(client.result(&other.image_id).await == oracle(&sample("cell.png"), &slow));
    let failed = client.ended(&poisoned.image_id).await;
    assert_eq!(failed.state, JobState::Failed);
    let reason = failed.reason.unwrap();
    println!("{reason}");
    assert!(reason.starts_with("The image took too long") && reason.ends_with("the limit is 1.0 s."), "{reason}");
    tokio::time::timeout(Duration::from_secs(30), process.stop()).await.unwrap();
}
