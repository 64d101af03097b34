//! Reasons for which an upload is turned away for now, and when its client may try again.

use bytesize::ByteSize;
use catalog::{Unsent, UnsentLimits};

/// Why an upload is turned away for now. It can be retried later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The backlog is full.
    #[error("{waiting} jobs are waiting or uploading, and the limit is {most}; try again when some are done.")]
    Backlog {
        /// Queued jobs, and uploads in progress that will become jobs.
        waiting: u64,
        /// The limit.
        most: u64,
    },
    /// The disk has less free space than is kept in reserve.
    #[error("Only {} of the store's disk are free, and {} must stay free; delete images first.", ByteSize(*.free), ByteSize(*.least))]
    Disk {
        /// Free bytes.
        free: u64,
        /// The limit.
        least: u64,
    },
    /// Too many uploads are in progress in this process.
    #[error("{0} uploads are in progress here, which is the limit; try again when one has ended.")]
    Uploads(usize),
    /// The client's address holds all the turns that it may.
    #[error("{0} uploads from your address are in progress here, which is the limit; try again when one has ended.")]
    Share(usize),
    /// Too many resumable uploads are unfinished.
    #[error("{unfinished} uploads are unfinished, which is the limit{}; finish or delete one, or try again later.", if *.own { " for one address" } else { "" })]
    Unfinished {
        /// Number of unfinished uploads, of the client or of all.
        unfinished: u64,
        /// Whether the client's own share is exceeded.
        own: bool,
    },
    /// The store has no room for the announced bytes.
    #[error(
        "The upload has {} bytes; the store has room for {}{}, and unfinished uploads have reserved {} of it.",
        .length, ByteSize(*.room), if *.own { " from one address" } else { "" }, ByteSize(*.announced)
    )]
    Announced {
        /// Length of the upload in bytes.
        length: u64,
        /// Available bytes, for the client or for all.
        room: u64,
        /// Bytes of these that are already announced and not yet sent.
        announced: u64,
        /// Whether the client's own share is exceeded.
        own: bool,
    },
}

impl Full {
    /// Returns why an upload of `length` bytes doesn't fit beside the unsent ones.
    pub fn of_unsent(unsent: &Unsent, limits: &UnsentLimits, length: u64) -> Self {
        let most = &limits.most;
        if unsent.uploads_of_client >= most.uploads_of_client {
            return Full::Unfinished { unfinished: unsent.uploads_of_client, own: true };
        }
        if unsent.uploads >= most.uploads {
            return Full::Unfinished { unfinished: unsent.uploads, own: false };
        }
        // If both limits are exceeded, report the smaller one.
        let own =
            unsent.bytes_of_client.saturating_add(length) > most.bytes_of_client && most.bytes_of_client < most.bytes;
        let (room, announced) =
            if own { (most.bytes_of_client, unsent.bytes_of_client) } else { (most.bytes, unsent.bytes) };
        Full::Announced { length, room, announced, own }
    }

    /// Returns the value for `Retry-After`, in seconds.
    pub const fn retry_after(&self) -> u32 {
        match self {
            Full::Uploads(_) | Full::Share(_) => 2,
            Full::Backlog { .. } => 10,
            Full::Disk { .. } | Full::Unfinished { .. } | Full::Announced { .. } => 30,
        }
    }
}
