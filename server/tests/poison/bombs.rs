//! Bombs: small files that claim or expand to something huge are refused or fail with a sentence, in bounded memory and time.

use std::time::{Duration, Instant};

use shared::equalize::Recipe;
use shared::job::JobState;
use testkit::images::{oracle, sample};

use crate::EVENLIGHT;
use crate::files::{Entry, Order, chunk, data_at, png, tiff, zeros};

/// Size to which a bomb expands, in bytes.
const HUGE: u64 = 1 << 30;

/// Expected outcome of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Refused with 422 at once.
    Refused,
    /// Accepted, and the job fails.
    Failed,
    /// It is a valid image after all.
    Done,
}

struct Bomb {
    name: &'static str,
    file: Vec<u8>,
    end: End,
    /// Expected part of the sentence.
    says: &'static str,
}

/// Returns the entries of a 64 × 64 gray TIFF with one strip.
fn gray_strip(compression: u32, strips: u32, offset: u32, bytes: u32) -> [Entry; 9] {
    let (short, long) = (3, 4);
    [
        (256, long, 1, 64),
        (257, long, 1, 64),
        (258, short, 1, 8),
        (259, short, 1, compression),
        (262, short, 1, 1),
        (273, long, strips, offset),
        (277, short, 1, 1),
        (278, long, 1, 64),
        (279, long, strips, bytes),
    ]
}

/// Returns a chunk with deflated text.
fn deflated(kind: &[u8; 4], keyword: &[u8], data: &[u8]) -> Vec<u8> {
    chunk(kind, &[keyword, &[0, 0], data].concat())
}

/// Returns a JPEG whose header claims this size.
fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let mut file = sample("retina.jpg");
    let frame = file.windows(2).position(|at| at == [0xff, 0xc0] || at == [0xff, 0xc2]).unwrap();
    file[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    file[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    file
}

fn bombs() -> Vec<Bomb> {
    let small = zeros(64 * 65);
    let huge = zeros(HUGE);
    let strip = |compression, strips, bytes| gray_strip(compression, strips, data_at(9), bytes);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let mut many = b"II\x2a\0\x08\0\0\0".to_vec();
    many.extend([0xff; 64]);
    let mut big = b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec();
    big.extend((1u64 << 62).to_le_bytes());
    big.extend([0; 64]);
    let bomb = |name, file, end, says| Bomb { name, file, end, says };
    vec![
        bomb("claims.png", png((60_000, 60_000), 8, Order::Rows, &[], &small), End::Refused, "truncated"),
        bomb(
            "interlaced.png",
            png((60_000, 60_000), 8, Order::Interlaced, &[], &huge),
            End::Refused,
            "decoded at once",
        ),
        bomb("unfolds.png", png((64, 64), 8, Order::Rows, &[], &huge), End::Done, ""),
        bomb("text.png", png((64, 64), 8, Order::Rows, &[deflated(b"zTXt", b"Comment", &huge)], &small), End::Done, ""),
        bomb("profile.png", png((64, 64), 8, Order::Rows, &[deflated(b"iCCP", b"icc", &huge)], &small), End::Done, ""),
        bomb("strip.tif", tiff(&strip(8, 1, length(&huge)), 0, &huge), End::Done, ""),
        bomb("strips.tif", tiff(&strip(1, u32::MAX, 4096), 0, &[7; 4096]), End::Refused, "truncated"),
        bomb("loop.tif", tiff(&strip(1, 1, 4096), 8, &[7; 4096]), End::Refused, "pages"),
        bomb("entries.tif", many, End::Refused, "truncated"),
        bomb("big.tif", big, End::Refused, "damaged"),
        bomb("claims.jpg", jpeg_of(60_000, 60_000), End::Refused, "decoded at once"),
        // Most of it is missing; the decoder fills it with gray.
        bomb("hollow.jpg", jpeg_of(4_000, 3_000), End::Done, ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_a_sentence_in_bounded_memory_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let args = ["--data", &data, "--pods", "2", "--threads", "2", "--max-whole-decode", "128MiB"];
    let server = EVENLIGHT.serve("pod", folder.path(), &args);
    let luma = Recipe::default();
    let innocent = server.client.upload("cell.png", sample("cell.png"), &luma).await.unwrap();
    assert!(server.client.result(&innocent.image_id).await == oracle(&sample("cell.png"), &luma));
    let mut peak = server.peak_memory();
    let mut wrong = Vec::new();
    for Bomb { name, file, end, says } in bombs() {
        let (begun, length) = (Instant::now(), file.len());
        let (came, sentence) = match server.client.upload(name, file, &luma).await {
            Err(problem) => (End::Refused, problem.detail.unwrap_or_default()),
            Ok(accepted) => {
                let image = server.client.ended(&accepted.image_id).await;
                let came = if image.state == JobState::Done { End::Done } else { End::Failed };
                (came, image.reason.unwrap_or_default())
            }
        };
        let (took, before) = (begun.elapsed(), std::mem::replace(&mut peak, server.peak_memory()));
        println!(
            "{name}: {length} bytes, {came:?} after {took:.1?}, peak memory {} MiB (+{}): {sentence}",
            peak >> 20,
            peak.saturating_sub(before) >> 20
        );
        if came != end || !sentence.contains(says) || took > Duration::from_secs(30) {
            wrong.push(format!("{name}: {came:?} after {took:.1?} instead of {end:?}: {sentence}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(peak < 400 << 20, "{} MiB", peak >> 20);
    let innocent = server.client.upload("moon.png", sample("moon.png"), &luma).await.unwrap();
    assert!(server.client.result(&innocent.image_id).await == oracle(&sample("moon.png"), &luma));
}
