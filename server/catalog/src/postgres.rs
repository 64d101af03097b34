//! PostgreSQL: connections to the primary, including across failovers.
//!
//! # Hazards
//! - *A standby answers.* Its rows are stale, and rows it lacks may exist. This happens behind a load balancer (pgpool-II sends
//!   a plain `SELECT` to a standby), after a switchover that kept the connections, and where the address names a standby. So
//!   every read is part of a statement that could write ([`on_primary`]): load balancers send it to the primary, and a standby
//!   or read-only server rejects it with SQLSTATE 25006. It writes nothing, takes no row lock, and needs no extra round trip.
//! - *The primary moved to another server.* An error of a server that is no longer primary, is stopping or starting (25006,
//!   57P01–57P03), or a failing connection (08xxx, I/O) closes the connection and all idle ones, which lead to the same server.
//!   The next attempt uses the next host of the address. 25006 and a failure to connect have no effect on the data, so they are
//!   retried until the time is over; after any other error the outcome is unknown and the caller decides.
//! - *A server disappears silently.* A connection that doesn't answer in time is closed instead of being returned to the pool.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use base::backoff::jitter;
use futures::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Either, Executor};
use tokio::time::{Instant, sleep, timeout_at};

use super::database::{Access, Arg, Database, Reply, Row, STATEMENT_TIMEOUT, Statement, bound, to_its_end};
use super::error::{Error, Result, Unavailable};
use super::migrations;

/// Maximum number of connections per process.
const MAX_CONNECTIONS: u32 = 8;
/// Time limit of one attempt to connect: with several hosts, an unresponsive one must leave time for the others.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// First and longest pause between attempts; doubled after each.
const RETRY_PAUSES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// Fails like a write on a server that isn't the primary. Uses no table, because none may exist yet.
const ASSERT_PRIMARY: &str = "DO $$ BEGIN
    IF pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' THEN
        RAISE EXCEPTION USING ERRCODE = '25006', MESSAGE = 'the server is a standby or read-only';
    END IF;
END $$";

/// A database on a server.
pub(super) struct Postgres(Arc<Primary>);

impl Postgres {
    /// Connects to the primary and migrates its schema. Several processes may do so concurrently.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let primary = Primary::open(url, STATEMENT_TIMEOUT).await?;
        // The migrator takes a database lock by itself.
        migrations::postgres().run(&primary.pool).await.map_err(Unavailable::Migration)?;
        Ok(Self(Arc::new(primary)))
    }
}

#[async_trait]
impl Database for Postgres {
    async fn run(&self, statement: Statement) -> Result<Reply> {
        let now = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        let sql = statement.spelled(now, " FOR SHARE", " FOR NO KEY UPDATE");
        let sql = if statement.access == Access::Read { on_primary(&sql) } else { sql };
        let primary = self.0.clone();
        to_its_end(async move { primary.run(&sql, &statement.args, STATEMENT_TIMEOUT).await }).await
    }
}

/// A pool of connections to the primary among some hosts.
struct Primary {
    pool: PgPool,
    hosts: Vec<PgConnectOptions>,
    /// Index of the host to which new connections lead.
    current: AtomicUsize,
}

/// Why a statement failed.
enum Failed {
    /// It had no effect: there was no connection, or the server isn't the primary.
    Before(sqlx::Error),
    /// The outcome is unknown, unless the error implies otherwise.
    Within(sqlx::Error),
    /// No answer in time: the outcome is unknown.
    Late,
}

impl Primary {
    /// Connects to the primary among the hosts of `postgres://user@host:port,host:port/database`, within `patience`.
    async fn open(url: &str, patience: Duration) -> Result<Self> {
        let hosts = urls_of(url).iter().map(|url| PgConnectOptions::from_str(url)).collect::<Result<Vec<_>, _>>();
        let hosts: Vec<_> =
            hosts.map_err(Error::Address)?.into_iter().map(|host| host.application_name("evenlight")).collect();
        let pool = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(CONNECT_TIMEOUT);
        let pool = pool.connect_lazy_with(hosts[0].clone());
        let primary = Self { pool, hosts, current: AtomicUsize::new(0) };
        primary.run(ASSERT_PRIMARY, &[], patience).await?;
        Ok(primary)
    }

    /// Runs a statement on the primary.
    async fn run(&self, sql: &str, args: &[Arg], patience: Duration) -> Result<Reply> {
        let until = Instant::now() + patience;
        let mut pause = RETRY_PAUSES[0];
        loop {
            let host = self.current.load(Ordering::Relaxed);
            let error = match self.once(sql, args, until).await {
                Ok(reply) => return Ok(reply),
                Err(Failed::Before(error)) => error,
                Err(Failed::Within(error)) => return Err(error.into()),
                Err(Failed::Late) => return Err(Unavailable::Late(patience).into()),
            };
            self.leave(host);
            let wait = pause.mul_f64(0.5 + jitter());
            if Instant::now() + wait >= until {
                return Err(if is_read_only(&error) { Unavailable::NoPrimary(error).into() } else { error.into() });
            }
            sleep(wait).await;
            pause = (pause * 2).min(RETRY_PAUSES[1]);
        }
    }

