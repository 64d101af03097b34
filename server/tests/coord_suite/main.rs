//! One suite for every coordinator: the embedded one, on paused time, and ZooKeeper, on real servers. Tests that only one of
//! them supports have their own files.
#![allow(clippy::unwrap_used)]

mod embedded_only;
mod environment;
mod quirks;
mod records;
mod zookeeper_only;

/// Runs each of these functions of a [`environment::Environment`] on every coordinator.
macro_rules! on_every_coordinator {
    ($($test:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(&crate::environment::EmbeddedEnvironment::new()).await;
            })*
        }
        mod zookeeper {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let environment = crate::environment::ZooKeeperEnvironment::new().await;
                let patience = std::time::Duration::from_secs(120);
                tokio::time::timeout(patience, super::$test(&environment)).await.expect("the test ends");
            })*
        }
    };
}
pub(crate) use on_every_coordinator;

mod claim;
mod conformance;
mod election;
mod fence;
mod members;
mod schedules;
