//! Database access with one SQL text for both SQLite and PostgreSQL.
//!
//! A statement writes its parameters as `$1`, `$2`… and uses these placeholders, which are replaced for each database:
//! - `{now}`: ms since 1970 by the database's clock;
//! - `{share}` after a `SELECT`: locks its rows against changes until the statement is committed;
//! - `{hold}` likewise: also excludes other holders of the lock.
//!
//! SQLite has one writer at a time, so the last two are empty there.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base::backoff::Backoff;
use base::panics;
use futures::TryStreamExt;
use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Either, Executor, SqliteConnection};

use super::primary::{self, Primary};
use super::statement::{Answer, Arg, Row, bound, unavailable};
use super::{Error, Result, migrations};

/// Time limit of a statement, including the wait for a connection; when it passes, the outcome is unknown. It also bounds how
/// long uploads and pages wait for a database that hangs.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for the first connection and the migration.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long one process waits for another's write to SQLite: less than [`STATEMENT_TIMEOUT`], so that the connection is free again when
/// the caller gets its answer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);

/// A database.
pub(super) enum Db {
    /// Writes queue for one connection, so that the process never competes with itself.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(Arc<Primary>),
}

/// Kind of access of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Fetches to the last row: SQLite commits a statement only when it has been run to its end.
async fn run_sqlite(pool: &SqlitePool, sql: String, args: &[Arg]) -> Result<Answer, sqlx::Error> {
    let mut answer = Answer::default();
    let mut connection = pool.acquire().await?;
    let mut steps = connection.fetch_many(bound!(sqlx::query(AssertSqlSafe(sql)), args));
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => answer.changed += done.rows_affected(),
            Either::Right(row) => answer.rows.push(Row::Sqlite(row)),
        }
    }
    drop(steps);
    Ok(answer)
}

impl Db {
    /// Runs a statement that writes, and returns the number of rows it wrote.
    pub(super) async fn write(&self, sql: &str, args: &[Arg]) -> Result<u64> {
        Ok(self.run(Access::Write, sql, args).await?.changed)
    }

    /// Runs a statement that writes and returns rows.
    pub(super) async fn write_returning(&self, sql: &str, args: &[Arg]) -> Result<Vec<Row>> {
        Ok(self.run(Access::Write, sql, args).await?.rows)
    }

    /// Runs a query on the primary; the rows are those of a moment after the call.
    pub(super) async fn read(&self, sql: &str, args: &[Arg]) -> Result<Vec<Row>> {
        Ok(self.run(Access::Read, sql, args).await?.rows)
    }

    /// Runs a statement in a task of its own, which always completes. The caller may be dropped, or, in a frozen pod, no longer
    /// polled; a connection it held, or its place in the queue for one, would be lost to the process.
    async fn run(&self, access: Access, sql: &str, args: &[Arg]) -> Result<Answer> {
        let (sql, args) = (self.spell(sql), args.to_vec());
        let statement = match self {
            Db::Postgres(primary) => {
                let primary = primary.clone();
                tokio::spawn(async move {
                    let sql = if access == Access::Read { primary::on_primary(&sql) } else { sql };
                    primary.run(&sql, &args, STATEMENT_TIMEOUT).await
                })
            }
            Db::Sqlite { writer, readers } => {
                let pool = if access == Access::Write { writer.clone() } else { readers.clone() };
                tokio::spawn(async move { patiently(STATEMENT_TIMEOUT, run_sqlite(&pool, sql, &args)).await })
            }
        };
        statement.await.unwrap_or_else(|error| {
            let aborted = panics::resume(error);
            Err(Error::Unavailable(format!("the statement was aborted: {aborted}")))
        })
    }

    fn spell(&self, sql: &str) -> String {
        let (now, share, hold) = match self {
            Db::Sqlite { .. } => ("CAST(unixepoch('subsec') * 1000 AS INTEGER)", "", ""),
            Db::Postgres(_) => {
                ("(extract(epoch FROM clock_timestamp()) * 1000)::bigint", " FOR SHARE", " FOR NO KEY UPDATE")
            }
        };
        sql.replace("{now}", now).replace("{share}", share).replace("{hold}", hold)
    }

    /// Opens a database and migrates its schema. Several processes may do so concurrently.
    pub(super) async fn open(url: &str) -> Result<Db> {
        match url.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Self::open_postgres(url).await,
            Some(("sqlite", path)) => Self::open_sqlite(path).await,
            Some((scheme, _)) => Err(Error::Invalid(format!(
                "the catalog can be a file, sqlite:///path/to.db or postgres://…, not {scheme}://…"
            ))),
            None => Self::open_sqlite(url).await,
        }
    }

    async fn open_postgres(url: &str) -> Result<Db> {
        let primary = Primary::open(url, STATEMENT_TIMEOUT).await?;
        // The migrator takes a database lock by itself.
        migrations::postgres().run(primary.pool()).await.map_err(not_migrated)?;
        Ok(Db::Postgres(Arc::new(primary)))
    }

    async fn open_sqlite(path: &str) -> Result<Db> {
        if path.is_empty() || path.starts_with(':') {
            return Err(Error::Invalid(format!("{path:?} is not the path of a catalog's file")));
        }
        if let Some(folder) = std::path::Path::new(path).parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::Unavailable(format!("can't create the folder of {path}: {error}")))?;
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
        let writer = pool().max_connections(1).connect_with(options.clone()).await.map_err(unavailable)?;
        let readers = pool().max_connections(4).connect_with(options).await.map_err(unavailable)?;
        Ok(Db::Sqlite { writer, readers })
    }
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
        Ok(done) => done.map_err(unavailable),
        Err(_) => Err(Error::Unavailable(format!("no answer within {} s", patience.as_secs()))),
    }
}

fn not_migrated(error: MigrateError) -> Error {
    Error::Unavailable(format!("migrating its schema failed: {error}"))
}
