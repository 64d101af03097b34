//! Minutes without ZooKeeper.

use std::time::{Duration, Instant};

use shared::cluster::Health;
use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::job::JobState;
use shared::route;
use testkit::images::{gray8_tiff, oracle, sample};
use testkit::{Ensemble, Server, elapse};

use crate::{LEASE, Services, outage};

/// Time limit of a response: the machine may be busy, but no response waits for the coordinator.
const PROMPT: Duration = Duration::from_secs(4);
/// The sentence on every page.
const SENTENCE: &str = "The coordinator can't be reached";

async fn upload(server: &Server, name: &str) -> Accepted {
    let begun = Instant::now();
    let accepted = server.client.upload(name, sample("cell.png"), &Recipe::default()).await.unwrap();
    assert!(begun.elapsed() < PROMPT, "the upload {name} took {:?}", begun.elapsed());
    accepted
}

/// Checks that every page and every read is answered, and names the outage.
async fn assert_answers(server: &Server, known: &Accepted) {
    let image = &known.image_id;
    for page in ["/".to_owned(), "/cluster".to_owned(), "/status".to_owned(), route::image_page(image)] {
        let look = server.client.look(&page).await;
        assert!(look.status == 200 && look.took < PROMPT, "{page}: {} after {:?}", look.status, look.took);
        assert!(
            look.body.contains(SENTENCE) && look.body.contains("Uploads are accepted and wait"),
            "{page}: {}",
            look.body
        );
    }
    let job = format!("/api/jobs/{}", known.job_id);
    let api = [route::API_IMAGES.to_owned(), route::image(image), job, route::result(image)];
    for path in api.iter().map(String::as_str).chain([route::API_CLUSTER, "/healthz", "/readyz"]) {
        let look = server.client.look(path).await;
        assert!(look.status == 200 && look.took < PROMPT, "{path}: {} after {:?}", look.status, look.took);
    }
    let view = server.client.cluster().await.unwrap();
    assert_eq!(view.health, Health::Disconnected);
    assert!(view.cut_off.is_some_and(|since| since > view.at - 120_000), "{:?}", view.cut_off);
}

async fn until_noticed(server: &Server) {
    server.client.until("the loss to be noticed", |view| (view.health == Health::Disconnected).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_uploads_are_taken_pages_say_so_and_work_resumes_by_itself() {
    let ensemble = Ensemble::launch(3);
    let services = Services::new(ensemble.connect_string_with_new_chroot()).await;
    let servers = services.two().await;
    let first = upload(&servers[0], "first.png").await;
    servers[0].client.result(&first.image_id).await;
    // Work in progress when the quorum is lost.
    let large = gray8_tiff(6_000, 5_000);
    let begun = servers[1].client.upload("large.tif", large.clone(), &Recipe::default()).await.unwrap();
    let lost = [usize::from(ensemble.leads(1)), 2];
    lost.iter().for_each(|server| ensemble.kill(*server));
    let since = Instant::now();
    let mut taken = Vec::new();
    for server in &servers {
        until_noticed(server).await;
    }
    let before = servers.each_ref().map(|server| (server.threads(), server.peak_memory(), server.log_lines()));
    // Another process starts without a coordinator: it does everything except work.
    let late = services.process("pod-late");
    until_noticed(&late).await;
    let all = [&servers[0], &servers[1], &late];
    while since.elapsed() < outage() {
        for server in all {
            taken.push(upload(server, &format!("{}.png", taken.len())).await);
            assert_answers(server, &first).await;
        }
        elapse(Duration::from_millis(200)).await;
    }
    for (server, (threads, memory, lines)) in servers.iter().zip(before) {
        let grown = (server.threads().saturating_sub(threads), server.peak_memory().saturating_sub(memory) >> 20);
        let logged = server.log_lines() - lines - taken.len() / 3;
        println!(
            "{} uploads in {:.1?}; threads +{}, peak memory +{} MiB, {logged} lines of log besides",
            taken.len(),
            since.elapsed(),
            grown.0,
            grown.1
        );
        // Threads that read files come and go.
        assert!(grown.0 < 20 && grown.1 < 64, "{grown:?}");
        assert!(logged as u64 <= 20 + 4 * since.elapsed().as_secs(), "{logged} lines of log in {:?}", since.elapsed());
    }
    lost.iter().for_each(|server| ensemble.restart(*server));
    let back = Instant::now();
    for accepted in &taken {
        let image = servers[0].client.ended(&accepted.image_id).await;
        assert_eq!(image.state, JobState::Done, "{}: {:?}", image.name, image.reason);
    }
    assert!(servers[1].client.result(&begun.image_id).await == oracle(&large, &Recipe::default()));
    println!("all {} done {:.1?} after the quorum was back (lease {LEASE:?})", taken.len() + 1, back.elapsed());
    late.client.until("three pods", |view| (view.live() == 3 && view.health == Health::Ok).then_some(())).await;
    assert!(late.client.cluster().await.unwrap().cut_off.is_none());
    assert!(!late.client.look("/").await.body.contains(SENTENCE));
}
