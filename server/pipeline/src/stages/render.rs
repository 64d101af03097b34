//! Render: the tile pyramid of an original or a result. Not a phase of a job: a job is done without it, and nothing
//! waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use shared::id::{ImageId, JobId};
use shared::job::{ImageInfo, Pointer};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::context::{Hashed, TaskContext};
use super::failure::Failure;
use crate::compute::deadline::Timed;

/// Memory for reading a header, in bytes.
const HEADER_MEMORY: u64 = 1 << 20;

/// Maximum number of pending requests; the oldest are dropped first.
const MAX_WISHES: usize = 64;

/// A requested pyramid: of an image's original, or of a job's result.
pub type Wish = (ImageId, Option<JobId>);

/// Pyramids requested by viewers and not yet rendered. Clones share the queue.
#[derive(Clone, Default)]
pub struct Wishes(Arc<(Mutex<VecDeque<Wish>>, Notify)>);

impl Wishes {
    /// Adds a request, or moves it to the end if it is already there.
    pub fn add(&self, wish: Wish) {
        let mut wishes = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        wishes.retain(|other| *other != wish);
        wishes.push_back(wish);
        if wishes.len() > MAX_WISHES {
            wishes.pop_front();
        }
        self.0.1.notify_one();
    }

    /// Takes the newest request: a viewer is waiting for it now.
    pub fn take(&self) -> Option<Wish> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }

    /// Waits until a request is added; returns at once if one was added since the last wait.
    pub async fn added(&self) {
        self.0.1.notified().await;
    }
}

/// Writes the pyramid of the image file `source` to `key`.
///
/// # Errors
/// [`Failure::Refused`] if the image can't have a pyramid; other failures may be temporary.
///
/// # Cancellation
/// Leaves at most an object under a key that no record refers to.
pub async fn render(context: &TaskContext, source: &str, key: String) -> Result<Pointer, Failure> {
    let info = inspect(context, source).await?;
    let whole = if info.whole_decode { info.raw_bytes() } else { 0 };
    let (store, source, handle) = (context.store.clone(), source.to_owned(), Handle::current());
    context
        .write(key, whole + codec::pyramid_memory(&info), Hashed::All, move |emit| {
            let mut reader = Timed(store.reader(&source, handle).map_err(std::io::Error::other)?);
            let profile = codec::profile(&mut reader, &info)?;
            let mut rows = codec::open(Box::new(reader), &info)?;
            codec::pyramid(&mut *rows, &info, profile.as_deref(), emit)
        })
        .await
}

/// Reads the header of the file itself: a recipe may have made the result gray.
async fn inspect(context: &TaskContext, source: &str) -> Result<ImageInfo, Failure> {
    let (store, source, limits, handle) = (context.store.clone(), source.to_owned(), context.limits, Handle::current());
    let inspected = context.pixels.run(HEADER_MEMORY, move || {
        let mut reader = Timed(store.reader(&source, handle).map_err(std::io::Error::other)?);
        codec::inspect(&mut reader, &limits)
    });
    Ok(inspected.await??)
}
