//! Listings with a time limit for each step.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::Mutex;

use super::{Object, Result, Store};

/// Number of objects per step.
const MAX_BATCH_OBJECTS: usize = 1_000;

/// A listing in progress. The lock is never contended: a step that timed out keeps it, and ends the listing.
type Listing = Arc<Mutex<BoxStream<'static, object_store::Result<ObjectMeta>>>>;

struct Progress {
    store: Store,
    asked: String,
    path: Path,
    listing: Option<Listing>,
}

impl Store {
    /// Lists the objects whose key begins with `<prefix>/`, or all of them for an empty prefix, in no particular order.
    ///
    /// # Errors
    /// The first error ends the stream. Failures before the first object are retried; after that the caller must list again
    /// from the start, because a listing can't be resumed.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<Object>> {
        let path = match prefix {
            "" => Ok(Path::from(self.prefix.as_str())),
            prefix => self.path(prefix),
        };
        match path {
            Ok(path) => list(self.clone(), prefix.to_owned(), path),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }
}

/// Lists the objects under a path.
fn list(store: Store, asked: String, path: Path) -> BoxStream<'static, Result<Object>> {
    let begun = Progress { store, asked, path, listing: None };
    let batches = stream::try_unfold(begun, |mut progress| async move {
        let batch = progress.next().await?;
        let objects: Vec<Result<Object>> = batch.into_iter().map(|object| Ok(progress.object(object))).collect();
        Ok::<_, super::Error>((!objects.is_empty()).then(|| (stream::iter(objects), progress)))
    });
    futures::TryStreamExt::try_flatten(batches).boxed()
}

impl Progress {
    /// Returns the next objects; none at the end.
    async fn next(&mut self) -> Result<Vec<ObjectMeta>> {
        let patience = &self.store.patience;
        if let Some(listing) = &self.listing {
            return patience.once("listing", &self.asked, 0, step(Arc::clone(listing))).await;
        }
        let first = || {
            let (objects, path) = (Arc::clone(&self.store.objects), self.path.clone());
            async move {
                let listing = Arc::new(Mutex::new(objects.list(Some(&path)).fuse().boxed()));
                Ok((step(Arc::clone(&listing)).await?, listing))
            }
        };
        let (batch, listing) = patience.repeat("listing", &self.asked, 0, first).await?;
        self.listing = Some(listing);
        Ok(batch)
    }

    fn object(&self, found: ObjectMeta) -> Object {
        let key = found.location.as_ref();
        let key = key.strip_prefix(self.store.prefix.as_str()).unwrap_or(key).trim_start_matches('/').to_owned();
        Object { key, size: found.size, modified: found.last_modified.into() }
    }
}

/// Returns the next batch of objects; it is shorter than [`MAX_BATCH_OBJECTS`] only at the end.
async fn step(listing: Listing) -> object_store::Result<Vec<ObjectMeta>> {
    let mut listing = listing.lock().await;
    let mut batch = Vec::new();
    while batch.len() < MAX_BATCH_OBJECTS {
        match listing.next().await {
            Some(object) => batch.push(object?),
            None => break,
        }
    }
    Ok(batch)
}
