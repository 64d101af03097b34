//! How quickly the array works again after all of ZooKeeper was away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use server::coord::Connector;
use server::coord::zookeeper::ZooKeeper;
use testkit::Ensemble;
use testkit::images::rgb16_tiff;

use crate::array_on;

/// Session timeout; far longer than the recovery may take.
const LEASE: Duration = Duration::from_secs(10);
/// Allowance for a busy machine.
const BUSY: Duration = Duration::from_secs(4);

/// The restarted server's zxid is lower than what its clients have seen, so it drops their connections without an answer until
/// they give up their sessions.
#[tokio::test(flavor = "multi_thread")]
async fn an_ensemble_that_comes_back_empty_is_worked_with_within_five_seconds() {
    let ensemble = tokio::task::spawn_blocking(|| Ensemble::launch(1)).await.unwrap();
    let connector: Arc<dyn Connector> = Arc::new(ZooKeeper::new(&ensemble.connect_string(), LEASE).unwrap());
    let array = array_on(LEASE, connector.clone()).await;
    let original = rgb16_tiff(600, 900);
    array.start(&["pod-1", "pod-2"]);
    for _ in 0..3 {
        let accepted = array.upload("image", &original).await;
        array.is_exact(&accepted, &original).await;
    }
    let ensemble = tokio::task::spawn_blocking(move || {
        ensemble.kill(0);
        ensemble.wipe(0);
        ensemble.restart(0);
        ensemble
    });
    let ensemble = ensemble.await.unwrap();
    let back = Instant::now();
    let accepted = array.upload("image", &original).await;
    array.is_exact(&accepted, &original).await;
    let took = back.elapsed();
    println!("ZooKeeper restarted empty, session timeout {LEASE:?}: {took:.1?}");
    assert!(took < Duration::from_secs(5) + BUSY, "{took:?}");
    drop(ensemble);
}
