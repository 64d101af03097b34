//! One suite for every store: a local folder, and a real S3 server process.

mod faults;
mod fixture;
mod objects;
mod streams;
mod torn;

use bytes::Bytes;
use futures::TryStreamExt;
use server::store::{Error, Store};

/// Runs each function on every kind of store, under its own name.
macro_rules! on_every_store {
    ($($module:ident::$name:ident,)*) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::fixture::TestStore::folder()).await;
            })*
        }
        mod s3 {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::fixture::TestStore::s3().await).await;
            })*
        }
    };
}

on_every_store! {
    objects::what_was_put_can_be_read_whole_and_in_ranges,
    objects::a_key_is_written_once_and_the_same_write_may_be_repeated,
    objects::of_twenty_writes_of_one_key_at_once_one_wins,
    objects::what_is_not_there_is_not_found,
    objects::a_range_beyond_the_end_is_refused,
    objects::a_listing_goes_by_whole_segments_of_keys,
    objects::deleting_what_is_not_there_is_fine,
    objects::deleting_a_prefix_leaves_its_neighbours,
    objects::a_key_that_could_leave_the_store_is_refused,
    objects::a_store_that_is_gone_does_not_answer_a_ping,
    streams::an_object_of_any_length_is_written_piece_by_piece,
    streams::an_object_appears_only_when_it_is_finished,
    streams::a_dropped_or_aborted_writer_leaves_nothing,
    streams::an_object_of_which_a_write_was_cut_short_can_not_be_finished,
    streams::a_writer_never_replaces_an_object,
    streams::a_stream_gives_all_bytes_or_those_of_a_range,
    streams::a_reader_reads_and_seeks_as_in_a_file,
}

#[tokio::test]
async fn a_folder_can_be_a_path_or_a_url_and_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("some where").join("deep");
    let by_path = Store::open(deep.to_str().unwrap()).unwrap();
    by_path.put("a/b", Bytes::from_static(b"x")).await.unwrap();
    let url = format!("file://{}", deep.display()).replace(' ', "%20");
    assert_eq!(Store::open(&url).unwrap().get("a/b").await.unwrap(), "x");
}

#[test]
fn an_address_that_is_none_is_refused_with_what_it_could_be() {
    for bad in ["", "https://example.org/x", "file://host/x", "s3://", "s3:///prefix"] {
        let error = Store::open_with(bad, []).unwrap_err();
        assert!(matches!(&error, Error::Invalid(invalid) if invalid.to_string().len() > 20), "{bad:?}: {error}");
    }
}

#[tokio::test]
async fn what_a_crash_left_in_a_folder_is_not_listed_and_goes_with_its_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    // A process that dies leaves its temporary file, because nothing is dropped.
    let mut writer = store.create("image/run/stitch/0.1-x").await.unwrap();
    writer.write(Bytes::from(vec![7; 3 << 20])).await.unwrap();
    std::mem::forget(writer);
    let left = folder.path().join("image/run/stitch/0.1-x#1");
    assert!(left.exists());
    assert!(store.list("image").try_collect::<Vec<_>>().await.unwrap().is_empty());
    assert!(matches!(store.size("image/run/stitch/0.1-x").await, Err(Error::NotFound(_))));

    let mut again = store.create("image/run/stitch/0.1-x").await.unwrap();
    again.write(Bytes::from(vec![8; 3 << 20])).await.unwrap();
    assert_eq!(again.finish().await.unwrap(), 3 << 20);
    store.delete_prefix("image/run").await.unwrap();
    assert!(!left.exists());
    assert!(!folder.path().join("image").exists(), "emptied folders go too");
    assert!(folder.path().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_dropped_on_s3_leaves_no_parts_behind() {
    let tested = fixture::TestStore::s3().await;
    let writing = async |key: &str| {
        let mut writer = tested.store.create(key).await.unwrap();
        writer.write(Bytes::from(vec![1; 9 << 20])).await.unwrap();
        writer
    };
    let (dropped, aborted) = (writing("a/dropped").await, writing("a/aborted").await);
    assert_eq!(tested.unfinished_uploads().await, 2);
    aborted.abort().await.unwrap();
    assert_eq!(tested.unfinished_uploads().await, 1);
    drop(dropped);
    let gone = async {
        while tested.unfinished_uploads().await > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_of_a_bucket_is_a_store_of_its_own() {
    let tested = fixture::TestStore::s3().await;
    let (one, other) = (tested.under("one/deep"), tested.under("one/deeper"));
    one.put("a/b", Bytes::from_static(b"1")).await.unwrap();
    other.put("a/b", Bytes::from_static(b"2")).await.unwrap();
    let keys = async |store: &Store| -> Vec<String> {
        store.list("").map_ok(|object| object.key).try_collect().await.unwrap()
    };
    assert_eq!(keys(&one).await, ["a/b"]);
    assert_eq!(one.get("a/b").await.unwrap(), "1");
    one.delete_prefix("a").await.unwrap();
    assert!(keys(&one).await.is_empty());
    assert_eq!(keys(&other).await, ["a/b"]);
    assert_eq!(keys(&tested.under("")).await, ["one/deeper/a/b"]);
}

#[tokio::test]
async fn an_s3_server_that_is_not_there_is_unavailable() {
    let variables =
        [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let store = Store::open_with("s3://bucket", variables.map(|(k, v)| (k.to_owned(), v.to_owned()))).unwrap();
    assert!(matches!(store.get("a").await, Err(Error::Unavailable { .. })));
    assert!(matches!(store.ping().await, Err(Error::Unavailable { .. })));
}
