//! Pods show and use the session timeout that the servers grant.

use std::sync::Arc;
use std::time::Duration;

use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, ensure_skeleton, members};
use testkit::eventually;
use testkit::zookeeper::{Ensemble, TICK};

use crate::array_on;

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_shows_the_lease_that_the_servers_grant_and_not_what_it_asked_for() {
    let servers = tokio::task::spawn_blocking(|| Ensemble::shared().connect_string_with_new_chroot()).await.unwrap();
    let connector: Arc<dyn Connector> = Arc::new(ZooKeeper::new(&servers, Duration::from_millis(200)).unwrap());
    let array = array_on(Duration::from_secs(9), connector.clone()).await;
    let eye = ZooKeeper::new(&servers, Duration::from_secs(10)).unwrap().connect().await.unwrap();
    ensure_skeleton(&*eye).await.unwrap();
    array.start(&["pod-1"]);
    let joined = async || members::list(&*eye).await.unwrap().pop().ok_or("no member");
    let member = eventually("it to join", Duration::from_secs(60), joined).await;
    assert_eq!(u128::from(member.lease_ms), (TICK * 2).as_millis());
    array.stop("pod-1").await;
}
