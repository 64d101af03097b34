//! Failover times: how long the array is without a master, with processes of the real binary on real ZooKeeper.
//!
//! Each round measures the time from the failure until the new master has created the first task of an image that is uploaded
//! right after the failure. `EVENLIGHT_LONG=1` makes more rounds.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use server::coord::zookeeper::ZooKeeper;
use server::coord::{Connector, Coordinator, election, paths};
use shared::cluster::{Candidate, ClusterView, Health};
use shared::equalize::Recipe;
use shared::id::JobId;
use shared::job::{Job, JobState, Phase};
use testkit::images::{oracle, rgb16_tiff, sample};
use testkit::proxy::{Flow, Proxy, Target};
use testkit::wait::PATIENCE;
use testkit::zookeeper::TICK;
use testkit::{Client, Deployment, Evenlight, Server, elapse, eventually, ok_if};

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Session timeout where the witness works: far longer than a failover may take.
const LONG_LEASE: Duration = Duration::from_secs(10);
/// Session timeout where the witness can't help and the session must expire; in the long form [`LONG_LEASE`].
const SHORT_LEASE: Duration = Duration::from_secs(4);
/// Allowance for a busy machine: the guaranteed time is printed, and asserted with this in addition.
const BUSY: Duration = Duration::from_secs(4);

/// A deployment with a session that observes its znodes.
struct Array {
    deployment: Deployment,
    eye: Arc<dyn Coordinator>,
    servers: Vec<Server>,
}

impl Array {
    async fn new(lease: Duration, more: &[&str]) -> Self {
        let deployment = Deployment::new(EVENLIGHT, lease)
            .await
            .logging("pod::leadership::witness=debug,pod::observer::pulse=debug");
        let servers = Vec::from(deployment.three_with(more).await);
        let eye = ZooKeeper::new(&deployment.zookeeper, lease).unwrap().connect().await.unwrap();
        let array = Self { deployment, eye, servers };
        array.until_candidates(3).await;
        array
    }

    /// Returns the candidates in order, the leader first, from their nodes.
    async fn candidates(&self) -> Vec<(String, Candidate)> {
        self.eye.sync().await.unwrap();
        let mut names = self.eye.children(paths::LEADER).await.unwrap();
        names.sort_by_key(|name| election::sequence(name));
        let nodes: Vec<String> = names.iter().map(|name| paths::candidate(name)).collect();
        let found = self.eye.get_many(&nodes).await.unwrap();
        let records = nodes.into_iter().zip(found).filter_map(|(node, found)| Some((node, found?.0)));
        records.map(|(node, data)| (node, serde_json::from_slice(&data).unwrap())).collect()
    }

    /// Waits until there are this many candidates and the first of them leads.
    async fn until_candidates(&self, count: usize) {
        eventually(&format!("{count} candidates and a leader"), PATIENCE, async || {
            let found = self.candidates().await;
            ok_if(found.len() == count && found[0].1.epoch.is_some(), found)
        })
        .await;
    }

    /// Waits until each candidate has probed the one ahead of it.
    async fn until_probed(&self) {
        eventually("each candidate to probe the one ahead", PATIENCE, async || {
            let found = self.candidates().await;
            let unprobed = found.windows(2).find(|pair| {
                let probed = format!("candidate ahead answers process=\"{}\"", pair[0].1.process);
                !self.servers[self.at(&pair[1].1)].log().contains(&probed)
            });
            unprobed.map_or(Ok(()), |pair| Err(pair.to_vec()))
        })
        .await;
    }

    /// Returns the index of a candidate's process.
    fn at(&self, candidate: &Candidate) -> usize {
        self.servers.iter().position(|server| server.name == candidate.pod.as_str()).unwrap()
    }

    /// Returns the processes in the candidates' order, and the leader's epoch.
    async fn line(&self) -> (Vec<usize>, u64) {
        // The first candidate takes an epoch before it leads.
        eventually("a leader's epoch", PATIENCE, async || {
            let found = self.candidates().await;
            let line = found.iter().map(|(_, candidate)| self.at(candidate)).collect();
            let epoch = found.first().and_then(|(_, leader)| leader.epoch);
            epoch.map(|epoch| (line, epoch)).ok_or(found)
        })
        .await
    }

