//! Whole objects: put, get, list, delete.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::TryStreamExt;
use futures::future::join_all;
use server::store::{Error, Object, Store};

use super::fixture::{TestStore, noise};

async fn keys(store: &Store, prefix: &str) -> Vec<String> {
    let mut keys: Vec<String> = store.list(prefix).map_ok(|object| object.key).try_collect().await.unwrap();
    keys.sort();
    keys
}

pub async fn what_was_put_can_be_read_whole_and_in_ranges(tested: TestStore) {
    let store = &tested.store;
    store.ping().await.unwrap();
    let bytes = noise(3_000_001);
    store.put("a/b/c.1-x_y", bytes.clone()).await.unwrap();
    store.put("a/empty", Bytes::new()).await.unwrap();
    assert_eq!(store.get("a/b/c.1-x_y").await.unwrap(), bytes);
    assert_eq!(store.size("a/b/c.1-x_y").await.unwrap(), 3_000_001);
    for range in [0..1, 0..3_000_001, 2_999_999..3_000_001, 1_234_567..1_234_999, 5..5, 0..0] {
        let expected = bytes.slice(range.start as usize..range.end as usize);
        assert_eq!(store.range("a/b/c.1-x_y", range).await.unwrap(), expected);
    }
    assert_eq!(store.get("a/empty").await.unwrap(), Bytes::new());
    assert_eq!(store.size("a/empty").await.unwrap(), 0);
}

pub async fn a_key_is_written_once_and_the_same_write_may_be_repeated(tested: TestStore) {
    let store = &tested.store;
    let bytes = noise(100_000);
    store.put("a", bytes.clone()).await.unwrap();
    store.put("a", bytes.clone()).await.unwrap();
    for other in [noise(99_999), Bytes::new(), Bytes::from(vec![0; 100_000])] {
        assert_eq!(store.put("a", other).await, Err(Error::Exists("a".into())));
    }
    assert_eq!(store.get("a").await.unwrap(), bytes);
}

pub async fn of_twenty_writes_of_one_key_at_once_one_wins(tested: TestStore) {
    let puts = (0..20_u8).map(|n| {
        let store = tested.store.clone();
        tokio::spawn(async move { (n, store.put("one/key", Bytes::from(vec![n; 10_000])).await) })
    });
    let puts: Vec<_> = join_all(puts).await.into_iter().map(Result::unwrap).collect();
    let won: Vec<u8> = puts.iter().filter(|(_, put)| put.is_ok()).map(|(n, _)| *n).collect();
    assert_eq!(won.len(), 1, "{puts:?}");
    assert!(puts.iter().all(|(n, put)| *n == won[0] || *put == Err(Error::Exists("one/key".into()))), "{puts:?}");
    assert_eq!(tested.store.get("one/key").await.unwrap(), vec![won[0]; 10_000]);
}

pub async fn what_is_not_there_is_not_found(tested: TestStore) {
    let store = &tested.store;
    store.put("a/b/c", Bytes::from_static(b"x")).await.unwrap();
    for absent in ["a", "a/b", "a/b/d", "a/b/c/d", "nothing"] {
        let not_found = Error::NotFound(absent.to_owned());
        // Nothing can lie below a file in a folder; the operating system may report that in its own way.
        let said = |error: Error| error == not_found || absent == "a/b/c/d";
        assert!(said(store.get(absent).await.unwrap_err()), "{absent}: {:?}", store.get(absent).await);
        assert!(said(store.size(absent).await.unwrap_err()), "{absent}: {:?}", store.size(absent).await);
        assert!(said(store.range(absent, 0..1).await.unwrap_err()), "{absent}: {:?}", store.range(absent, 0..1).await);
        assert!(store.stream(absent, None).await.is_err_and(said), "{absent}");
    }
    assert!(keys(store, "nothing").await.is_empty());
}

pub async fn a_range_beyond_the_end_is_refused(tested: TestStore) {
    let store = &tested.store;
    store.put("a", noise(1_000)).await.unwrap();
    for range in [0..1_001, 999..1_001, 1_000..1_001, 5_000..6_000] {
        let expected = Error::OutOfRange { key: "a".into(), end: range.end };
        assert_eq!(store.range("a", range.clone()).await, Err(expected.clone()));
        assert_eq!(store.stream("a", Some(range)).await.err(), Some(expected));
    }
}

pub async fn a_listing_goes_by_whole_segments_of_keys(tested: TestStore) {
    let store = &tested.store;
    let began = SystemTime::now();
    for key in ["i1/r1/a", "i1/r1/b", "i1/r2/a", "i1/r", "i10/r1/a", "other"] {
        store.put(key, noise(key.len())).await.unwrap();
    }
    assert_eq!(keys(store, "i1").await, ["i1/r", "i1/r1/a", "i1/r1/b", "i1/r2/a"]);
    assert_eq!(keys(store, "i1/r").await, Vec::<String>::new());
    assert_eq!(keys(store, "i1/r1").await, ["i1/r1/a", "i1/r1/b"]);
    assert_eq!(keys(store, "").await.len(), 6);
    let objects: Vec<Object> = store.list("i10").try_collect().await.unwrap();
    assert_eq!((objects.len(), objects[0].size), (1, 8));
    // Stores keep whole seconds.
    let slack = Duration::from_secs(2);
    assert!((began - slack..SystemTime::now() + slack).contains(&objects[0].modified));
}

pub async fn deleting_what_is_not_there_is_fine(tested: TestStore) {
    let store = &tested.store;
    store.put("a/b", noise(10)).await.unwrap();
    for _ in 0..2 {
        store.delete("a/b").await.unwrap();
        store.delete_prefix("a").await.unwrap();
        store.delete_prefix("never/was").await.unwrap();
    }
    assert!(matches!(store.get("a/b").await, Err(Error::NotFound(_))));
    store.put("a/b", noise(11)).await.unwrap();
}

pub async fn deleting_a_prefix_leaves_its_neighbours(tested: TestStore) {
    let store = &tested.store;
    let under = (0..40).map(|n| format!("i1/run/{}/{n}.1-x", n % 3));
    for key in under.chain(["i1/original".into(), "i1/run2/a".into(), "i10/run/a".into()]) {
        store.put(&key, noise(5)).await.unwrap();
    }
    store.delete_prefix("i1/run").await.unwrap();
    assert_eq!(keys(store, "").await, ["i1/original", "i1/run2/a", "i10/run/a"]);
    store.delete_prefix("i1").await.unwrap();
    assert_eq!(keys(store, "").await, ["i10/run/a"]);
}

pub async fn a_key_that_could_leave_the_store_is_refused(tested: TestStore) {
    let store = &tested.store;
    for bad in ["", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/.", "a b", "ä", "a#1", "a\0", "a\\b", "a%2fb"]
    {
        assert!(matches!(store.put(bad, Bytes::new()).await, Err(Error::Invalid(_))), "{bad:?}");
        assert!(matches!(store.get(bad).await, Err(Error::Invalid(_))), "{bad:?}");
        assert!(matches!(store.create(bad).await, Err(Error::Invalid(_))), "{bad:?}");
        assert!(matches!(store.delete(bad).await, Err(Error::Invalid(_))), "{bad:?}");
        assert!(matches!(store.delete_prefix(bad).await, Err(Error::Invalid(_))), "{bad:?}");
    }
}

pub async fn a_store_that_is_gone_does_not_answer_a_ping(tested: TestStore) {
    tested.store.ping().await.unwrap();
    tested.destroy().await;
    assert!(matches!(tested.store.ping().await, Err(Error::Unavailable { .. })));
}
