//! Whether an object is still as this process wrote it, told without reading it.

use tokio::runtime::Handle;

use super::{Kind, Result, Store};

impl Store {
    /// Returns whether this process itself wrote the object during the last minutes and nobody has changed it since, by its
    /// inode, length and time of modification. Always false outside a folder on a disk: there, what was acknowledged may not
    /// be what was sent.
    pub async fn is_as_written(&self, key: &str) -> Result<bool> {
        let Some(version) = self.version_written(key) else { return Ok(false) };
        let path = self.path(key)?;
        let now = self.patience.repeat("asking for", key, 0, || self.head(&path)).await?;
        Ok(now.e_tag == Some(version))
    }

    /// Like [`Store::is_as_written`], for a pixel thread: blocks while the runtime of `handle` asks.
    pub fn is_as_written_blocking(&self, key: &str, handle: &Handle) -> Result<bool> {
        let Some(version) = self.version_written(key) else { return Ok(false) };
        let path = self.path(key)?;
        let now = self.patience.repeat_blocking(handle, ("asking for", key, 0), || self.head(&path))?;
        Ok(now.e_tag == Some(version))
    }

    fn version_written(&self, key: &str) -> Option<String> {
        let is_disk = matches!(self.kind, Kind::Local { is_disk: true, .. });
        self.written.fresh(key).filter(|_| is_disk)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use super::*;

    async fn written(store: &Store, key: &str) {
        let mut writer = store.create(key).await.unwrap();
        for _ in 0..3 {
            writer.write(vec![7; 1 << 20].into()).await.unwrap();
        }
        writer.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_changed_object_and_one_of_another_process_are_not_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().to_str().unwrap();
        let (ours, theirs) = (Store::open(url).unwrap(), Store::open(url).unwrap());
        written(&ours, "a").await;
        assert!(ours.is_as_written("a").await.unwrap());
        ours.unsynced().put("b", "small").await.unwrap();
        for key in ["a", "b"] {
            assert!(ours.unsynced().is_as_written(key).await.unwrap());
            let (store, handle) = (ours.clone(), Handle::current());
            let blocking = move || store.is_as_written_blocking(key, &handle).unwrap();
            assert!(tokio::task::spawn_blocking(blocking).await.unwrap());
        }
        assert!(!theirs.is_as_written("a").await.unwrap());
        let mut file = std::fs::OpenOptions::new().write(true).open(folder.path().join("a")).unwrap();
        file.write_all(b"8").unwrap();
        assert!(!ours.is_as_written("a").await.unwrap());
    }
}
