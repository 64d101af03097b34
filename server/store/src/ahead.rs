//! Streams for clients, with small pieces at first and larger ones for clients that read fast.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ByteStream, Error, Result, Store};

/// Size of a piece, in bytes, that needs no budget.
const SMALL: u64 = 128 << 10;

/// A memory budget for larger pieces, shared by many streams. Clones share it.
#[derive(Debug, Clone)]
pub struct ReadAhead(Arc<Semaphore>);

impl ReadAhead {
    /// Creates a budget of `bytes` bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Returns the next piece's length, and its permit from the budget, which it holds as long as it is in memory.
    fn piece(&self, wanted: u64) -> (u64, Option<OwnedSemaphorePermit>) {
        let permit = (wanted > SMALL).then(|| {
            let bytes = u32::try_from(wanted).ok()?;
            self.0.clone().try_acquire_many_owned(bytes).ok()
        });
        match permit.flatten() {
            Some(permit) => (wanted, Some(permit)),
            None => (wanted.min(SMALL), None),
        }
    }
}

struct Piece {
    bytes: Bytes,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Store {
    /// Like [`Store::stream`], for a client that reads at any rate or not at all. Pieces grow with the amount already read, as
    /// far as the budget allows, so a client that reads nothing costs a few pieces of 128 KiB.
    ///
    /// # Errors
    /// As [`Store::stream`].
    pub async fn stream_to_client(&self, key: &str, range: Range<u64>, budget: &ReadAhead) -> Result<ByteStream> {
        if range.end > self.size(key).await? {
            return Err(Error::OutOfRange { key: key.to_owned(), end: range.end });
        }
        let pace = self.kind.pace();
        let (store, key, budget, first) = (self.clone(), key.to_owned(), budget.clone(), range.start);
        let pieces = stream::unfold(first, move |start| {
            let left = range.end - start;
            let (length, permit) = budget.piece(((start - first) / 2).clamp(SMALL, pace.read).min(left));
            let (store, key) = (store.clone(), key.clone());
            let read = async move {
                let bytes = store.range(&key, start..start + length).await?;
                Ok(Bytes::from_owner(Piece { bytes, _permit: permit }))
            };
            std::future::ready((left > 0).then_some((read, start + length)))
        });
        Ok(pieces.buffered(pace.at_once).boxed())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::TryStreamExt;
    use object_store::memory::InMemory;

    use super::*;
    use crate::Patience;

    async fn stored(bytes: &[u8]) -> Store {
        let patience = Patience::new(std::time::Duration::from_secs(5), 1, std::time::Duration::ZERO);
        let store = Store::over(Arc::new(InMemory::new()), patience);
        store.put("a", Bytes::copy_from_slice(bytes)).await.unwrap();
        store
    }

    #[tokio::test]
    async fn pieces_grow_with_what_was_taken_and_give_their_budget_back() {
        let whole: Vec<u8> = (0..20 << 20).map(|at: u32| (at % 251) as u8).collect();
        let (store, budget) = (stored(&whole).await, ReadAhead::new(64 << 20));
        let (first, last) = (1_000, whole.len() as u64 - 1_000);
        let mut stream = store.stream_to_client("a", first..last, &budget).await.unwrap();
        let (mut got, mut largest) = (Vec::new(), 0);
        while let Some(piece) = stream.try_next().await.unwrap() {
            assert!(piece.len() as u64 <= SMALL || piece.len() <= got.len(), "{} after {}", piece.len(), got.len());
            largest = largest.max(piece.len());
            got.extend_from_slice(&piece);
        }
        assert!(got == whole[first as usize..last as usize]);
        assert_eq!(largest as u64, store.kind.pace().read);
        drop(stream);
        assert_eq!(budget.0.available_permits(), 64 << 20);
    }

    #[tokio::test]
    async fn without_budget_all_pieces_are_small() {
        let (store, budget) = (stored(&vec![7; 3 << 20]).await, ReadAhead::new(0));
        let stream = store.stream_to_client("a", 0..3 << 20, &budget).await.unwrap();
        let pieces: Vec<Bytes> = stream.try_collect().await.unwrap();
        assert_eq!(pieces.iter().map(|piece| piece.len() as u64).collect::<Vec<_>>(), vec![SMALL; 24]);
    }
}
