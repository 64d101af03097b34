//! The catalog: images and jobs in SQL, the array's durable backlog.
//!
//! # What a caller must know
//! - The master's writes take an [`Epoch`]. Each is a single autocommitted statement that changes nothing unless the epoch row
//!   still holds that candidacy ([`Write::NotMine`]) and the row is in the expected state ([`Write::NoChange`]). No transaction
//!   spans a round trip.
//! - Reads run on the primary, at a moment after the call ([`postgres`]); so a row missing from a result didn't exist at that
//!   moment.
//! - After an error ([`Error::Unavailable`]) the outcome is unknown. Every write may be repeated, and returns
//!   [`Write::NoChange`] if it took effect before. The exception is [`Uploads::finish_upload`], which returns
//!   [`Write::Applied`] again, because an upload id belongs to one attempt.
//!
//! [`sql`] implements the traits with the statements of both databases; a [`Database`] runs them.

mod database;
mod error;
mod gallery;
mod installation;
mod migrations;
mod open;
mod postgres;
mod pyramids;
mod queue;
mod sql;
mod sqlite;
mod uploads;

pub use self::database::{Access, Arg, Database, Reply, Row, Statement};
pub use self::error::{Error, Invalid, Result, Unavailable};
pub use self::gallery::{Files, Gallery};
pub use self::installation::{Coordination, Fate, InUse, Installation, Orphan, Raised, Sweep};
pub use self::open::{connect, open, over};
pub use self::pyramids::{PyramidFile, PyramidState, PyramidWork, Pyramids};
pub use self::queue::{FinishedTask, JobQueue, JobRow, Needed, ResultFile};
pub use self::uploads::{
    Abandoned, Answer, Begun, NewUpload, Part, RESUMABLE_FOR, Received, Resumable, Resumed, Unsent, UnsentLimits,
    Uploads,
};

/// The whole catalog. "Now" is always the database's clock.
pub trait Catalog: Uploads + Gallery + JobQueue + Pyramids + Installation {}

impl<T: Uploads + Gallery + JobQueue + Pyramids + Installation> Catalog for T {}

/// Outcome of a fenced or guarded write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// It took effect.
    Applied,
    /// The row wasn't in the expected state (it moved on, or this same write took effect before).
    NoChange,
    /// The epoch row holds another candidacy: take the epoch again, or step down.
    NotMine,
}

/// A master's epoch: the row (number, candidacy UUID) that fences its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Epoch number; incremented each time that a candidacy takes the epoch.
    pub n: u64,
    /// UUID of the candidacy that took this epoch.
    pub candidacy: String,
}
