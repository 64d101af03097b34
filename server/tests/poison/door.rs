//! Files that are expensive to inspect: refused at once, while other uploads are accepted.

use std::time::{Duration, Instant};

use shared::equalize::Recipe;
use testkit::elapse;
use testkit::images::{oracle, sample};

use crate::EVENLIGHT;
use crate::files::{Order, chunk, png, zeros};

/// A few seconds, even on a busy machine; with a quadratic inspection it took minutes.
const PROMPT: Duration = Duration::from_secs(10);

/// 3.5 MB: a valid image with empty chunks of a kind that is kept.
fn empty_chunks(count: usize) -> Vec<u8> {
    let chunks = vec![chunk(b"teSt", &[]); count];
    png((64, 64), 8, Order::Rows, &chunks, &zeros(64 * 65))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pngs_of_very_many_empty_chunks_dont_stop_other_uploads() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let server = EVENLIGHT.serve("pod", folder.path(), &["--data", &data, "--pods", "2", "--threads", "2"]);
    let luma = Recipe::default();
    let hostile = empty_chunks(300_000);
    let uploads = (0..2).map(|_| {
        let (client, hostile) = (server.client.clone(), hostile.clone());
        tokio::spawn(async move { client.upload("hostile.png", hostile, &Recipe::default()).await })
    });
    let uploads: Vec<_> = uploads.collect();
    // Whenever an honest image is uploaded meanwhile.
    for pause in [0, 200, 400] {
        elapse(Duration::from_millis(pause)).await;
        let begun = Instant::now();
        let upload = server.client.upload("cell.png", sample("cell.png"), &luma);
        let accepted = tokio::time::timeout(PROMPT, upload).await.expect("an honest upload is answered promptly");
        println!("accepted after {:?}", begun.elapsed());
        assert!(server.client.result(&accepted.unwrap().image_id).await == oracle(&sample("cell.png"), &luma));
    }
    for upload in uploads {
        let refused = tokio::time::timeout(PROMPT, upload).await.expect("a hostile upload is answered too").unwrap();
        let sentence = refused.expect_err("it is refused").detail.unwrap_or_default();
        assert!(sentence.contains("10,000 chunks of metadata") && sentence.contains("send the new file"), "{sentence}");
    }
}

/// The maximum number of elements is inspected just as promptly, and none of them is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_png_of_as_many_chunks_as_are_taken_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let server = EVENLIGHT.serve("pod", folder.path(), &["--data", &data, "--pods", "2", "--threads", "2"]);
    let luma = Recipe::default();
    let most = empty_chunks(10_000);
    let upload = server.client.upload("most.png", most.clone(), &luma);
    let accepted = tokio::time::timeout(PROMPT, upload).await.expect("it is answered promptly").unwrap();
    assert!(server.client.result(&accepted.image_id).await == oracle(&most, &luma));
}
