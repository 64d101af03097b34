//! A folder store whose writers are killed, or which hangs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;
use server::store::{Error, Store};
use testkit::{elapse, eventually, ok_if};

use super::fixture::noise;

/// Where the child process must write; set only in the child.
const CHILD: &str = "EVENLIGHT_TEST_WRITE_UNTIL_KILLED";
const LIMIT: Duration = Duration::from_secs(60);

/// Returns the length of an object, which follows from its key.
fn length(n: usize) -> usize {
    [10_000, (3 << 20) + 7][n % 2] + n
}

/// Not a test of its own: the child process below runs it until it is killed.
#[tokio::test]
async fn a_writer_that_is_killed() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let store = Store::open(&folder).unwrap();
    let begun = Instant::now();
    for n in 0.. {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody kills it");
        let mut writer = store.create(&format!("run/{}-{n}", std::process::id())).await.unwrap();
        writer.write(noise(length(n))).await.unwrap();
        writer.finish().await.unwrap();
    }
}

#[tokio::test]
async fn a_writer_killed_at_any_moment_never_shows_half_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let (mut whole, mut halves) = (0, 0);
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::torn::a_writer_that_is_killed"])
            .env(CHILD, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Once it has started to write, at another moment each time.
        let mark = format!("{}-", child.id());
        eventually("the child to write", LIMIT, async || {
            let entries = entries(folder.path());
            ok_if(entries.iter().any(|name| name.contains(&mark)), entries)
        })
        .await;
        elapse(Duration::from_micros(round * 7_919 % 40_000)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        halves += entries(folder.path()).iter().filter(|name| name.contains('#')).count();
        for object in store.list("run").try_collect::<Vec<_>>().await.unwrap() {
            let n: usize = object.key.rsplit_once('-').unwrap().1.parse().unwrap();
            assert!(store.get(&object.key).await.unwrap() == noise(length(n)), "half of {} is shown", object.key);
            whole += 1;
        }
        store.delete_prefix("run").await.unwrap();
    }
    assert!(whole > 0 && halves > 0, "{whole} whole objects and {halves} halves: the kills came at no telling moment");
}

fn entries(folder: &Path) -> Vec<String> {
    let below = std::fs::read_dir(folder.join("run")).into_iter().flatten().flatten();
    below.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn a_folders_writes_are_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    // A power cut can't be simulated, but it can be checked that the crate below is configured to sync.
    assert!(format!("{store:?}").contains("fsync: true"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_hangs_holds_few_threads_and_nobody_waits_for_it_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let hung = folder.path().join("hung");
    // Opening a pipe without a writer blocks the thread, like a network folder whose server is gone.
    assert!(Command::new("mkfifo").arg(&hung).status().unwrap().success());
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let store = store.with_patience(Duration::from_secs(1), 2, Duration::from_millis(5));
    let begun = Instant::now();
    for outcome in join_all((0..300).map(|_| store.get("hung"))).await {
        assert!(matches!(outcome, Err(Error::Unavailable { .. })), "{outcome:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
    let threads = std::fs::read_dir("/proc/self/task").unwrap().count();
    assert!(threads < 150, "{threads} threads");
    // Everything else that needs a thread still gets one.
    let looked = tokio::time::timeout(Duration::from_secs(20), tokio::fs::metadata(folder.path())).await;
    assert!(looked.unwrap().unwrap().is_dir());
    assert!(store.put("a", Bytes::from_static(b"x")).await.is_err(), "all of its own threads hang");

    // The server comes back: the threads are freed, and the folder works.
    let pipe = std::fs::File::options().read(true).write(true).open(&hung).unwrap();
    std::fs::remove_file(&hung).unwrap();
    // Threads whose open was woken up only now must find the pipe still open.
    elapse(Duration::from_millis(200)).await;
    drop(pipe);
    eventually("the folder to work again", LIMIT, async || store.put("b", Bytes::from_static(b"x")).await).await;
}
