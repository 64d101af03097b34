//! Render: a pyramid of tiles of an original or a result. No phase of a job: a job is done without it, and nobody waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use shared::id::{ImageId, JobId};
use shared::job::{ImageInfo, Pointer};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::deadline::Timed;
use super::stage::{Failure, Hashed, Workshop};
use crate::codec;

/// Bytes that reading a header may hold.
const HEADER_MEMORY: u64 = 1 << 20;

/// Wishes that are remembered; who looked first is forgotten first.
const WISHES: usize = 64;

/// Which pyramid: of an image's original, or of a job's result.
pub type Wish = (ImageId, Option<JobId>);

/// Pyramids that somebody looks at and that aren't there yet. Clones share them.
#[derive(Clone, Default)]
pub struct Wishes(Arc<(Mutex<VecDeque<Wish>>, Notify)>);

impl Wishes {
    /// Adds one.
    pub fn add(&self, wish: Wish) {
        let mut wishes = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        wishes.retain(|other| *other != wish);
        wishes.push_back(wish);
        if wishes.len() > WISHES {
            wishes.pop_front();
        }
        self.0.1.notify_one();
    }

    /// The one that was added last: somebody is looking at it now.
    pub fn take(&self) -> Option<Wish> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }

    /// Waits until one is added, or was since this was waited for.
    pub async fn added(&self) {
        self.0.1.notified().await;
    }
}

/// Writes the pyramid of the image file under `source` to `key`.
///
/// # Errors
/// [`Failure::Refused`] if the image can't have one; others may pass.
///
/// # Cancellation
/// Leaves at most an object under a key that never counts.
pub async fn render(shop: &Workshop, source: &str, key: String) -> Result<Pointer, Failure> {
    let info = inspect(shop, source).await?;
    let whole = if info.whole_decode { info.raw_bytes() } else { 0 };
    let (store, source, handle) = (shop.store.clone(), source.to_owned(), Handle::current());
    shop.write(key, whole + codec::pyramid_memory(&info), Hashed::All, move |emit| {
        let mut reader = Timed(store.reader(&source, handle).map_err(std::io::Error::other)?);
        let profile = codec::profile(&mut reader, &info)?;
        let mut rows = codec::open(Box::new(reader), &info)?;
        codec::pyramid(&mut *rows, &info, profile.as_deref(), emit)
    })
    .await
}

/// The file's own header: a recipe may have made the result gray.
async fn inspect(shop: &Workshop, source: &str) -> Result<ImageInfo, Failure> {
    let (store, source, limits, handle) = (shop.store.clone(), source.to_owned(), shop.limits, Handle::current());
    let inspected = shop.pixels.run(HEADER_MEMORY, move || {
        let mut reader = Timed(store.reader(&source, handle).map_err(std::io::Error::other)?);
        codec::inspect(&mut reader, &limits)
    });
    Ok(inspected.await??)
}
