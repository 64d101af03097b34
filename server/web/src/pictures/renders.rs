//! The cache of rendered pictures: concurrent requests for one picture share its rendering, and the most recently used pictures
//! stay in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use pipeline::stages::render::Wishes;

use super::pyramid::Places;
use crate::problem::{ApiError, Result};

/// A rendered picture.
#[derive(Debug)]
pub struct Picture {
    pub(super) bytes: Bytes,
    pub(super) media_type: &'static str,
}

impl From<codec::View> for Picture {
    fn from(view: codec::View) -> Self {
        Self { bytes: view.bytes.into(), media_type: view.media_type }
    }
}

type Rendered = Result<Arc<Picture>>;
type Flight = Shared<BoxFuture<'static, Rendered>>;

/// Cache of rendered pictures, and the renderings in progress. Clones share both.
#[derive(Clone)]
pub struct Renders {
    kept: Arc<Mutex<Kept>>,
    limit: usize,
    /// Cached indexes of pyramids.
    pub(crate) places: Places,
    /// Requested pyramids that don't exist yet.
    pub(crate) wishes: Wishes,
}

#[derive(Default)]
struct Kept {
    ready: HashMap<String, (u64, Rendered)>,
    flying: HashMap<String, Flight>,
    bytes: usize,
    uses: u64,
}

impl Renders {
    /// Creates a cache of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { kept: Arc::default(), limit, places: Default::default(), wishes: Wishes::default() }
    }

    /// Requested pyramids that don't exist yet.
    pub fn wishes(&self) -> Wishes {
        self.wishes.clone()
    }

    /// Returns the picture of this name, rendered if necessary. Concurrent requests share one rendering, which runs to
    /// its end even if all of them are cancelled.
    pub(super) async fn get(
        &self,
        name: String,
        render: impl Future<Output = Result<Picture>> + Send + 'static,
    ) -> Rendered {
        let flight = {
            let mut kept = self.lock();
            kept.uses += 1;
            let now = kept.uses;
            if let Some((used, picture)) = kept.ready.get_mut(&name) {
                *used = now;
                return picture.clone();
            }
            match kept.flying.get(&name) {
                Some(flight) => flight.clone(),
                None => {
                    let flight = self.launch(name.clone(), render);
                    kept.flying.insert(name, flight.clone());
                    flight
                }
            }
        };
        flight.await
    }

    fn launch(&self, name: String, render: impl Future<Output = Result<Picture>> + Send + 'static) -> Flight {
        let renders = self.clone();
        let task = tokio::spawn(async move {
            let rendered = render.await.map(Arc::new);
            renders.keep(name, rendered.clone());
            rendered
        });
        async move { task.await.unwrap_or_else(|error| Err(ApiError::internal(error))) }.boxed().shared()
    }

    /// Caches a picture, or the reason why it can't be rendered, since the file never changes. Other errors may pass
    /// and aren't cached.
    fn keep(&self, name: String, rendered: Rendered) {
        let mut kept = self.lock();
        kept.flying.remove(&name);
        let passes = matches!(&rendered, Err(error) if !error.status().is_client_error());
        if passes || size(&rendered) > self.limit {
            return;
        }
        kept.uses += 1;
        let now = kept.uses;
        kept.bytes += size(&rendered);
        kept.ready.insert(name, (now, rendered));
        while kept.bytes > self.limit
            && let Some(oldest) = kept.ready.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone())
        {
            if let Some((_, dropped)) = kept.ready.remove(&oldest) {
                kept.bytes -= size(&dropped);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // A poisoned lock is safe: nothing panics while it is held.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that an entry takes, in bytes.
fn size(rendered: &Rendered) -> usize {
    const ENTRY: usize = 512;
    ENTRY + rendered.as_ref().map_or(0, |picture| picture.bytes.len())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;

    use super::*;

    fn picture(bytes: usize) -> Picture {
        Picture { bytes: vec![0; bytes].into(), media_type: "image/png" }
    }

    #[tokio::test]
    async fn what_many_ask_for_at_once_is_rendered_once() {
        let renders = Renders::new(1 << 20);
        let (count, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
        let ask = || {
            let (count, gate) = (count.clone(), gate.clone());
            renders.get("a".into(), async move {
                count.fetch_add(1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                Ok(picture(10))
            })
        };
        let all = futures::future::join_all((0..5).map(|_| ask()));
        gate.add_permits(1);
        assert!(all.await.iter().all(|rendered| rendered.is_ok()));
        ask().await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_pictures_that_are_kept_are_the_last_used_within_the_limit() {
        let renders = Renders::new(4_000);
        for name in ["a", "b", "a", "c"] {
            renders.get(name.into(), async { Ok(picture(1_000)) }).await.unwrap();
        }
        let mut names: Vec<String> = renders.lock().ready.keys().cloned().collect();
        names.sort();
        assert_eq!(names, ["a", "c"]);
        assert!(renders.lock().bytes <= 4_000);
    }

    #[tokio::test]
    async fn a_failure_that_may_pass_is_tried_again_and_a_refusal_is_not() {
        let renders = Renders::new(4_000);
        let refuse = || async { Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "torn")) };
        assert!(renders.get("a".into(), async { Err(ApiError::unavailable("later")) }).await.is_err());
        assert!(renders.get("a".into(), async { Ok(picture(1)) }).await.is_ok());
        assert!(renders.get("b".into(), refuse()).await.is_err());
        assert!(renders.get("b".into(), async { Ok(picture(1)) }).await.is_err());
    }
}
