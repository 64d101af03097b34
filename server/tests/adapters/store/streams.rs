//! Objects that are never held whole: writers, streams and readers.

use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use futures::TryStreamExt;
use server::store::{Error, Store};

use super::fixture::{TestStore, noise};

async fn write(store: &Store, key: &str, bytes: &Bytes, piece: usize) {
    let mut writer = store.create(key).await.unwrap();
    for start in (0..bytes.len()).step_by(piece) {
        writer.write(bytes.slice(start..bytes.len().min(start + piece))).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), bytes.len() as u64);
}

pub async fn an_object_of_any_length_is_written_piece_by_piece(tested: TestStore) {
    const MIB: usize = 1 << 20;
    let lengths = [0, 1, MIB - 1, MIB, MIB + 1, 8 * MIB, 8 * MIB + 1, 25 * MIB + 12_345];
    for (length, piece) in lengths.into_iter().zip([1, 1, 65_536, 65_536, 100_000, 777_777, 8 * MIB, 12 * MIB]) {
        let (key, bytes) = (format!("a/{length}"), noise(length));
        write(&tested.store, &key, &bytes, piece).await;
        assert_eq!(tested.store.size(&key).await.unwrap(), length as u64);
        assert!(tested.store.get(&key).await.unwrap() == bytes, "{length} bytes in pieces of {piece}");
    }
}

pub async fn an_object_appears_only_when_it_is_finished(tested: TestStore) {
    let store = &tested.store;
    for length in [1_000, 20 << 20] {
        let (key, bytes) = (format!("a/{length}"), noise(length));
        let mut writer = store.create(&key).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        assert_eq!(store.size(&key).await, Err(Error::NotFound(key.clone())));
        assert!(store.list("a").try_collect::<Vec<_>>().await.unwrap().iter().all(|object| object.key != key));
        writer.finish().await.unwrap();
        assert!(store.get(&key).await.unwrap() == bytes);
    }
}

pub async fn a_dropped_or_aborted_writer_leaves_nothing(tested: TestStore) {
    let store = &tested.store;
    for (length, end) in [(10, 'd'), (10, 'a'), (20 << 20, 'd'), (20 << 20, 'a')] {
        let key = format!("a/{end}{length}");
        let mut writer = store.create(&key).await.unwrap();
        writer.write(noise(length)).await.unwrap();
        match end {
            'd' => drop(writer),
            _ => writer.abort().await.unwrap(),
        }
        assert_eq!(store.size(&key).await, Err(Error::NotFound(key.clone())));
        write(store, &key, &noise(30), 7).await;
    }
    assert_eq!(store.list("a").try_collect::<Vec<_>>().await.unwrap().len(), 4);
}

pub async fn an_object_of_which_a_write_was_cut_short_can_not_be_finished(tested: TestStore) {
    let store = &tested.store;
    let mut writer = store.create("a").await.unwrap();
    let cut_short = tokio::time::timeout(std::time::Duration::ZERO, writer.write(noise(64 << 20))).await;
    assert!(cut_short.is_err(), "64 MiB went at once");
    assert!(matches!(writer.write(noise(1)).await, Err(Error::Unavailable { .. })));
    assert!(matches!(writer.finish().await, Err(Error::Unavailable { .. })));
    assert_eq!(store.size("a").await, Err(Error::NotFound("a".into())));
}

pub async fn a_writer_never_replaces_an_object(tested: TestStore) {
    let store = &tested.store;
    store.put("a", noise(10)).await.unwrap();
    assert_eq!(store.create("a").await.err(), Some(Error::Exists("a".into())));
    let mut late = store.create("b").await.unwrap();
    late.write(Bytes::from_static(b"late")).await.unwrap();
    store.put("b", noise(10)).await.unwrap();
    assert_eq!(late.finish().await, Err(Error::Exists("b".into())));
    assert_eq!(store.get("b").await.unwrap(), noise(10));
}

pub async fn a_stream_gives_all_bytes_or_those_of_a_range(tested: TestStore) {
    let store = &tested.store;
    let bytes = noise((10 << 20) + 17);
    write(store, "a", &bytes, 4 << 20).await;
    let length = bytes.len() as u64;
    for range in
        [None, Some(0..length), Some(0..0), Some(length..length), Some(5..(9 << 20) + 3), Some(length - 1..length)]
    {
        let expected =
            range.clone().map_or(bytes.clone(), |range| bytes.slice(range.start as usize..range.end as usize));
        let mut stream = store.stream("a", range).await.unwrap();
        let mut got = Vec::new();
        while let Some(piece) = stream.try_next().await.unwrap() {
            assert!(!piece.is_empty() && piece.len() <= 4 << 20);
            got.extend_from_slice(&piece);
        }
        assert!(got == expected);
    }
    store.put("empty", Bytes::new()).await.unwrap();
    assert!(store.stream("empty", None).await.unwrap().try_next().await.unwrap().is_none());
}

pub async fn a_reader_reads_and_seeks_as_in_a_file(tested: TestStore) {
    let bytes = noise((5 << 20) + 321);
    write(&tested.store, "a", &bytes, 1 << 20).await;
    let (store, handle) = (tested.store.clone(), tokio::runtime::Handle::current());
    let reading = move || {
        assert_eq!(store.reader("none", handle.clone()).err(), Some(Error::NotFound("none".into())));
        let mut reader = store.reader("a", handle).unwrap();
        let mut whole = Vec::new();
        reader.read_to_end(&mut whole).unwrap();
        assert!(whole == bytes);

        let mut reference = std::io::Cursor::new(&bytes);
        let size = bytes.len() as i64;
        let seeks = [
            SeekFrom::Start(0),
            SeekFrom::End(-10),
            SeekFrom::Start((1 << 20) - 3),
            SeekFrom::Current(-6),
            SeekFrom::Current(2_000_000),
            SeekFrom::Start(bytes.len() as u64 + 5),
            SeekFrom::End(-size),
            SeekFrom::Current(1 << 20),
        ];
        for seek in seeks {
            assert_eq!(reader.seek(seek).unwrap(), reference.seek(seek).unwrap(), "{seek:?}");
            let (mut got, mut expected) = (Vec::new(), Vec::new());
            let read = reader.by_ref().take(9).read_to_end(&mut got).unwrap();
            assert_eq!(read, reference.by_ref().take(9).read_to_end(&mut expected).unwrap());
            assert_eq!(got, expected, "{seek:?}");
            assert_eq!(reader.stream_position().unwrap(), reference.stream_position().unwrap());
        }
        assert!(reader.seek(SeekFrom::End(-size - 1)).is_err());
    };
    tokio::task::spawn_blocking(reading).await.unwrap();
}
