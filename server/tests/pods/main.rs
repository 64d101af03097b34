//! Whole pods in this process, while tests control their sessions, lives, store and coordinator.
#![allow(clippy::unwrap_used)]

mod endings;
mod epoch;
mod forged;
mod granted;
mod many_tasks;
mod narrow;
mod oversized;
mod panics;
mod parents;
mod recovery;
mod storage;
mod strikes;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use server::coord::Connector;
use server::store::Patience;
use testkit::TestArray;
use testkit::array::Setup;
use testkit::wait::PATIENCE;

/// Creates an array without pods, with this session timeout, whose pods end soon after they are stopped.
async fn array(session_timeout: Duration) -> TestArray {
    array_with(session_timeout, |embedded| embedded).await
}

/// The same, on this coordinator instead of the embedded one.
async fn array_on(session_timeout: Duration, connector: Arc<dyn Connector>) -> TestArray {
    array_with(session_timeout, |_| connector).await
}

/// The same, on what this function makes of the embedded coordinator.
async fn array_with(
    session_timeout: Duration,
    connector: impl FnOnce(Arc<dyn Connector>) -> Arc<dyn Connector> + 'static,
) -> TestArray {
    let setup = Setup {
        session_timeout,
        connector: Box::new(connector),
        patience: Patience::new(PATIENCE, 1, Duration::from_millis(10)),
        threads: 4,
        slots: 8,
        configure: Box::new(|config| config.drain = Duration::from_millis(100)),
        ..Setup::default()
    };
    TestArray::new(setup).await
}
