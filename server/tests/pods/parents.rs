//! An outsider deletes parent nodes under which all pods write, while they work.

use std::sync::Arc;
use std::time::Duration;

use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, Error, paths};
use shared::job::Phase;
use testkit::images::rgb16_tiff;
use testkit::{Ensemble, TestArray, eventually, ok_if};

use crate::{array, array_on};

const LEASE: Duration = Duration::from_secs(5);
/// Time from the deletion to the array's recovery; generous, for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Deletes a node and everything below it, including nodes added meanwhile.
pub async fn delete_all(coordinator: &dyn Coordinator, path: &str) {
    loop {
        let names = coordinator.children(path).await.unwrap_or_default();
        let below = if path == "/" { "" } else { path };
        for name in names.iter().filter(|name| *name != "zookeeper") {
            Box::pin(delete_all(coordinator, &format!("{below}/{name}"))).await;
        }
        if path == "/" {
            return;
        }
        match coordinator.delete(path, None).await {
            Err(Error::NotEmpty(_)) => {}
            Ok(()) | Err(Error::NoNode(_)) => return,
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

/// Deletes each parent, and all of them, while a job runs; each job must give the right result, and all pods must be members
/// again.
async fn parents_heal(array: &TestArray, connector: &dyn Connector) {
    let eye = connector.connect().await.unwrap();
    let original = rgb16_tiff(600, 900);
    array.start(&["pod-1", "pod-2", "pod-3"]);
    for deleted in ["/cluster/leader", "/cluster/doorbell", "/cluster", "/jobs", "/nodes", "/"] {
        println!("deletes {deleted}");
        let accepted = array.upload("image", &original).await;
        begun(&*eye, &accepted.job_id).await;
        delete_all(&*eye, deleted).await;
        array.is_exact(&accepted, &original).await;
        eventually(&format!("all members and candidates after the deletion of {deleted}"), PATIENCE, async || {
            let members = eye.children(paths::NODES).await.unwrap_or_default();
            let candidates = eye.children(paths::LEADER).await.unwrap_or_default();
            ok_if((members.len(), candidates.len()) == (3, 3), (members, candidates))
        })
        .await;
    }
    // A job that starts only now finds everything in place.
    let accepted = array.upload("image", &original).await;
    array.is_exact(&accepted, &original).await;
}

/// Waits until a job has tasks.
async fn begun(eye: &dyn Coordinator, job: &shared::id::JobId) {
    let phase = paths::phase(job, Phase::Histograms);
    eventually("the job's first phase", PATIENCE, async || eye.children(&phase).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_parents_heal_on_the_embedded_coordinator() {
    let array = array(LEASE).await;
    let connector = array.embedded.connector();
    parents_heal(&array, &*connector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_parents_heal_on_zookeeper() {
    let servers = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap().connect_string_with_new_chroot();
    let connector: Arc<dyn Connector> = Arc::new(ZooKeeper::new(&servers, LEASE).unwrap());
    let array = array_on(LEASE, connector.clone()).await;
    parents_heal(&array, &*connector).await;
}

/// Also deletes the chroot: it isn't one of the array's nodes, and nothing can be created without it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_chroot_heals_on_zookeeper() {
    let servers = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap().connect_string_with_new_chroot();
    let connector: Arc<dyn Connector> = Arc::new(ZooKeeper::new(&servers, LEASE).unwrap());
    let array = array_on(LEASE, connector.clone()).await;
    let (hosts, chroot) = servers.split_once('/').unwrap();
    let outside = ZooKeeper::new(hosts, LEASE).unwrap().connect().await.unwrap();
    let original = rgb16_tiff(600, 900);
    array.start(&["pod-1", "pod-2"]);
    let accepted = array.upload("image", &original).await;
    begun(&*connector.connect().await.unwrap(), &accepted.job_id).await;
    delete_all(&*outside, &format!("/{chroot}")).await;
    array.is_exact(&accepted, &original).await;
}
