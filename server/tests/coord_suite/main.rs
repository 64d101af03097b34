//! One suite for every coordinator: the embedded one, on paused time, and ZooKeeper, on real servers. Tests that only one of
//! them supports have their own files.
#![allow(clippy::unwrap_used)]

#[path = "../support/forwarder.rs"]
mod forwarder;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/zookeeper.rs"]
mod zookeeper;

mod bed;
mod embedded_only;
mod quirks;
mod records;
mod zookeeper_only;

/// Runs each of these functions of a [`bed::Bed`] on every coordinator.
macro_rules! on_every_coordinator {
    ($($test:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test(start_paused = true)]
            async fn $test() {
                super::$test(&crate::bed::EmbeddedBed::new()).await;
            })*
        }
        mod zookeeper {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let bed = crate::bed::ZooKeeperBed::new().await;
                let patience = std::time::Duration::from_secs(120);
                tokio::time::timeout(patience, super::$test(&bed)).await.expect("the test ends");
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
