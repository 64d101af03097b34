//! Processes started with the wrong coordinator, store or data folder, beside a healthy array; and wiped coordinators, which
//! are a different case.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use shared::cluster::ClusterView;
use shared::equalize::Recipe;
use shared::job::JobState;
use testkit::images::{oracle, sample};
use testkit::{Deployment, Ensemble, Server, eventually_blocking};

use crate::EVENLIGHT;

/// Session timeout of these tests.
const LEASE: Duration = Duration::from_secs(2);

async fn works(server: &Server) {
    let accepted = server.client.upload("cell.png", sample("cell.png"), &Recipe::default()).await.unwrap();
    let result = server.client.result(&accepted.image_id).await;
    assert!(result == oracle(&sample("cell.png"), &Recipe::default()));
}

/// Starts a misconfigured process while jobs run: it must refuse to run, and neither a job nor the master may be affected.
async fn refused_beside(deployment: &Deployment, servers: &[Server], start: impl FnOnce() -> Server) -> String {
    let client = &servers[0].client;
    let leads = client.master(None).await;
    let upload = async || client.upload("moon.png", sample("moon.png"), &Recipe::default()).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..6 {
        taken.push(upload().await);
    }
    let mut stranger = start();
    for _ in 0..6 {
        taken.push(upload().await);
    }
    let why = tokio::task::spawn_blocking(move || stranger.refusal()).await.unwrap();
    for accepted in &taken {
        let image = client.ended(&accepted.image_id).await;
        assert_eq!(image.state, JobState::Done, "{:?}", image.reason);
    }
    assert_eq!(client.master(None).await, leads, "the master noticed the stranger");
    let store = deployment.folder.path().join("store").display().to_string();
    assert!(why.contains("is led through the coordinator") && why.contains(&store), "{why}");
    assert!(!why.contains("password"), "{why}");
    why
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_another_chroot_refuses_to_start_beside_a_live_array() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let servers = ["pod-a", "pod-b"].map(|name| deployment.process(name, &[]));
    let typo = format!("{}-typo", deployment.zookeeper);
    let why = refused_beside(&deployment, &servers, || deployment.process_via(&typo, "pod-c", &[])).await;
    assert!(why.contains(&typo) && why.contains(&format!("{};", deployment.zookeeper)), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_zookeeper_refuses_to_start_beside_a_live_array() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let servers = ["pod-a", "pod-b"].map(|name| deployment.process(name, &[]));
    let why = refused_beside(&deployment, &servers, || deployment.process_without_zookeeper("pod-c")).await;
    assert!(why.contains("embedded in the process at"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_the_chroot_of_another_installation_refuses_to_start() {
    let (one, other) = (Deployment::new(EVENLIGHT, LEASE).await, Deployment::new(EVENLIGHT, LEASE).await);
    let servers = [&one, &other].map(|deployment| deployment.process("pod-a", &[]));
    works(&servers[0]).await;
    works(&servers[1]).await;
    let mut stranger = one.process_via(&other.zookeeper, "pod-b", &[]);
    let why = tokio::task::spawn_blocking(move || stranger.refusal()).await.unwrap();
    assert!(why.contains("belongs to installation") && why.contains(&other.zookeeper), "{why}");
    works(&servers[0]).await;
    works(&servers[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zookeeper_wiped_under_live_pods_heals_by_itself() {
    let ensemble = Ensemble::launch(1);
    let deployment = Deployment::on(EVENLIGHT, format!("{}/array", ensemble.connect_string()), LEASE).await;
    let servers = ["pod-a", "pod-b"].map(|name| deployment.process(name, &[]));
    works(&servers[0]).await;
    let (_, before) = servers[0].client.master(None).await;
    wipe(&ensemble);
    let back = Instant::now();
    works(&servers[0]).await;
    servers[1].client.until("two pods", |view| (view.live() == 2).then_some(())).await;
    println!("an image was equalized {:.1?} after ZooKeeper was back, empty", back.elapsed());
    // The view of a pod may be a moment behind the work: the wipe ended every candidacy, so another one leads now.
    let later = |view: &ClusterView| view.leader.as_ref()?.epoch.filter(|epoch| *epoch > before);
    servers[0].client.until("the master elected after the wipe", later).await;
    // It is still distinguished from a wrong one.
    let typo = format!("{}-typo", deployment.zookeeper);
    refused_beside(&deployment, &servers, || deployment.process_via(&typo, "pod-c", &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zookeeper_wiped_while_all_pods_were_down_is_adopted_once_the_old_one_is_silent() {
    let ensemble = Ensemble::launch(1);
    let deployment = Deployment::on(EVENLIGHT, format!("{}/array", ensemble.connect_string()), LEASE).await;
    let mut servers = ["pod-a", "pod-b"].map(|name| deployment.process(name, &[]));
    works(&servers[0]).await;
    servers.iter_mut().for_each(Server::kill);
    wipe(&ensemble);
    let servers = ["pod-a", "pod-b"].map(|name| deployment.process(name, &[]));
    works(&servers[1]).await;
    servers[0].client.until("two pods", |view| (view.live() == 2).then_some(())).await;
}

fn wipe(ensemble: &Ensemble) {
    ensemble.kill(0);
    let data = ensemble.folders()[0].join("version-2");
    std::fs::remove_dir_all(&data).unwrap_or_else(|error| panic!("{}: {error}", data.display()));
    ensemble.restart(0);
}

/// A process that is killed when the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns the error of an `evenlight serve` that doesn't start.
fn not_started(args: &[&str]) -> String {
    let mut command = EVENLIGHT.command();
    let command = command.args(["serve", "--listen", "127.0.0.1:0"]).args(args);
    let mut child = Killed(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let ended = || child.0.try_wait().unwrap().ok_or("it runs");
    let status = eventually_blocking("its end", testkit::wait::PATIENCE, ended);
    assert!(!status.success(), "it started, and ended well");
    let mut message = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_folder_refuses_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let mut first = EVENLIGHT.serve("pod", folder.path(), &["--data", &data]);
    let why = not_started(&["--data", &data]);
    assert!(why.contains(&format!("can't use the data folder {data}")) && why.contains("Stop that process"), "{why}");
    // Another data folder with the same catalog.
    let (other, catalog) = (folder.path().join("other"), Path::new(&data).join("catalog.sqlite"));
    let (other, catalog) = (other.display().to_string(), catalog.display().to_string());
    let why = not_started(&["--data", &other, "--catalog", &catalog]);
    assert!(why.contains(&format!("can't use the catalog {catalog}")), "{why}");
    works(&first).await;
    // A crash leaves no lock behind.
    first.kill();
    let again = EVENLIGHT.serve("pod", folder.path(), &["--data", &data]);
    works(&again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_installation_is_refused_before_anything_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (one, other, store) = (path("one"), path("other"), path("store"));
    let server = EVENLIGHT.serve("pod", folder.path(), &["--data", &one, "--store", &store]);
    works(&server).await;
    let why = not_started(&["--data", &other, "--store", &store]);
    assert!(why.contains(&format!("The store {store} belongs to installation")) && why.contains(&other), "{why}");
}
