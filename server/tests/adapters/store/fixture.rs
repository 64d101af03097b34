//! A store to test.

use server::store::Store;
use testkit::S3;

/// A store of its own, removed after the test.
pub struct TestStore {
    pub store: Store,
    place: Place,
}

enum Place {
    Folder(tempfile::TempDir),
    Bucket { server: &'static S3, name: String },
}

impl TestStore {
    pub fn folder() -> TestStore {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        TestStore { store, place: Place::Folder(folder) }
    }

    pub async fn s3() -> TestStore {
        let (server, name) = tokio::task::spawn_blocking(|| {
            let server = S3::shared();
            let bucket = server.bucket();
            (server, bucket)
        })
        .await
        .unwrap();
        let store = Store::open_with(&format!("s3://{name}/some/prefix"), server.variables()).unwrap();
        TestStore { store, place: Place::Bucket { server, name } }
    }

    /// Returns the same bucket under another prefix.
    pub fn under(&self, prefix: &str) -> Store {
        let Place::Bucket { server, name } = &self.place else { panic!("a folder") };
        Store::open_with(&format!("s3://{name}/{prefix}"), server.variables()).unwrap()
    }

    /// Returns the number of multipart uploads that were neither completed nor aborted.
    pub async fn unfinished_uploads(&self) -> usize {
        let Place::Bucket { server, name } = &self.place else { panic!("a folder") };
        let (server, path) = (*server, format!("/{name}?uploads"));
        let answer = tokio::task::spawn_blocking(move || server.request("GET", &path)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.matches("<UploadId>").count()
    }

    /// Deletes the folder or the bucket.
    pub async fn destroy(&self) {
        match &self.place {
            Place::Folder(folder) => std::fs::remove_dir_all(folder.path()).unwrap(),
            Place::Bucket { server, name } => {
                let (server, path) = (*server, format!("/{name}"));
                let answer = tokio::task::spawn_blocking(move || server.request("DELETE", &path)).await.unwrap();
                assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
            }
        }
    }
}

/// Returns non-repeating bytes.
pub fn noise(length: usize) -> bytes::Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
