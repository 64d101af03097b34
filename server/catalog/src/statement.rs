//! Parts of an SQL statement that are the same for both databases: its parameters, its rows, and its result.

use std::str::FromStr;
use std::time::Duration;

use shared::id::ImageId;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Postgres, Row as _, Sqlite};

use super::{Error, Result};

/// Result of a statement.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Number of rows written.
    pub(super) changed: u64,
}

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Text(Option<String>),
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
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// Types that a column can be read as.
pub(super) trait Value:
    for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite> + for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>
{
}
impl Value for String {}
impl Value for Option<String> {}
impl Value for i64 {}
impl Value for Option<i64> {}

impl Row {
    /// Reads a column.
    pub(super) fn get<T: Value>(&self, column: &str) -> Result<T> {
        match self {
            Row::Sqlite(row) => row.try_get(column),
            Row::Postgres(row) => row.try_get(column),
        }
        .map_err(unavailable)
    }

    /// Reads a column that can't be negative.
    pub(super) fn count(&self, column: &str) -> Result<u64> {
        let value: i64 = self.get(column)?;
        u64::try_from(value).map_err(|_| Error::Unavailable(format!("{column} is {value} in the catalog")))
    }

    /// Reads and parses a text column.
    pub(super) fn parse<T: FromStr>(&self, column: &str) -> Result<T>
    where
        T::Err: std::fmt::Display,
    {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| Error::Unavailable(format!("{column} in the catalog: {error}")))
    }

    /// Reads a JSON column.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| Error::Unavailable(format!("{column} in the catalog: {error}")))
    }
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

/// Maps an error of the database to the catalog's.
pub(super) fn unavailable(error: sqlx::Error) -> Error {
    Error::Unavailable(error.to_string())
}
