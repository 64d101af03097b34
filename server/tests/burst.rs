//! A burst of uploads: any number may wait, and only `--max-active-jobs` of them have znodes.
//!
//! `EVENLIGHT_LONG=1` sends 100,000; `EVENLIGHT_BURST=n` as many as one likes.
#![allow(clippy::unwrap_used)]

#[path = "support/client.rs"]
mod client;
#[path = "support/images.rs"]
mod images;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/processes.rs"]
mod processes;
#[path = "support/zookeeper.rs"]
mod zookeeper;

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::StreamExt;
use images::rgba_png;
use postgres::Postgres;
use processes::Server;
use shared::equalize::Recipe;
use shared::gallery::Page;
use shared::route;
use zookeeper::Ensemble;

/// Jobs with znodes at a time.
const ACTIVE: u64 = 8;
/// Znodes of a small image's job: its own, its phase, its task with lock or result.
const OF_A_JOB: u64 = 4;
/// The longest that a page may take on a busy machine.
const PROMPT: Duration = Duration::from_secs(5);

fn uploads() -> u64 {
    let asked = std::env::var("EVENLIGHT_BURST").ok().map(|number| number.parse().unwrap());
    asked.unwrap_or(if std::env::var_os("EVENLIGHT_LONG").is_some() { 100_000 } else { 1_200 })
}

/// What was seen while they went through.
#[derive(Default)]
struct Seen {
    znodes: Cell<u64>,
    slowest_page: Cell<Duration>,
    /// Peak memory of each process in MiB when a tenth, half and all were done.
    memory: Cell<[Option<[u64; 2]>; 3]>,
}

fn keep<T: Copy + Ord>(cell: &Cell<T>, seen: T) {
    cell.set(cell.get().max(seen));
}

/// Looks at pages, znodes and memory until all are done.
async fn observe(servers: &[Server; 2], ensemble: &Ensemble, uploads: u64, sent: &Cell<u64>, seen: &Seen) {
    let begun = Instant::now();
    let mut done = 0;
    while done < uploads {
        keep(&seen.znodes, ensemble.znodes());
        for path in ["/", "/api/images?limit=50", "/api/images?limit=50&state=queued&sort=oldest"] {
            let look = servers[1].client.look(path).await;
            assert_eq!(look.status, 200, "{path}");
            keep(&seen.slowest_page, look.took);
        }
        let sent = sent.get();
        let view = servers[0].client.cluster().await.unwrap();
        // Counted every second: what was sent since is unknown to it, so this errs on the low side.
        done = sent.saturating_sub(view.backlog.queued + view.backlog.running).max(done);
        let (mut memory, at) = (seen.memory.get(), [uploads / 10, uploads / 2, uploads]);
        for (memory, at) in memory.iter_mut().zip(at) {
            if done >= at {
                memory.get_or_insert_with(|| servers.each_ref().map(|server| server.peak_memory() >> 20));
            }
        }
        seen.memory.set(memory);
        assert!(begun.elapsed() < Duration::from_secs(60 + uploads / 5), "{done} of {uploads} done");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_uploads_may_wait_and_few_of_them_have_znodes() {
    let (ensemble, postgres, folder) = (Ensemble::launch(1), Postgres::own(), tempfile::tempdir().unwrap());
    let (zookeeper, catalog) = (ensemble.connect_string_with_new_chroot(), postgres.database().await);
    let store = folder.path().join("store").display().to_string();
    let active = ACTIVE.to_string();
    let servers = ["pod-a", "pod-b"].map(|name| {
        let data = folder.path().join(name).display().to_string();
        let shared = ["--zookeeper", &zookeeper, "--catalog", &catalog, "--store", &store];
        let own = ["--data", &data, "--max-active-jobs", &active, "--threads", "2"];
        Server::start(name, folder.path(), &[shared, own].concat())
    });
    servers[0].client.until("two pods", |view| (view.live() == 2).then_some(())).await;
    servers[0].client.master(None).await;
    let (uploads, image, idle) = (uploads(), rgba_png(24, 16), ensemble.znodes());
    let (sent, begun) = (Cell::new(0), Instant::now());
    let send = async |number: u64| {
        let client = &servers[(number % 2) as usize].client;
        client.upload(&format!("{number}.png"), image.clone(), &Recipe::default()).await.unwrap();
        sent.set(sent.get() + 1);
    };
    let sending = async {
        futures::stream::iter(0..uploads).map(send).buffer_unordered(16).collect::<Vec<_>>().await;
        begun.elapsed()
    };
    let seen = Seen::default();
    let (sending, ()) = tokio::join!(sending, observe(&servers, &ensemble, uploads, &sent, &seen));
    let took = begun.elapsed();

    let peak = seen.znodes.get().saturating_sub(idle);
    let rate = |took: Duration| uploads as f64 / took.as_secs_f64();
    println!(
        "{uploads} uploads sent in {sending:.0?} ({:.0} a second), done in {took:.0?} ({:.0} a second)",
        rate(sending),
        rate(took)
    );
    println!("znodes: {idle} idle, at most {peak} more; slowest page {:.0?}", seen.slowest_page.get());
    println!("peak memory in MiB at 10 %, 50 % and 100 %: {:?}", seen.memory.get().map(Option::unwrap_or_default));
    assert!(peak <= ACTIVE * OF_A_JOB, "{peak} znodes for {ACTIVE} jobs");
    assert!(seen.slowest_page.get() < PROMPT, "{:?}", seen.slowest_page.get());
    let [early, _, late] = seen.memory.get().map(Option::unwrap_or_default);
    assert!(
        early.iter().zip(late).all(|(early, late)| late < early + 48),
        "memory grew from {early:?} to {late:?} MiB"
    );

    // Each of them is done, once.
    let (mut done, mut cursor) = (0, String::new());
    loop {
        let look = servers[0].client.look(&format!("{}?limit=200&state=done{cursor}", route::API_IMAGES)).await;
        let page: Page = serde_json::from_str(&look.body).unwrap();
        done += page.items.len() as u64;
        let Some(next) = page.next else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(done, uploads);
}
