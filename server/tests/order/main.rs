//! The order of events in real failovers: all pods list events in one order, and no effect precedes its cause.
//!
//! Each process's events are recorded from its start to its end. The lists are merged by `(clock, pod)` and checked against
//! rules that hold for any timing: see [`judge`].
#![allow(clippy::unwrap_used)]

mod judge;
mod listener;

use std::time::Duration;

use judge::judge;
use listener::Listener;
use shared::cluster::Fault;
use shared::equalize::Recipe;
use shared::event::What;
use shared::id::PodName;
use shared::route;
use testkit::images::{oracle, rgb16_tiff};
use testkit::{Client, Deployment, Evenlight, Server};

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Session timeout of several processes: long enough that no session expires because the machine is busy.
const LEASE: Duration = Duration::from_secs(4);

/// Uploads an image whose tasks are claimed before and after the failover.
async fn upload(client: &Client) -> (shared::gallery::Accepted, Vec<u8>) {
    let original = rgb16_tiff(1_500, 1_500);
    let accepted = client.upload("rgb16.tif", original.clone(), &Recipe::default()).await.unwrap();
    let job = accepted.job_id.clone();
    client.until("the job to begin", |view| view.job(&job).map(|_| ())).await;
    (accepted, original)
}

/// Waits for the job's result, and until all listeners have seen its end.
async fn finished(
    client: &Client,
    (accepted, original): (shared::gallery::Accepted, Vec<u8>),
    listeners: &[&Listener],
) {
    assert!(client.result(&accepted.image_id).await == oracle(&original, &Recipe::default()));
    for listener in listeners {
        let ended = |what: &What| matches!(what, What::JobEnded { job, .. } if *job == accepted.job_id);
        listener.until("the job's end", ended).await;
    }
}

/// Waits until all listeners have seen that `old` no longer led and that a pod leads with `epoch`.
async fn all_heard(listeners: &[&Listener], old: &PodName, epoch: u64) {
    for listener in listeners {
        let lost = |what: &What| matches!(what, What::LeaderLost { pod } if pod == old);
        listener.until("the end of the old master", lost).await;
        listener.until("the election", |what| matches!(what, What::Elected { epoch: e, .. } if *e == epoch)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_embedded_pods_list_every_failover_in_its_causal_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let common = ["--data", &data, "--pods", "5", "--session-timeout", "500ms"];
    let more = ["--whole-below", "0", "--parts-per-task", "1", "--allow-faults"];
    let server = EVENLIGHT.serve("pod", folder.path(), &[&common[..], &more].concat());
    let client = &server.client;
    let listener = Listener::new("process", server.address.clone());
    client.until("five pods", |view| (view.live() == 5).then_some(())).await;
    for fault in Fault::ALL.into_iter().chain(Fault::ALL) {
        let (master, _) = client.master(None).await;
        let job = upload(client).await;
        assert_eq!(client.post(&route::pod_act(&master, fault.verb())).await / 100, 2);
        let (_, epoch) = client.master(Some(&master)).await;
        finished(client, job, &[&listener]).await;
        all_heard(&[&listener], &master, epoch).await;
        listener.until("its pod's end", |what| matches!(what, What::PodLeft { pod } if *pod == master)).await;
        assert_eq!(client.post(&route::start(&master)).await / 100, 2);
        client.until("five pods again", |view| (view.live() == 5).then_some(())).await;
    }
    let complaints = judge(&[listener.heard()]);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_list_every_failover_alike_and_in_its_causal_order() {
    let deployment = Deployment::new(EVENLIGHT, LEASE).await;
    let more = ["--allow-faults", "--parts-per-task", "1"];
    let mut servers = deployment.three_with(&more).await;
    let listen = |server: &Server| Listener::new(&server.name, server.address.clone());
    let mut listeners: Vec<Listener> = servers.iter().map(listen).collect();
    let mut ended = Vec::new();
    for fault in ["kill -9", "SIGSTOP", "disconnect"] {
        let (master, _) = servers[0].client.master(None).await;
        let at = servers.iter().position(|server| server.name == master.as_str()).unwrap();
        let (next, third) = ((at + 1) % 3, (at + 2) % 3);
        let client = servers[next].client.clone();
        let job = upload(&client).await;
        match fault {
            "kill -9" => servers[at].kill(),
            "SIGSTOP" => servers[at].signal("STOP"),
            _ => assert_eq!(client.post(&route::pod_act(&master, "disconnect")).await, 204),
        }
        let (_, epoch) = client.master(Some(&master)).await;
        let alive = [&listeners[next], &listeners[third]];
        finished(&client, job, &alive).await;
        all_heard(&alive, &master, epoch).await;
        for listener in alive {
            listener.until("its pod's end", |what| matches!(what, What::PodLeft { pod } if *pod == master)).await;
        }
        match fault {
            "kill -9" => {
                servers[at] = deployment.process(master.as_str(), &more);
                ended.push(std::mem::replace(&mut listeners[at], listen(&servers[at])));
            }
            "SIGSTOP" => servers[at].signal("CONT"),
            _ => assert_eq!(client.post(&route::start(&master)).await, 204),
        }
        for server in &servers {
            server.client.until("three pods again", |view| (view.live() == 3).then_some(())).await;
        }
        // The one that was away sees the outcome as well.
        let job = upload(&servers[at].client).await;
        finished(&servers[at].client, job, &listeners.iter().collect::<Vec<_>>()).await;
    }
    let lists: Vec<_> = ended.iter().chain(&listeners).map(Listener::heard).collect();
    let complaints = judge(&lists);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