    /// Uploads to a process and waits until a master of a later epoch has created a task of it; returns the time since `blow`.
    /// Also checks the image's result.
    async fn publishes(&self, at: usize, epoch: u64, blow: Instant) -> Duration {
        let original = sample("cell.png");
        let client = &self.servers[at].client;
        let accepted = client.upload("cell.png", original.clone(), &Recipe::default()).await.unwrap();
        let took = self.first_task(&accepted.job_id, epoch, blow).await;
        assert!(client.result(&accepted.image_id).await == oracle(&original, &Recipe::default()));
        took
    }

    async fn first_task(&self, job: &JobId, epoch: u64, blow: Instant) -> Duration {
        let task = paths::task(job, Phase::Split, 0);
        let (record, took) = eventually("the first task", PATIENCE, async || {
            let found = self.eye.get_many(&[paths::job(job), task.clone()]).await.unwrap();
            match found.as_slice() {
                [Some((data, _)), Some(_)] => Ok((data.clone(), blow.elapsed())),
                _ => Err(found),
            }
        })
        .await;
        let record: Job = serde_json::from_slice(&record).unwrap();
        assert!(record.epoch > epoch, "epoch {} after {epoch}", record.epoch);
        took
    }

    /// Restarts a process with additional arguments and waits until it is a candidate.
    async fn replace(&mut self, at: usize, more: &[&str]) {
        let name = self.servers[at].name.clone();
        self.servers[at] = self.deployment.process(&name, more);
        self.until_candidates(3).await;
        let server = &self.servers[at];
        server.client.until("three pods", |view| (view.live() == 3).then_some(())).await;
        self.until_probed().await;
    }
}

fn is_long() -> bool {
    std::env::var("EVENLIGHT_LONG").is_ok()
}

fn rounds() -> usize {
    if is_long() { 20 } else { 2 }
}

/// Returns the session timeout where no witness can help.
fn lease() -> Duration {
    if is_long() { LONG_LEASE } else { SHORT_LEASE }
}

