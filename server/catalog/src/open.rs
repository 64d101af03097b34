//! Opening the catalog from its address on the command line.

use std::sync::Arc;

use super::Catalog;
use super::database::Database;
use super::error::{Invalid, Result};
use super::postgres::Postgres;
use super::sql::SqlCatalog;
use super::sqlite::Sqlite;

/// Opens `sqlite:///path/to.db` or a plain path (created if missing), or `postgres://…`, and migrates its schema. Several
/// processes may do so concurrently.
pub async fn open(url: &str) -> Result<Arc<dyn Catalog>> {
    Ok(over(connect(url).await?))
}

/// Returns the catalog in a database.
pub fn over(database: Arc<dyn Database>) -> Arc<dyn Catalog> {
    Arc::new(SqlCatalog::new(database))
}

/// Opens the database of [`open`] and migrates its schema.
pub async fn connect(url: &str) -> Result<Arc<dyn Database>> {
    Ok(match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => Arc::new(Postgres::open(url).await?),
        Some(("sqlite", path)) => Arc::new(Sqlite::open(path).await?),
        Some((scheme, _)) => {
            return Err(Invalid::Scheme(scheme.to_owned()).into());
        }
        None => Arc::new(Sqlite::open(url).await?),
    })
}
