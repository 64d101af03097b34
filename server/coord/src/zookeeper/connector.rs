//! Opening sessions with an ensemble.

use std::sync::Arc;

use async_trait::async_trait;
use base::causes::SharedError;
use zookeeper_client::Client;

use super::super::{Connector, Coordinator, Error, Result};
use super::ensemble::ZooKeeper;
use super::session::Session;
use super::{errors, probe};

impl ZooKeeper {
    async fn open(&self) -> Result<Session> {
        // Detached: dropping a handle without closing it counts as a crash, as in the embedded coordinator.
        let client = Client::connector()
            .with_session_timeout(self.session_timeout)
            .with_detached()
            .connect(&probe::answering(&self.servers).await)
            .await
            .map_err(|error| errors::from_client("/", error))?;
        let client = if self.chroot == "/" { client } else { self.enter_chroot(client).await? };
        Ok(Session::new(client, self.clone()))
    }
}

#[async_trait]
impl Connector for ZooKeeper {
    fn kind(&self) -> &'static str {
        "zookeeper"
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        match tokio::time::timeout(self.session_timeout, self.open()).await {
            Ok(session) => Ok(Arc::new(session?)),
            Err(_) => Err(Error::Unknown(SharedError::new(format!(
                "no ZooKeeper server of {} made a session within {:?}",
                self.servers, self.session_timeout
            )))),
        }
    }
}