    async fn once(&self, sql: &str, args: &[Arg], until: Instant) -> Result<Reply, Failed> {
        let connected = timeout_at(until, self.pool.acquire()).await;
        let mut connection = connected.map_err(|_| Failed::Late)?.map_err(Failed::Before)?;
        let error = match timeout_at(until, execute(&mut connection, sql, args)).await {
            Ok(Ok(reply)) => return Ok(reply),
            Ok(Err(error)) if !ends_connection(&error) => return Err(Failed::Within(error)),
            Ok(Err(error)) if is_read_only(&error) => Failed::Before(error),
            Ok(Err(error)) => Failed::Within(error),
            Err(_) => Failed::Late,
        };
        tracing::debug!(reason = %error, "connection to the catalog closed");
        drop(connection.detach());
        self.close_idle();
        Err(error)
    }

    /// Directs new connections to the next host, unless another call has done so since.
    fn leave(&self, host: usize) {
        self.close_idle();
        let next = (host + 1) % self.hosts.len();
        if next != host && self.current.compare_exchange(host, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.pool.set_connect_options(self.hosts[next].clone());
        }
    }

    /// Closes idle connections, as they lead to the same host as the one that failed. Closing a healthy one only costs a
    /// reconnect.
    fn close_idle(&self) {
        while let Some(idle) = self.pool.try_acquire() {
            drop(idle.detach());
        }
    }
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failed::Before(error) | Failed::Within(error) => write!(f, "{error}"),
            Failed::Late => f.write_str("no answer in time"),
        }
    }
}

async fn execute(connection: &mut PgConnection, sql: &str, args: &[Arg]) -> Result<Reply, sqlx::Error> {
    let mut reply = Reply::default();
    let query = bound!(sqlx::query(AssertSqlSafe(sql.to_owned())), args);
    let mut steps = connection.fetch_many(query);
    while let Some(step) = steps.try_next().await? {
        match step {
            Either::Left(done) => reply.changed += done.rows_affected(),
            Either::Right(row) => reply.rows.push(Row::Postgres(row)),
        }
    }
    Ok(reply)
}

/// Turns a query into one that only a primary can run: the added update matches no row (the only row has `one = 1`), but a
/// standby rejects it.
fn on_primary(query: &str) -> String {
    const PRIMARY: &str = "WITH on_primary AS (UPDATE epoch SET n = n WHERE one = 0)";
    match query.trim_start().strip_prefix("WITH ") {
        Some(rest) => format!("{PRIMARY}, {rest}"),
        None => format!("{PRIMARY} {query}"),
    }
}

fn code_of(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(Into::into)
}

/// 25006 read_only_sql_transaction.
fn is_read_only(error: &sqlx::Error) -> bool {
    code_of(error).as_deref() == Some("25006")
}

/// Whether the connection, or its server, is no longer usable.
fn ends_connection(error: &sqlx::Error) -> bool {
    match code_of(error) {
        // 57P01–57P05: shutdown, crash, starting up, database dropped, idle too long. 08: connection exceptions.
        Some(code) => code == "25006" || code.starts_with("57P") || code.starts_with("08"),
        None => matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)),
    }
}

/// Splits an address that names several hosts, as libpq allows, into one address per host. Drops `target_session_attrs`, since
/// only a primary is used anyway.
fn urls_of(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) =
        authority.rsplit_once('@').map_or((String::new(), authority), |(user, hosts)| (format!("{user}@"), hosts));
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with("target_session_attrs=")).collect();
    let query = kept.join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}{mark}{query}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_of_an_address_has_an_address_of_its_own() {
        assert_eq!(urls_of("postgres://a/db"), ["postgres://a/db"]);
        assert_eq!(
            urls_of("postgres://me:p%2C@a:1,b,[::1]:3/db?target_session_attrs=read-write&sslmode=require"),
            [
                "postgres://me:p%2C@a:1/db?sslmode=require",
                "postgres://me:p%2C@b/db?sslmode=require",
                "postgres://me:p%2C@[::1]:3/db?sslmode=require",
            ]
        );
        assert_eq!(urls_of("postgres://a,b?host=/tmp"), ["postgres://a?host=/tmp", "postgres://b?host=/tmp"]);
        assert_eq!(urls_of("postgres:///db"), ["postgres:///db"]);
    }

    #[test]
    fn a_query_is_one_statement_that_could_write() {
        let update = "WITH on_primary AS (UPDATE epoch SET n = n WHERE one = 0)";
        assert_eq!(on_primary("SELECT 1"), format!("{update} SELECT 1"));
        assert_eq!(on_primary("WITH a AS (SELECT 1) SELECT 2"), format!("{update}, a AS (SELECT 1) SELECT 2"));
    }
}
