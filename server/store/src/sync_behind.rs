//! Syncing a long file on a disk while it is written, so that its end waits for little.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use tokio::task::JoinHandle;

use super::{Kind, Store};

/// Number of bytes after which what was written is synced.
const INTERVAL: u64 = 16 << 20;

/// Syncs a file from time to time, beside its writer. Only a head start: the writer's own sync at the end decides, and reports
/// errors, which the system tells every descriptor of the file.
#[derive(Debug)]
pub(super) struct SyncBehind {
    file: PathBuf,
    pending: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Store {
    /// Returns the syncing of an object that is being written; `None` if it isn't synced or isn't on a disk.
    pub(super) fn sync_behind(&self, path: &Path) -> Option<SyncBehind> {
        let Kind::Local { root, is_disk: true } = &self.kind else { return None };
        let is_synced = !Arc::ptr_eq(&self.objects, &self.unsynced);
        // The name that `object_store` gives the first unfinished file of an object. If this one has another, it is synced at
        // its end alone.
        is_synced.then(|| SyncBehind { file: root.join(format!("{path}#1")), pending: 0, running: None })
    }
}

impl SyncBehind {
    /// Notes that further bytes are being written, and begins to sync if there are enough and nothing is being synced.
    pub(super) fn sent(&mut self, bytes: u64) {
        self.pending += bytes;
        if self.pending >= INTERVAL && self.running.as_ref().is_none_or(JoinHandle::is_finished) {
            self.pending = 0;
            let file = self.file.clone();
            self.running = Some(tokio::task::spawn_blocking(move || File::open(file)?.sync_data()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn an_object_is_synced_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().to_str().unwrap()).unwrap();
        let path = Path::from("a/b");
        let mut writer = store.create("a/b").await.unwrap();
        for _ in 0..4 {
            writer.write(vec![7; 1 << 20].into()).await.unwrap();
        }
        let mut behind = store.sync_behind(&path).unwrap();
        behind.sent(INTERVAL - 1);
        assert!(behind.running.is_none());
        behind.sent(1);
        behind.running.take().unwrap().await.unwrap().unwrap();
        assert_eq!(writer.finish().await.unwrap(), 4 << 20);
        assert!(store.unsynced().sync_behind(&path).is_none());
    }
}
