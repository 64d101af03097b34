//! The catalog in SQL. Each write is one autocommitted statement, fenced by the master's epoch or not; dependent changes are
//! made by triggers (see the migrations).

mod cursor;
mod gallery;
mod installation;
mod listing;
mod pyramids;
mod queue;
mod resumable;
mod uploads;

use std::sync::Arc;

use super::database::{Arg, Database, Row};
use super::{Epoch, Result, Write};

/// Images and jobs in SQLite or PostgreSQL.
pub(super) struct SqlCatalog {
    db: Arc<dyn Database>,
}

impl SqlCatalog {
    pub(super) fn new(db: Arc<dyn Database>) -> Self {
        Self { db }
    }

    /// Runs a write that needs no epoch.
    async fn write(&self, sql: &str, args: &[Arg]) -> Result<Write> {
        Ok(if self.db.write(sql, args).await? > 0 { Write::Applied } else { Write::NoChange })
    }

    /// Runs a write of the master in one statement with the check of its epoch; `$1` is the candidacy.
    ///
    /// In PostgreSQL a plain subquery would check the epoch as of the statement's start, so a deposed master's statement could
    /// still commit after its successor took the epoch and read everything. Therefore the statement locks the epoch's row:
    /// either the successor's [`take_epoch`](super::JobQueue::take_epoch) waits for it, or the statement waits and then sees the
    /// successor's epoch.
    async fn fenced(&self, epoch: &Epoch, update: &str, args: &[Arg]) -> Result<Write> {
        let sql = format!(
            "WITH mine AS (SELECT one FROM epoch WHERE candidacy = $1{{share}})
             {update} AND EXISTS (SELECT one FROM mine)"
        );
        let candidacy = Arg::from(epoch.candidacy.as_str());
        let args: Vec<Arg> = std::iter::once(candidacy.clone()).chain(args.iter().cloned()).collect();
        if self.db.write(&sql, &args).await? > 0 {
            return Ok(Write::Applied);
        }
        let mine = self.db.read("SELECT one FROM epoch WHERE candidacy = $1", &[candidacy]).await?;
        Ok(if mine.is_empty() { Write::NotMine } else { Write::NoChange })
    }

    /// Like [`SqlCatalog::fenced`], for a write that returns rows; `None` if another candidacy holds the epoch.
    async fn fenced_rows(&self, epoch: &Epoch, write: &str, after: &str, args: &[Arg]) -> Result<Option<Vec<Row>>> {
        let sql = format!(
            "WITH mine AS (SELECT one FROM epoch WHERE candidacy = $1{{share}})
             {write} AND EXISTS (SELECT one FROM mine) {after}"
        );
        let candidacy = Arg::from(epoch.candidacy.as_str());
        let args: Vec<Arg> = std::iter::once(candidacy.clone()).chain(args.iter().cloned()).collect();
        let rows = self.db.write_returning(&sql, &args).await?;
        if !rows.is_empty() {
            return Ok(Some(rows));
        }
        let mine = self.db.read("SELECT one FROM epoch WHERE candidacy = $1", &[candidacy]).await?;
        Ok((!mine.is_empty()).then_some(rows))
    }
}
