//! An image whose decoding takes more memory than the process may use: the process dies, and a supervisor starts it again.

use std::path::Path;

use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::id::ImageId;
use shared::job::JobState;
use testkit::images::{oracle, sample};
use testkit::wait::PATIENCE;
use testkit::{Server, eventually, ok_if};

use crate::EVENLIGHT;
use crate::files::{Order, png, zeros};

/// Limit of a process's address space, in bytes.
const LIMIT: u64 = 1 << 30;

/// Restarts a process whenever it has died, like a supervisor.
struct Supervised<'a> {
    folder: &'a Path,
    server: Server,
    deaths: u32,
}

impl<'a> Supervised<'a> {
    fn new(folder: &'a Path) -> Self {
        Self { folder, server: Self::start(folder), deaths: 0 }
    }

    fn start(folder: &Path) -> Server {
        let data = folder.join("data").display().to_string();
        let args = ["--data", &data, "--pods", "2", "--session-timeout", "500ms", "--threads", "2"];
        // It is configured to use more than it may.
        EVENLIGHT.serve_limited(
            "pod",
            folder,
            &[&args[..], &["--max-whole-decode", "4GiB", "--memory", "4GiB"]].concat(),
            LIMIT,
        )
    }

    async fn upload(&mut self, name: &str, bytes: Vec<u8>) -> Accepted {
        self.server.client.upload(name, bytes, &Recipe::default()).await.unwrap()
    }

    /// Waits until each image has ended, and restarts the process when it died.
    async fn until_ended(&mut self, images: &[&ImageId]) {
        eventually(&format!("{} images to end", images.len()), PATIENCE, async || {
            if self.server.has_ended() {
                self.deaths += 1;
                self.server = Self::start(self.folder);
            }
            let mut states = Vec::new();
            for image in images {
                states.push(self.server.client.image(image).await.map(|image| image.state));
            }
            let ended = states.iter().flatten().filter(|state| state.has_ended()).count();
            ok_if(ended == images.len(), (states, self.deaths))
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_kills_its_process_is_given_up_after_four_runs_and_the_others_are_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut site = Supervised::new(folder.path());
    let before = site.upload("before.png", sample("cell.png")).await;
    site.until_ended(&[&before.image_id]).await;
    assert_eq!(site.deaths, 0);
    // An interlaced image must be decoded as a whole: 1.6 GB.
    let poison = png((40_000, 40_000), 8, Order::Interlaced, &[], &zeros(1_700_000_000));
    let poison = site.upload("poison.png", poison).await;
    site.until_ended(&[&poison.image_id]).await;
    let failed = site.server.client.image(&poison.image_id).await.unwrap();
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.reason.as_ref().unwrap().contains('4'), "{:?}", failed.reason);
    println!("{} deaths; {}", site.deaths, failed.reason.unwrap());
    assert_eq!(site.deaths, 4);
    let after = site.upload("after.png", sample("moon.png")).await;
    site.until_ended(&[&after.image_id]).await;
    let luma = Recipe::default();
    assert!(site.server.client.result(&before.image_id).await == oracle(&sample("cell.png"), &luma));
    assert!(site.server.client.result(&after.image_id).await == oracle(&sample("moon.png"), &luma));
}
