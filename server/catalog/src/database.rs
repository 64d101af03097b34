//! A database, and the statements that it runs.
//!
//! There is one SQL text for SQLite and PostgreSQL. A statement writes its parameters as `$1`, `$2`… and uses these
//! placeholders, which each database replaces:
//! - `{now}`: ms since 1970 by the database's clock;
//! - `{share}` after a `SELECT`: locks its rows against changes until the statement is committed;
//! - `{hold}` likewise: also excludes other holders of the lock.
//!
//! Everything that the catalog reads and writes passes through [`Database::run`], so a test injects its faults there.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use base::panics;
use shared::id::ImageId;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Postgres, Row as _, Sqlite};

use super::error::{Error, Result, Unavailable};

/// Time limit of a statement, including the wait for a connection; when it passes, the outcome is unknown. It also bounds how
/// long uploads and pages wait for a database that hangs.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs statements, each in a transaction of its own.
#[async_trait]
pub trait Database: Send + Sync + 'static {
    /// Runs a statement. Once begun, it is completed even if the caller is dropped.
    ///
    /// # Errors
    /// [`Error::Unavailable`](super::Error::Unavailable): the outcome is unknown.
    async fn run(&self, statement: Statement) -> Result<Reply>;
}

impl dyn Database + '_ {
    /// Runs a statement that writes, and returns the number of rows it wrote.
    pub(super) async fn write(&self, sql: &str, args: &[Arg]) -> Result<u64> {
        Ok(self.run(Statement::new(Access::Write, sql, args)).await?.changed)
    }

    /// Runs a statement that writes and returns rows.
    pub(super) async fn write_returning(&self, sql: &str, args: &[Arg]) -> Result<Vec<Row>> {
        Ok(self.run(Statement::new(Access::Write, sql, args)).await?.rows)
    }

    /// Runs a query on the primary; the rows are those of a moment after the call.
    pub(super) async fn read(&self, sql: &str, args: &[Arg]) -> Result<Vec<Row>> {
        Ok(self.run(Statement::new(Access::Read, sql, args)).await?.rows)
    }
}

/// Runs a statement in a task of its own, which always completes. The caller may be dropped, or, in a frozen pod, no longer
/// polled; a connection it held, or its place in the queue for one, would be lost to the process.
pub(super) async fn to_its_end(statement: impl Future<Output = Result<Reply>> + Send + 'static) -> Result<Reply> {
    tokio::spawn(statement).await.unwrap_or_else(|error| Err(Unavailable::Aborted(panics::resume(error)).into()))
}

/// Kind of access of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It returns rows and changes nothing.
    Read,
    /// It changes rows.
    Write,
}

/// A statement.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Whether it writes.
    pub access: Access,
    /// Its text, with placeholders.
    pub sql: String,
    /// Its parameters.
    pub args: Vec<Arg>,
}

impl Statement {
    fn new(access: Access, sql: &str, args: &[Arg]) -> Self {
        Self { access, sql: sql.to_owned(), args: args.to_vec() }
    }

    /// Returns the text with these values of the placeholders.
    pub(super) fn spelled(&self, now: &str, share: &str, hold: &str) -> String {
        self.sql.replace("{now}", now).replace("{share}", share).replace("{hold}", hold)
    }
}

/// Result of a statement.
#[derive(Debug, Default)]
pub struct Reply {
    /// The rows that it returned.
    pub rows: Vec<Row>,
    /// Number of rows that it wrote.
    pub changed: u64,
}

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arg {
    /// Text, or NULL.
    Text(Option<String>),
    /// An integer.
    Int(i64),
}

impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Arg::Text(Some(text.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(text: String) -> Self {
        Arg::Text(Some(text))
    }
}

impl From<Option<&str>> for Arg {
    fn from(text: Option<&str>) -> Self {
        Arg::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Arg {
    fn from(int: i64) -> Self {
        Arg::Int(int)
    }
}

/// A row of a statement's result.
#[derive(Debug)]
pub enum Row {
    /// SQLite's.
    Sqlite(SqliteRow),
    /// PostgreSQL's.
    Postgres(PgRow),
}

/// Types that a column can be read as.
pub trait Value:
    for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}
impl Value for String {}
impl Value for Option<String> {}
impl Value for i64 {}
impl Value for Option<i64> {}

impl Row {
    /// Reads a column.
    pub fn get<T: Value>(&self, column: &str) -> Result<T> {
        Ok(match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }?)
    }

    /// Reads a column that can't be negative.
    pub(super) fn count(&self, column: &str) -> Result<u64> {
        let value: i64 = self.get(column)?;
        u64::try_from(value).map_err(|_| unreadable(column, format!("it is {value}")))
    }

    /// Reads and parses a text column.
    pub(super) fn parse<T: FromStr>(&self, column: &str) -> Result<T>
    where
        T::Err: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.get::<String>(column)?.parse().map_err(|error| unreadable(column, error))
    }

    /// Reads a JSON column.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        serde_json::from_str(&self.get::<String>(column)?).map_err(|error| unreadable(column, error))
    }
}

fn unreadable(column: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Unavailable::Column { column: column.to_owned(), cause: cause.into() }.into()
}

/// A query with its arguments bound.
macro_rules! bound {
    ($query:expr, $args:expr) => {{
        let mut query = $query;
        for arg in $args {
            query = match arg {
                Arg::Text(text) => query.bind(text.clone()),
                Arg::Int(int) => query.bind(*int),
            };
        }
        query
    }};
}
pub(super) use bound;

/// Converts to JSON text.
pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("vocabulary of the wire is JSON")
}

/// Returns the placeholders `$1, $2…` and their arguments.
pub(super) fn each(images: &[ImageId]) -> (String, Vec<Arg>) {
    let places: Vec<String> = (1..=images.len()).map(|place| format!("${place}")).collect();
    (places.join(", "), images.iter().map(|image| image.as_str().into()).collect())
}

/// Converts to SQL's integer, in ms.
pub(super) fn millis(length: Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2)
}

/// Converts to SQL's integer. Lengths and pixel counts are far below the range's end.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
