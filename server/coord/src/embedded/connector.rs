//! Opening sessions with the coordinator.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::{Connector, Coordinator, Error, Result};
use super::coordinator::Embedded;
use super::session::Session;

impl Embedded {
    /// Returns a connector that opens sessions with this coordinator.
    pub fn connector(self: &Arc<Self>) -> Arc<dyn Connector> {
        Arc::new(EmbeddedConnector(Arc::clone(self)))
    }
}

struct EmbeddedConnector(Arc<Embedded>);

#[async_trait]
impl Connector for EmbeddedConnector {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        let mut up = self.0.up.subscribe();
        let reachable = tokio::time::timeout(self.0.session_timeout(), up.wait_for(|up| *up)).await;
        match reachable {
            Ok(Ok(_)) => Ok(Arc::new(Session::open(&self.0))),
            _ => Err(Error::Disconnected),
        }
    }
}
