//! Listing of everything in the store, including unfinished objects, for the sweeper.

use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use futures::stream::{self, BoxStream, TryStreamExt};

use super::folder::{self, Walk};
use super::found::Found;
use super::{Kind, Result, Store, blocking};

impl Store {
    /// Lists everything in the store, in batches of at most `most`. What is written or removed meanwhile may or may not be
    /// included.
    ///
    /// # Errors
    /// The first error ends the stream.
    pub fn everything(&self, most: usize) -> BoxStream<'static, Result<Vec<Found>>> {
        match &self.kind {
            Kind::Local { root, .. } => {
                let (store, root) = (self.clone(), root.clone());
                let walk = stream::try_unfold(None::<Arc<Mutex<Walk>>>, move |walk| {
                    let (store, root) = (store.clone(), root.clone());
                    async move {
                        let step = blocking(move || {
                            let walk = match walk {
                                Some(walk) => walk,
                                None => Arc::new(Mutex::new(Walk::new(&root)?)),
                            };
                            let found = walk.lock().unwrap_or_else(PoisonError::into_inner).next(most)?;
                            Ok((found, walk))
                        });
                        let (found, walk) = store.patience.once("listing", "its folder", 0, step).await?;
                        Ok((!found.is_empty()).then_some((found, Some(walk))))
                    }
                });
                walk.boxed()
            }
            Kind::Remote => {
                let found = self.list("").map_ok(|object| Found { key: object.key, unfinished: None });
                found.try_chunks(most.max(1)).map_err(|error| error.1).boxed()
            }
        }
    }

    /// Removes a listed object or temporary file, if it still exists.
    pub async fn remove(&self, found: &Found) -> Result<()> {
        let Kind::Local { root, .. } = &self.kind else { return self.delete(&found.key).await };
        let path = self.path(&found.key)?;
        let name = found.unfinished.map_or_else(|| path.to_string(), |n| format!("{path}#{n}"));
        let remove = || {
            let (root, file) = (root.clone(), root.join(&name));
            blocking(move || folder::remove_file(&root, &file))
        };
        self.patience.repeat("deleting", &name, 0, remove).await
    }
}
