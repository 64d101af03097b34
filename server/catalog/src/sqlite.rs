//! SQLite in WAL mode.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use base::backoff::Backoff;
use futures::TryStreamExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Executor, SqliteConnection};

use super::database::{Access, Arg, Database, Reply, Row, STATEMENT_TIMEOUT, Statement, bound, to_its_end};
use super::error::{Invalid, Result, Unavailable};
use super::migrations;

/// Time limit for the first connection and the migration.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one process waits for another's write to SQLite: less than [`STATEMENT_TIMEOUT`], so that the connection is free again when
/// the caller gets its answer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// A database in a file.
pub(super) struct Sqlite {
    /// Writes queue for one connection, so that the process never competes with itself.
    writer: SqlitePool,
    readers: SqlitePool,
}

#[async_trait]
impl Database for Sqlite {
    async fn run(&self, statement: Statement) -> Result<Reply> {
        // There is one writer at a time, so nothing has to be locked.
        let sql = statement.spelled("CAST(unixepoch('subsec') * 1000 AS INTEGER)", "", "");
        let pool = if statement.access == Access::Write { self.writer.clone() } else { self.readers.clone() };
        to_its_end(async move { patiently(STATEMENT_TIMEOUT, execute(&pool, sql, &statement.args)).await }).await
    }
}

impl Sqlite {
    /// Opens a file and migrates its schema. Several processes may do so concurrently.
    pub(super) async fn open(path: &str) -> Result<Self> {
        if path.is_empty() || path.starts_with(':') {
            return Err(Invalid::Path(path.to_owned()).into());
        }
        if let Some(folder) = std::path::Path::new(path).parent() {
            std::fs::create_dir_all(folder).map_err(|cause| Unavailable::Folder { path: path.to_owned(), cause })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        patiently(OPEN_TIMEOUT, migrate_sqlite(&options)).await?;
        let pool = || SqlitePoolOptions::new().acquire_timeout(STATEMENT_TIMEOUT);
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        let readers = pool().max_connections(4).connect_with(options).await?;
        Ok(Self { writer, readers })
    }
}

/// Fetches to the last row: SQLite commits a statement only when it has been run to its end.
async fn execute(pool: &SqlitePool, sql: String, args: &[Arg]) -> Result<Reply, sqlx::Error> {
    let mut reply = Reply::default();
    let mut connection = pool.acquire().await?;
    let mut steps = connection.fetch_many(bound!(sqlx::query(AssertSqlSafe(sql)), args));
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => reply.changed += done.rows_affected(),
            Either::Right(row) => reply.rows.push(Row::Sqlite(row)),
        }
    }
    drop(steps);
    Ok(reply)
}

/// Migrates in one immediate transaction, because sqlx takes no lock on SQLite.
async fn migrate_sqlite(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(200));
    let mut connection: SqliteConnection = loop {
        match options.connect().await {
            Ok(connection) => break connection,
            // Switching to WAL doesn't wait for concurrent switches: SQLITE_BUSY whatever the timeout.
            Err(error) if is_busy(&error) => backoff.wait().await,
            Err(error) => return Err(error),
        }
    };
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrations::sqlite()
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
    transaction.commit().await?;
    connection.close().await
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    // The primary result code is the last byte: 5 SQLITE_BUSY, 6 SQLITE_LOCKED.
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

async fn patiently<T>(patience: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Unavailable::Late(patience).into()),
    }
}
