//! A connector for one client of the embedded coordinator, which can be cut to inject faults.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use super::coordinator::Embedded;
use super::session::Session;
use crate::{Connector, Coordinator, Error, FaultLink, Result, SessionId};

/// Opens sessions for one client. While it is cut, the current session receives nothing and runs into its timeout, and no new
/// session can be opened.
pub struct FaultConnector {
    embedded: Arc<Embedded>,
    cut: watch::Sender<bool>,
    session: Mutex<Option<SessionId>>,
}

impl FaultConnector {
    /// Creates a connector that isn't cut.
    pub fn new(embedded: &Arc<Embedded>) -> Arc<Self> {
        Arc::new(Self { embedded: embedded.clone(), cut: watch::Sender::new(false), session: Mutex::default() })
    }

    fn session(&self) -> Option<SessionId> {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultLink for FaultConnector {
    fn cut(&self) {
        self.cut.send_replace(true);
        if let Some(session) = self.session() {
            self.embedded.disconnect(session);
        }
    }

    fn mend(&self) {
        self.cut.send_replace(false);
        if let Some(session) = self.session() {
            self.embedded.reconnect(session);
        }
    }
}

#[async_trait]
impl Connector for FaultConnector {
    fn kind(&self) -> &'static str {
        "embedded"
    }

    async fn connect(&self) -> Result<Arc<dyn Coordinator>> {
        let mut cut = self.cut.subscribe();
        let mut up = self.embedded.up.subscribe();
        let reachable = async { cut.wait_for(|cut| !*cut).await.is_ok() && up.wait_for(|up| *up).await.is_ok() };
        if !matches!(tokio::time::timeout(self.embedded.session_timeout(), reachable).await, Ok(true)) {
            return Err(Error::Disconnected);
        }
        let session = Session::open(&self.embedded);
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.session());
        if *self.cut.borrow() {
            self.embedded.disconnect(session.session());
        }
        Ok(Arc::new(session))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::super::EmbeddedConfig;
    use super::*;
    use crate::SessionState;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_cut_off_keeps_its_session_for_its_lease_and_gets_no_other() {
        let embedded = Embedded::new(EmbeddedConfig { session_timeout: Duration::from_secs(2) });
        let link = FaultConnector::new(&embedded);
        let first = link.connect().await.unwrap();
        let mut states = first.states();

        link.cut();
        assert_eq!(*states.borrow_and_update(), SessionState::Disconnected);
        // Shorter than the lease.
        tokio::time::sleep(Duration::from_secs(1)).await;
        link.mend();
        assert_eq!(*states.borrow_and_update(), SessionState::Connected, "the lease hadn't run out");

        link.cut();
        assert!(matches!(link.connect().await.map(|_| ()), Err(Error::Disconnected)));
        // Longer than the lease.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(embedded.sessions(), []);
        link.mend();
        assert!(states.borrow_and_update().is_terminal(), "the lease ran out");
        link.connect().await.unwrap();
    }
}
