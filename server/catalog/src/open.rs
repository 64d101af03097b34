//! Opening the catalog from its address on the command line.

use std::sync::Arc;

use super::db::Db;
use super::fence::SqlCatalog;
use super::{Catalog, Result};

/// Opens `sqlite:///path/to.db` or a plain path (created if missing), or `postgres://…`, and migrates its schema. Several
/// processes may do so concurrently.
pub async fn open(url: &str) -> Result<Arc<dyn Catalog>> {
    Ok(Arc::new(SqlCatalog::new(Db::open(url).await?)))
}
