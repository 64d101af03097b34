//! An outsider writes into the array's znodes, on real ZooKeeper: unreadable nodes are set aside, and cost at most their own
//! job.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, CreateMode, Error, ensure_path, ensure_skeleton, paths};
use shared::gallery::Accepted;
use shared::id::JobId;
use shared::job::{JobState, Phase};
use testkit::images::rgb16_tiff;
use testkit::{Ensemble, TestArray, eventually, ok_if};
use zookeeper_client::{Acl, AuthId, Client, Permission};

use crate::array_on;

const LEASE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);
/// Default number of job slots.
const SLOTS: usize = 8;

struct Scene {
    array: TestArray,
    servers: String,
    eye: Arc<dyn Coordinator>,
    original: Vec<u8>,
}

impl Scene {
    async fn new() -> Self {
        let servers = tokio::task::spawn_blocking(Ensemble::shared).await.unwrap().connect_string_with_new_chroot();
        let connector: Arc<dyn Connector> = Arc::new(ZooKeeper::new(&servers, LEASE).unwrap());
        let array = array_on(LEASE, connector.clone()).await;
        let eye = connector.connect().await.unwrap();
        Self { array, servers, eye, original: rgb16_tiff(600, 900) }
    }

    async fn upload(&self) -> Accepted {
        self.array.upload("image", &self.original).await
    }

    /// Waits until `done` returns `true`.
    async fn until(&self, what: &str, mut done: impl AsyncFnMut() -> bool) {
        eventually(what, PATIENCE, async || ok_if(done().await, self.eye.children(paths::JOBS).await)).await;
    }

    async fn begun(&self, job: &JobId) {
        let first = paths::task(job, Phase::Histograms, 0);
        self.until("the job begins", async || self.eye.stat(&first).await.unwrap().is_some()).await;
    }

    /// Waits until the job has ended: with its result, if the forgery came too late to matter, or with `reason` in its reason.
    /// Returns whether it failed.
    async fn ends(&self, accepted: &Accepted, reason: &str) -> bool {
        let ended = self.array.ended(accepted).await;
        match ended.state {
            JobState::Done => self.array.is_exact(accepted, &self.original).await,
            _ => assert!(ended.reason.as_ref().is_some_and(|found| found.contains(reason)), "{ended:?}"),
        }
        ended.state == JobState::Failed
    }

    async fn works(&self) {
        let accepted = self.upload().await;
        self.array.is_exact(&accepted, &self.original).await;
    }

    async fn no_znodes_stay(&self) {
        let jobs = async || self.eye.children(paths::JOBS).await.unwrap().is_empty();
        self.until("no job's znodes stay", jobs).await;
    }

    /// Sets an access control list that locks everyone out of a node (it names an address that no one has). Returns whether it
    /// succeeded.
    async fn shut(&self, client: &Client, path: &str) -> bool {
        let nobody = [Acl::new(Permission::ALL, AuthId::new("ip", "203.0.113.1"))];
        client.set_acl(path, &nobody, None).await.is_ok()
    }
}

