//! Errors of the catalog.

use std::time::Duration;

/// Result of a catalog operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a catalog operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database can't be reached, or failed; the outcome of a write is unknown.
    #[error("the catalog is unavailable")]
    Unavailable(#[source] Unavailable),
    /// The request, or the catalog's address, is invalid: nothing was tried.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The catalog's address can't be parsed.
    #[error("the catalog's address is invalid")]
    Address(#[source] sqlx::Error),
}

/// What is wrong with a request or with the catalog's address, as a sentence for who made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The cursor is none that a page returned.
    #[error("the cursor is invalid: use a page's `next`, or leave it out")]
    Cursor,
    /// The cursor belongs to a page in another order.
    #[error("the cursor belongs to a page in another order: leave it out, or sort as before")]
    CursorOrder,
    /// The part of a name to search for is longer than this many characters.
    #[error("q must be at most {0} characters long")]
    Search(usize),
    /// The size of a page is out of range.
    #[error("limit must be between 1 and {most}, got {got}")]
    Limit {
        /// Maximum images per page.
        most: u32,
        /// What was asked for.
        got: u32,
    },
    /// The idempotency key is too long or contains a zero character.
    #[error("an idempotency key is text of at most 255 bytes")]
    IdempotencyKey,
    /// The candidacy is empty.
    #[error("a candidacy without a uuid can't take the epoch")]
    Candidacy,
    /// The catalog's address has this scheme.
    #[error("the catalog can be a file, sqlite:///path/to.db or postgres://…, not {0}://…")]
    Scheme(String),
    /// The catalog's address isn't the path of a file.
    #[error("{0:?} is not the path of a catalog's file")]
    Path(String),
}

/// Why the catalog is unavailable.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The database, or the connection to it, failed.
    #[error(transparent)]
    Database(sqlx::Error),
    /// No answer within this time.
    #[error("no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// None of the hosts of the address is the primary.
    #[error("the server is a standby or read-only, and no primary was found at the catalog's address")]
    NoPrimary(#[source] sqlx::Error),
    /// The schema wasn't migrated.
    #[error("migrating its schema failed")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The folder of SQLite's file can't be created.
    #[error("can't create the folder of {path}")]
    Folder {
        /// The file.
        path: String,
        /// Why its folder can't be created.
        #[source]
        cause: std::io::Error,
    },
    /// The task that ran the statement was aborted, because the process stops.
    #[error("the statement was aborted")]
    Aborted(#[source] tokio::task::JoinError),
    /// A column holds something that this version can't read.
    #[error("{column} in the catalog")]
    Column {
        /// The column.
        column: String,
        /// Why it can't be read.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row that always exists is missing.
    #[error("the catalog has lost its {0}")]
    Lost(&'static str),
    /// A query that always returns a row returned none.
    #[error("a count returned no row")]
    NoRow,
    /// Other requests changed the row again and again.
    #[error("too many concurrent uploads with this key; try again")]
    Contention,
}

impl From<Unavailable> for Error {
    fn from(cause: Unavailable) -> Self {
        Error::Unavailable(cause)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Error::Unavailable(Unavailable::Database(error))
    }
}