/// Prints a distribution and returns its median.
fn report(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{what}: {} rounds, least {:.0?}, median {:.0?}, p90 {:.0?}, most {:.0?}",
        times.len(),
        at(0),
        at(50),
        at(90),
        at(100)
    );
    at(50)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_is_succeeded_within_a_second_where_the_witness_works() {
    let mut array = Array::new(LONG_LEASE, &[]).await;
    let mut times = Vec::new();
    for _ in 0..rounds() {
        let (line, epoch) = array.line().await;
        let blow = Instant::now();
        array.servers[line[0]].kill();
        times.push(array.publishes(line[1], epoch, blow).await);
        array.replace(line[0], &[]).await;
    }
    let most = *times.iter().max().unwrap();
    report("kill -9 of the master, session timeout 10 s", times);
    assert!(most < Duration::from_secs(1) + BUSY, "{most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_dies_at_once_is_succeeded_within_a_second() {
    let mut array = Array::new(LONG_LEASE, &[]).await;
    let mut times = Vec::new();
    for _ in 0..rounds() {
        let (line, epoch) = array.line().await;
        let blow = Instant::now();
        array.servers[line[0]].kill();
        array.servers[line[1]].kill();
        times.push(array.publishes(line[2], epoch, blow).await);
        for at in &line[..2] {
            let name = array.servers[*at].name.clone();
            array.servers[*at] = array.deployment.process(&name, &[]);
        }
        array.until_candidates(3).await;
        array.until_probed().await;
    }
    let most = *times.iter().max().unwrap();
    report("kill -9 of the master and the next in line, session timeout 10 s", times);
    assert!(most < Duration::from_secs(1) + BUSY, "{most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_restarts_within_its_timeout_behind_the_same_port_is_succeeded_at_once() {
    let mut array = Array::new(LONG_LEASE, &[]).await;
    let (line, epoch) = array.line().await;
    let (name, address) = (array.servers[line[0]].name.clone(), array.servers[line[0]].address.clone());
    let blow = Instant::now();
    array.servers[line[0]].kill();
    array.servers[line[0]] = array.deployment.process(&name, &["--listen", &address]);
    let took = array.publishes(line[1], epoch, blow).await;
    println!("kill -9 of the master and its restart behind the same port: {took:.0?}");
    assert!(took < LONG_LEASE / 2, "{took:?}");
    array.until_candidates(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_master_is_succeeded_when_its_session_ends_and_not_before() {
    let lease = lease();
    let array = Array::new(lease, &[]).await;
    let (line, epoch) = array.line().await;
    let blow = Instant::now();
    array.servers[line[0]].signal("STOP");
    let took = array.publishes(line[1], epoch, blow).await;
    println!("SIGSTOP of the master, session timeout {lease:?}, tick {TICK:?}: {took:.1?}");
    assert!(took > lease / 2, "a witness took slow for gone: {took:?}");
    assert!(took < lease + TICK * 2 + BUSY, "{took:?}");
    // It resumes after twice its timeout, when another pod leads.
    elapse((lease * 2).saturating_sub(blow.elapsed())).await;
    array.servers[line[0]].signal("CONT");
    array.until_candidates(3).await;
    let (after, later) = array.line().await;
    assert_eq!((after[0], after[2]), (line[1], line[0]), "who led meanwhile leads on, and the sleeper stands last");
    assert!(later > epoch);
    array.publishes(line[0], epoch, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_master_is_not_called_well_by_other_processes_while_its_lease_lasts() {
    let array = Array::new(LONG_LEASE, &[]).await;
    let (line, epoch) = array.line().await;
    let (frozen, other) = (&array.servers[line[0]], &array.servers[line[1]].client);
    let is_frozen = |view: &ClusterView| {
        view.leader.as_ref().is_some_and(|leader| leader.pod.as_str() == frozen.name && leader.epoch == Some(epoch))
    };
    let well = |view: &ClusterView| (is_frozen(view) && view.health == Health::Ok).then_some(());
    other.until("all to be well", well).await;
    // A process counts as silent only after it has answered.
    let answer = format!("the master's process answers process=\"{}\"", array.candidates().await[0].1.process);
    let log = || array.servers[line[1]].log();
    eventually("the master's answer", PATIENCE, async || ok_if(log().contains(&answer), log())).await;
    let blow = Instant::now();
    frozen.signal("STOP");
    let silent = |view: &ClusterView| (is_frozen(view) && view.health == Health::NoMaster).then_some(());
    other.until("the page to say that the master is silent", silent).await;
    println!("SIGSTOP of the master, shown by another process after {:.1?}", blow.elapsed());
    assert!(blow.elapsed() < Duration::from_secs(1) + BUSY, "{:?}", blow.elapsed());
    frozen.signal("CONT");
    other.until("all to be well again", well).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_that_nobody_can_reach_is_succeeded_when_its_session_ends() {
    // Nothing listens on port 1: it refuses from the start, which proves nothing.
    let lease = lease();
    let mut array = Array::new(lease, &["--advertise", "127.0.0.1:1"]).await;
    let (line, epoch) = array.line().await;
    let blow = Instant::now();
    array.servers[line[0]].kill();
    let took = array.publishes(line[1], epoch, blow).await;
    println!("kill -9 of a master that can't be reached, session timeout {lease:?}, tick {TICK:?}: {took:.1?}");
    assert!(took > lease / 4, "somebody witnessed what can't be: {took:?}");
    assert!(took < lease + TICK * 2 + BUSY, "{took:?}");
}

/// Each of its reconnect attempts renews its session, which would live for more than two timeouts.
#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_zookeeper_hears_but_that_hears_nothing_is_succeeded_within_its_timeout() {
    let mut array = Array::new(LONG_LEASE, &[]).await;
    let (addresses, chroot) = array.deployment.zookeeper.split_once('/').unwrap();
    let proxy = Proxy::start(addresses.split(',').map(|address| Target::Tcp(address.parse().unwrap())).collect()).await;
    let zookeeper = format!("{}/{chroot}", proxy.address());
    // All others leave and come back, so that the one behind the proxy leads.
    array.servers[0] = array.deployment.process_via(&zookeeper, "pod-a", &[]);
    array.until_candidates(3).await;
    array.replace(1, &[]).await;
    array.replace(2, &[]).await;
    let (line, epoch) = array.line().await;
    assert_eq!(line[0], 0, "the one behind the proxy leads");
    let blow = Instant::now();
    proxy.to_client(Flow::Held);
    // What it writes until it knows still counts: no other pod leads.
    eventually("a successor", PATIENCE, async || {
        let found = array.candidates().await;
        ok_if(found.first().is_some_and(|(_, leader)| leader.epoch.is_some_and(|n| n > epoch)), found)
    })
    .await;
    let took = blow.elapsed();
    array.publishes(line[1], epoch, blow).await;
    println!("the master hears nothing from ZooKeeper, session timeout {LONG_LEASE:?}: {took:.1?}");
    assert!(took > LONG_LEASE / 2, "evicted though it was cut off for a moment only: {took:?}");
    assert!(took < LONG_LEASE + TICK * 2 + BUSY, "{took:?}");
    proxy.mend();
    array.until_candidates(3).await;
    array.publishes(0, epoch, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_hands_over_at_once() {
    let mut array = Array::new(LONG_LEASE, &[]).await;
    let mut times = Vec::new();
    for _ in 0..rounds() {
        let (line, epoch) = array.line().await;
        let blow = Instant::now();
        array.servers[line[0]].signal("TERM");
        times.push(array.publishes(line[1], epoch, blow).await);
        assert!(array.servers[line[0]].wait(), "it ended with an error");
        array.replace(line[0], &[]).await;
    }
    let most = *times.iter().max().unwrap();
    report("SIGTERM of the master, session timeout 10 s", times);
    assert!(most < Duration::from_secs(1) + BUSY, "{most:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_witness_that_evicts_a_live_master_loses_nothing() {
    let array = Array::new(LONG_LEASE, &["--parts-per-task", "1"]).await;
    let original = rgb16_tiff(2_000, 1_500);
    let client = array.servers[0].client.clone();
    let accepted = client.upload("rgb16.tif", original.clone(), &Recipe::default()).await.unwrap();
    let job = accepted.job_id.clone();
    client.until("the job to begin", |view| view.job(&job).map(|_| ())).await;
    let (mut evicted, mut epochs) = (0, vec![array.line().await.1]);
    while evicted < 3 && client.image(&accepted.image_id).await.unwrap().state == JobState::Running {
        let leader = array.candidates().await[0].0.clone();
        array.eye.delete(&leader, None).await.unwrap();
        evicted += 1;
        array.until_candidates(3).await;
        epochs.push(array.line().await.1);
    }
    assert!(evicted > 0, "the job was too quick");
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
    assert!(client.result(&accepted.image_id).await == oracle(&original, &Recipe::default()));
    assert_eq!(client.image(&accepted.image_id).await.unwrap().jobs.len(), 1);
}

/// No living process has probed them; their sessions would last ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn all_pods_killed_at_once_have_a_master_within_three_seconds_of_the_first_one_back() {
    let mut array = Array::new(LONG_LEASE, &[]).await;
    let mut times = Vec::new();
    for _ in 0..rounds() {
        let (line, epoch) = array.line().await;
        array.servers.iter_mut().for_each(Server::kill);
        // The last in line comes back first: all candidates that are gone are ahead of it.
        let name = array.servers[line[2]].name.clone();
        array.servers[line[2]] = array.deployment.process(&name, &[]);
        let up = Instant::now();
        times.push(array.publishes(line[2], epoch, up).await);
        for at in &line[..2] {
            let name = array.servers[*at].name.clone();
            array.servers[*at] = array.deployment.process(&name, &[]);
        }
        array.until_candidates(3).await;
    }
    let most = *times.iter().max().unwrap();
    report("kill -9 of all, until the first one back leads, session timeout 10 s", times);
    assert!(most < Duration::from_secs(3) + BUSY, "{most:?}");
}

/// The page's *Kill* is for a single pod; its process, which serves the page, continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_killed_on_the_page_is_succeeded_as_fast_as_a_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let more = ["--data", &data, "--pods", "3", "--session-timeout", "10s", "--allow-faults"];
    let alone = EVENLIGHT.serve("pod", folder.path(), &more);
    alone.client.until("three pods", |view| (view.live() == 3).then_some(())).await;
    let took = page_kill(&alone.client).await;
    println!("Kill on the page of a single process, session timeout 10 s: {took:.0?}");
    assert!(took < Duration::from_secs(1) + BUSY, "{took:?}");
    let array = Array::new(LONG_LEASE, &["--allow-faults"]).await;
    array.until_probed().await;
    let took = page_kill(&array.servers[0].client).await;
    println!("Kill on the page of one of several processes, session timeout 10 s: {took:.0?}");
    assert!(took < Duration::from_secs(1) + BUSY, "{took:?}");
}

/// Kills the master through a page, and waits until another pod leads.
async fn page_kill(client: &Client) -> Duration {
    let (master, epoch) = client.master(None).await;
    let blow = Instant::now();
    assert_eq!(client.post(&shared::route::kill(&master)).await / 100, 2);
    let (_, later) = client.master(Some(&master)).await;
    assert!(later > epoch);
    blow.elapsed()
}