/// Eight jobs fill all slots; twice as many wait behind them; and all pods are replaced in between.
#[tokio::test(flavor = "multi_thread")]
async fn unknown_children_of_eight_jobs_cost_no_slot_and_go_with_their_jobs() {
    let scene = Scene::new().await;
    scene.array.start(&["pod-1", "pod-2"]);
    let mut all = Vec::new();
    for _ in 0..3 * SLOTS {
        all.push(scene.upload().await);
    }
    let mut forged = BTreeSet::new();
    scene
        .until("eight jobs have children that nobody knows", async || {
            for job in scene.eye.children(paths::JOBS).await.unwrap_or_default() {
                if ensure_path(&*scene.eye, &format!("{}/{job}/stranger/deep", paths::JOBS)).await.is_ok() {
                    forged.insert(job);
                }
            }
            forged.len() >= SLOTS
        })
        .await;
    for name in ["pod-1", "pod-2"] {
        scene.array.stop(name).await;
    }
    scene.array.start(&["pod-3", "pod-4"]);
    for accepted in &all {
        scene.array.is_exact(accepted, &scene.original).await;
    }
    scene.no_znodes_stay().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_and_oversized_records_fail_their_job_with_the_cause_and_no_other() {
    let scene = Scene::new().await;
    scene.array.start(&["pod-1", "pod-2"]);
    let large = serde_json::to_vec(&serde_json::json!({ "v": 1, "padding": "x".repeat(100_000) })).unwrap();
    let outside = client(&scene).await;
    let persistent = zookeeper_client::CreateMode::Persistent.with_acls(zookeeper_client::Acls::anyone_all());
    for data in [b"{".as_slice(), b"\xff\xfe", b"[]", &large] {
        for node in ["", "/histograms/task_0", "/histograms/task_1/done", "/histograms/task_2/lock"] {
            let mut failed = false;
            for _ in 0..20 {
                let accepted = scene.upload().await;
                scene.begun(&accepted.job_id).await;
                let path = format!("{}{node}", paths::job(&accepted.job_id));
                let forged = match node.rsplit('/').next() {
                    Some("done" | "lock") => outside.create(&path, data, &persistent).await.is_ok(),
                    _ => outside.set_data(&path, data, None).await.is_ok(),
                };
                failed = scene.ends(&accepted, "was changed from outside").await && forged;
                if failed {
                    break;
                }
            }
            assert!(failed, "{node}: every job was faster than the forgery");
            scene.works().await;
        }
    }
    scene.no_znodes_stay().await;
}

/// A worker's commit meets a version that it didn't write, although it still holds the lock.
#[tokio::test(flavor = "multi_thread")]
async fn a_task_rewritten_with_equal_data_is_done_all_the_same() {
    let scene = Scene::new().await;
    scene.array.start(&["pod-1", "pod-2"]);
    let mut rewritten = 0;
    let begun = Instant::now();
    while rewritten < 5 {
        assert!(begun.elapsed() < PATIENCE, "only {rewritten} locked tasks were found");
        let accepted = scene.upload().await;
        scene.begun(&accepted.job_id).await;
        for index in 0..4 {
            let task = paths::task(&accepted.job_id, Phase::Histograms, index);
            if let Ok((data, stat)) = scene.eye.get(&task).await
                && let Ok(Some(_)) = scene.eye.stat(&paths::lock(&task)).await
                && scene.eye.set(&task, &data, Some(stat.version)).await.is_ok()
            {
                rewritten += 1;
            }
        }
        scene.array.is_exact(&accepted, &scene.original).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn access_control_lists_of_others_cost_neither_slots_nor_other_jobs() {
    let scene = Scene::new().await;
    scene.array.start(&["pod-1", "pod-2"]);
    let outside = client(&scene).await;
    for node in ["/histograms/task_1", "/histograms", ""] {
        let mut shut = 0;
        let mut all = Vec::new();
        for _ in 0..2 * SLOTS {
            let accepted = scene.upload().await;
            scene.begun(&accepted.job_id).await;
            let path = format!("{}{node}", paths::job(&accepted.job_id));
            shut += usize::from(scene.shut(&outside, &path).await);
            all.push(accepted);
        }
        assert!(shut >= SLOTS / 2, "{node}: every job was faster");
        for accepted in &all {
            scene.ends(accepted, "access control list").await;
        }
        scene.works().await;
    }
    // The next leader finds nodes that can't be removed.
    for name in ["pod-1", "pod-2"] {
        scene.array.stop(name).await;
    }
    scene.array.start(&["pod-3"]);
    scene.works().await;
}

/// A lock that reads like a worker's, held by a session that lives on.
#[tokio::test(flavor = "multi_thread")]
async fn a_forged_lock_fails_its_job_and_no_other() {
    let scene = Scene::new().await;
    scene.array.start(&["pod-1", "pod-2"]);
    let lock = serde_json::json!({
        "v": 1, "pod": "pod-1", "claim": "00000000000000000000000000000000", "since": 0,
        "stamp": { "clock": 1, "pod": "pod-1" },
    });
    let lock = serde_json::to_vec(&lock).unwrap();
    // A lock on a task that is done already comes too late to matter.
    let (mut forged, mut failed, begun) = (0, 0, Instant::now());
    while failed == 0 {
        assert!(begun.elapsed() < PATIENCE, "{forged} locks were forged, and no job has failed");
        let accepted = scene.upload().await;
        scene.begun(&accepted.job_id).await;
        for index in (0..4).rev() {
            let path = paths::lock(&paths::task(&accepted.job_id, Phase::Histograms, index));
            forged += usize::from(scene.eye.create(&path, &lock, CreateMode::Ephemeral).await.is_ok());
        }
        failed += usize::from(scene.ends(&accepted, "no worker made this lock").await);
        scene.works().await;
    }
    scene.no_znodes_stay().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_candidates_and_members_neither_lead_nor_count() {
    let scene = Scene::new().await;
    ensure_skeleton(&*scene.eye).await.unwrap();
    for path in ["/cluster/leader/forged-0000000000", "/cluster/leader/forged", "/nodes/forged"] {
        scene.eye.create(path, b"{}", CreateMode::Persistent).await.unwrap();
    }
    let path = "/cluster/leader/garbage-";
    scene.eye.create(path, b"garbage", CreateMode::EphemeralSequential).await.unwrap();
    scene.array.start(&["pod-1", "pod-2"]);
    scene.works().await;
    assert!(matches!(scene.eye.get("/cluster/leader/forged").await, Ok(_) | Err(Error::NoNode(_))));
}

/// Opens a client outside of the array, in its chroot.
async fn client(scene: &Scene) -> Client {
    Client::connect(&scene.servers).await.unwrap()
}
