//! The SHA-256 of an upload, computed beside its transfer.

use base::panics;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::hex::hex;

/// After this many bytes the hash is computed by a task of its own; smaller uploads don't pay for one.
const BESIDE_AFTER: u64 = 1 << 20;

/// Number of chunks that the transfer may be ahead of the hash.
const MAX_CHUNKS_AHEAD: usize = 2;

/// A hash of bytes that arrive in chunks.
pub(super) enum RunningHash {
    /// Computed by the caller.
    Here { hash: Sha256, bytes: u64 },
    /// Computed by a task, while the caller receives and writes the next chunks. It ends when the sender is dropped.
    Beside { chunks: mpsc::Sender<Bytes>, hashed: JoinHandle<Sha256> },
}

impl RunningHash {
    /// Returns the hash of no bytes.
    pub(super) fn new() -> Self {
        RunningHash::Here { hash: Sha256::new(), bytes: 0 }
    }

    /// Appends a chunk.
    pub(super) async fn update(&mut self, chunk: &Bytes) {
        match self {
            RunningHash::Here { hash, bytes } => {
                hash.update(chunk);
                *bytes += chunk.len() as u64;
                if *bytes >= BESIDE_AFTER {
                    let mut hash = std::mem::take(hash);
                    let (chunks, mut arriving) = mpsc::channel::<Bytes>(MAX_CHUNKS_AHEAD);
                    let hashed = tokio::spawn(async move {
                        while let Some(chunk) = arriving.recv().await {
                            hash.update(&chunk);
                        }
                        hash
                    });
                    *self = RunningHash::Beside { chunks, hashed };
                }
            }
            // The send only fails after a panic of the task, which `finish` passes on.
            RunningHash::Beside { chunks, .. } => drop(chunks.send(chunk.clone()).await),
        }
    }

    /// Returns the hash of all chunks in hexadecimal.
    pub(super) async fn finish(self) -> String {
        let hash = match self {
            RunningHash::Here { hash, .. } => hash,
            RunningHash::Beside { chunks, hashed } => {
                drop(chunks);
                match hashed.await {
                    Ok(hash) => hash,
                    Err(error) => {
                        // Tasks are only aborted with their runtime, which drops this future too.
                        drop(panics::resume(error));
                        std::future::pending().await
                    }
                }
            }
        };
        hex(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hash_is_that_of_all_chunks_wherever_it_is_computed() {
        let bytes: Vec<u8> = (0..(3 * BESIDE_AFTER + 5)).map(|at| (at % 251) as u8).collect();
        for length in [0, 1, BESIDE_AFTER as usize, BESIDE_AFTER as usize + 1, bytes.len()] {
            let mut hash = RunningHash::new();
            for chunk in bytes[..length].chunks(100_000) {
                hash.update(&Bytes::copy_from_slice(chunk)).await;
            }
            assert_eq!(hash.finish().await, hex(&Sha256::digest(&bytes[..length])), "{length} bytes");
        }
    }
}
