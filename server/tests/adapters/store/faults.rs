//! A store that fails, hangs, tears and lies, as seen by callers of `Store`.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use server::store::{Error, Store};
use testkit::faulty_store::impatient;
use testkit::store_faults::{Act, Fault, Faults, Rule};

use super::fixture::noise;

fn over(inner: Arc<dyn ObjectStore>) -> (Store, Faults) {
    let faults = Faults::seeded(1);
    (Store::over(faults.over(inner), impatient()), faults)
}

fn in_memory() -> (Store, Faults) {
    over(Arc::new(InMemory::new()))
}

/// Reads an object like a pixel thread.
async fn read(store: &Store, key: &str) -> std::io::Result<Vec<u8>> {
    let (store, key, handle) = (store.clone(), key.to_owned(), tokio::runtime::Handle::current());
    let reading = move || {
        let mut bytes = Vec::new();
        store.reader(&key, handle).map_err(std::io::Error::other)?.read_to_end(&mut bytes).map(|_| bytes)
    };
    tokio::task::spawn_blocking(reading).await.unwrap()
}

async fn write(store: &Store, key: &str, bytes: &Bytes) -> Result<u64, Error> {
    let mut writer = store.create(key).await?;
    for start in (0..bytes.len()).step_by(1 << 20) {
        writer.write(bytes.slice(start..bytes.len().min(start + (1 << 20)))).await?;
    }
    writer.finish().await
}

#[tokio::test(start_paused = true)]
async fn what_fails_hangs_or_loses_its_reply_now_and_then_works_all_the_same() {
    for fault in [Fault::Fail, Fault::Hang, Fault::LoseReply, Fault::HangDone] {
        let (store, faults) = in_memory();
        for act in [Act::Put, Act::Get, Act::Head, Act::List, Act::Delete] {
            faults.play(Rule::on(act, fault).times(2));
        }
        let bytes = noise(100_000);
        store.put("a/b", bytes.clone()).await.unwrap();
        assert_eq!(store.size("a/b").await.unwrap(), 100_000, "{fault:?}");
        assert_eq!(store.get("a/b").await.unwrap(), bytes, "{fault:?}");
        assert_eq!(store.list("a").try_collect::<Vec<_>>().await.unwrap().len(), 1, "{fault:?}");
        store.delete("a/b").await.unwrap();
        assert_eq!(store.size("a/b").await, Err(Error::NotFound("a/b".into())), "{fault:?}");
        assert_eq!(faults.played().len(), 10, "{fault:?}: {:?}", faults.played());
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_answers_is_given_up_after_a_few_tries() {
    for act in [Act::Put, Act::Get, Act::Head, Act::List, Act::Delete] {
        let (store, faults) = in_memory();
        store.put("a", noise(10)).await.unwrap();
        faults.play(Rule::on(act, Fault::Hang));
        let begun = tokio::time::Instant::now();
        let outcome = match act {
            Act::Put => store.put("b", noise(10)).await,
            Act::Get => store.range("a", 0..5).await.map(drop),
            Act::Head => store.size("a").await.map(drop),
            Act::List => store.list("").try_collect::<Vec<_>>().await.map(drop),
            _ => store.delete("a").await,
        };
        assert!(
            matches!(&outcome, Err(Error::Unavailable { cause, .. }) if cause.to_string().contains("1.5 s")),
            "{outcome:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(10), "{act:?} took {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_pixel_thread_reads_through_the_faults_and_gives_up_in_time() {
    let (store, faults) = in_memory();
    let bytes = noise(3 << 20);
    write(&store, "a", &bytes).await.unwrap();
    faults.play(Rule::on_any(&[Act::Get, Act::Head], Fault::Fail).times(2));
    assert!(read(&store, "a").await.unwrap() == bytes);
    assert_eq!(faults.played().len(), 2, "the reader went past the faults");
    faults.play(Rule::on(Act::Get, Fault::Hang));
    let reading = tokio::time::timeout(Duration::from_secs(60), read(&store, "a"));
    assert!(reading.await.expect("it gives up").is_err());
}

#[tokio::test(start_paused = true)]
async fn an_object_of_many_pieces_appears_whole_or_not_at_all() {
    let bytes = noise(20 << 20);
    for (act, fault) in [
        (Act::Part, Fault::Fail),
        (Act::Part, Fault::Hang),
        (Act::Part, Fault::Full),
        (Act::Complete, Fault::Fail),
        (Act::Complete, Fault::Hang),
        (Act::Complete, Fault::Full),
    ] {
        let (store, faults) = in_memory();
        faults.play(Rule::on(act, fault));
        let failed = write(&store, "a", &bytes).await.unwrap_err();
        assert_eq!(matches!(failed, Error::Full { .. }), fault == Fault::Full, "{act:?} {fault:?}: {failed}");
        assert_eq!(store.size("a").await, Err(Error::NotFound("a".into())), "{act:?} {fault:?}");
        faults.end();
        write(&store, "b", &bytes).await.unwrap();
        assert!(store.get("b").await.unwrap() == bytes);
    }
    for fault in [Fault::LoseReply, Fault::HangDone] {
        let (store, faults) = in_memory();
        faults.play(Rule::on(Act::Complete, fault));
        assert_eq!(write(&store, "a", &bytes).await, Ok(20 << 20), "it is there, so it was written: {fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_store_says_so_at_once_and_keeps_nothing() {
    let (store, faults) = in_memory();
    faults.play(Rule::on_any(&[Act::Put, Act::Begin], Fault::Full));
    assert!(matches!(store.put("a", noise(10)).await, Err(Error::Full { .. })));
    assert!(matches!(write(&store, "b", &noise(9 << 20)).await, Err(Error::Full { .. })));
    assert_eq!(faults.played().len(), 2, "room doesn't come by asking again at once");
    assert!(store.list("").try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_torn_or_short_answer_is_never_taken_for_the_whole() {
    let (store, faults) = in_memory();
    store.put("a", noise(1_000)).await.unwrap();
    faults.play(Rule::on(Act::Get, Fault::Tear));
    assert_eq!(store.range("a", 0..1_000).await, Err(Error::OutOfRange { key: "a".into(), end: 1_000 }));
    faults.end();
    faults.play(Rule::on(Act::List, Fault::Tear));
    store.put("b", noise(1)).await.unwrap();
    assert!(store.list("").try_collect::<Vec<_>>().await.is_err(), "half a listing is no listing");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_torn_is_not_mistaken_for_one_whose_reply_was_lost() {
    let (store, faults) = in_memory();
    faults.play(Rule::on(Act::Put, Fault::Tear).times(1));
    store.put("a", noise(1_000)).await.unwrap();
    assert_eq!(store.put("a", noise(1_000)).await, Err(Error::Exists("a".into())));
    assert_eq!(store.size("a").await, Ok(500), "a store that lies is found out by who knows the hash");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_under_faults_behaves_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = over(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap().with_fsync(true)));
    faults.play(Rule::on_any(&[Act::Put, Act::Get, Act::Head], Fault::LoseReply).chance(300));
    for n in 0..20 {
        let (key, bytes) = (format!("a/{n}"), noise(10_000 + n));
        // A try fails with probability 0.3; three in a row do now and then.
        while store.put(&key, bytes.clone()).await.is_err() {}
        while store.get(&key).await.is_err() {}
    }
    assert!(faults.played().len() > 5);
}
