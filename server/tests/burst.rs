//! A burst of uploads: any number may wait, and only `--max-active-jobs` of them have znodes.
//!
//! `EVENLIGHT_LONG=1` sends 100,000; `EVENLIGHT_BURST=n` any other number.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::StreamExt;
use shared::equalize::Recipe;
use shared::gallery::Page;
use shared::route;
use testkit::images::{gray8_tiff, rgba_png};
use testkit::{Ensemble, Evenlight, Postgres, Server, elapse};

const EVENLIGHT: Evenlight = Evenlight(env!("CARGO_BIN_EXE_evenlight"));

/// Maximum number of jobs with znodes.
const ACTIVE: u64 = 8;
/// Znodes of a small image's job: the job, its phase, its task with lock or result.
const OF_A_JOB: u64 = 4;
/// While a pod starts a new session, the nodes of both exist: member and candidacy.
const OF_PODS: u64 = 4;
/// Time limit of a page on a busy machine.
const PROMPT: Duration = Duration::from_secs(5);
/// Interval at which the processes are observed during the burst.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);

fn uploads() -> u64 {
    let asked = std::env::var("EVENLIGHT_BURST").ok().map(|number| number.parse().unwrap());
    asked.unwrap_or(if std::env::var_os("EVENLIGHT_LONG").is_some() { 100_000 } else { 1_200 })
}

/// Observations during the burst.
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

/// Requests pages and measures znodes and memory until all are done.
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
        // Approximate, because the backlog is counted once a second: it lacks jobs sent since, and includes jobs finished since.
        done = sent.saturating_sub(view.backlog.queued + view.backlog.running).max(done);
        let (mut memory, at) = (seen.memory.get(), [uploads / 10, uploads / 2, uploads]);
        for (memory, at) in memory.iter_mut().zip(at) {
            if done >= at {
                memory.get_or_insert_with(|| servers.each_ref().map(|server| server.peak_memory() >> 20));
            }
        }
        seen.memory.set(memory);
        assert!(begun.elapsed() < Duration::from_secs(60 + uploads / 5), "{done} of {uploads} done");
        elapse(SAMPLE_INTERVAL).await;
    }
}

/// Returns the body of a form whose image arrives slowly: most of it, a pause, then the rest.
fn slowly(image: &[u8]) -> reqwest::Body {
    let head = b"--XX\r\nContent-Disposition: form-data; name=\"image\"; filename=\"slow.tif\"\r\n\r\n".to_vec();
    let (most, rest) = image.split_at(image.len() - 1_000);
    let (most, rest) = ([&head, most].concat(), [rest, b"\r\n--XX--\r\n"].concat());
    let pieces: Vec<Vec<u8>> = most.chunks(64 << 10).map(<[u8]>::to_vec).collect();
    let first = futures::stream::iter(pieces).map(Ok::<_, std::io::Error>);
    let last = futures::stream::once(async {
        elapse(Duration::from_secs(3)).await;
        Ok(rest)
    });
    reqwest::Body::wrap_stream(first.chain(last))
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_slow_uploads_at_a_time_are_taken_in_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    // Nothing is processed, only accepted.
    let args = ["--data", &data, "--pods", "1", "--min-pods", "9"];
    let server = EVENLIGHT.serve("pod", folder.path(), &args);
    let image = gray8_tiff(1_000, 950);
    server.client.upload("first.tif", image.clone(), &Recipe::default()).await.unwrap();
    let before = server.peak_memory();
    let (http, url) = (reqwest::Client::new(), format!("http://{}/api/images", server.address));
    let slow = (0..300).map(|_| {
        let upload = http.post(&url).header("content-type", "multipart/form-data; boundary=XX").body(slowly(&image));
        async { upload.send().await.unwrap().status().as_u16() }
    });
    let (begun, answers) = (Instant::now(), futures::future::join_all(slow).await);
    let grown = server.peak_memory().saturating_sub(before) >> 20;
    let taken = answers.iter().filter(|status| **status == 202).count();
    println!(
        "{taken} of 300 slow uploads of {} bytes taken in {:.1?}; peak memory +{grown} MiB",
        image.len(),
        begun.elapsed()
    );
    // What isn't accepted in time gets a time to come back.
    assert!(answers.iter().all(|status| [202, 503].contains(status)), "{answers:?}");
    assert!(taken >= 100, "{taken} taken");
    // At most 100 at a time (`--max-uploads`) hold two pieces of 1 MiB each, however many come.
    assert!(grown < 320, "{grown} MiB");
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
        EVENLIGHT.serve(name, folder.path(), &[shared, own].concat())
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
    let processor: Duration = servers.iter().map(Server::processor_time).sum();
    println!("processor time of both processes: {:.1} ms for each", processor.as_secs_f64() * 1e3 / uploads as f64);
    println!("znodes: {idle} idle, at most {peak} more; slowest page {:.0?}", seen.slowest_page.get());
    println!("peak memory in MiB at 10 %, 50 % and 100 %: {:?}", seen.memory.get().map(Option::unwrap_or_default));
    assert!(peak <= ACTIVE * OF_A_JOB + OF_PODS, "{peak} znodes for {ACTIVE} jobs");
    assert!(seen.slowest_page.get() < PROMPT, "{:?}", seen.slowest_page.get());
    let memory = seen.memory.get().map(Option::unwrap_or_default);
    let grown =
        |from: usize, to: usize| memory[from].iter().zip(memory[to]).map(|(from, to)| to.saturating_sub(*from)).max();
    // All are sent by the middle. Afterwards only the number of finished ones grows.
    assert!(grown(0, 1) < Some(48) && grown(1, 2) < Some(24), "memory grew: {memory:?} MiB");

    // Each of them is done exactly once.
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

/// Writes for a small image's job with one pod: ring, node with its task, claim, commit, ring, deletion.
const WRITES_OF_A_SMALL_JOB: u64 = 6;

/// Waits until nothing has been written for 2 s, so that pending operations have ended.
async fn quiet(ensemble: &Ensemble) -> u64 {
    let mut last = (ensemble.writes(), Instant::now());
    while last.1.elapsed() < Duration::from_secs(2) {
        elapse(Duration::from_millis(100)).await;
        let now = ensemble.writes();
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    last.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_job_costs_six_writes() {
    let (ensemble, folder) = (Ensemble::launch(1), tempfile::tempdir().unwrap());
    let (zookeeper, data) =
        (ensemble.connect_string_with_new_chroot(), folder.path().join("data").display().to_string());
    let server = EVENLIGHT.serve(
        "pod",
        folder.path(),
        &["--zookeeper", &zookeeper, "--data", &data, "--session-timeout", "30s"],
    );
    server.client.master(None).await;
    let image = rgba_png(24, 16);
    for number in 0..8 {
        let before = quiet(&ensemble).await;
        let accepted = server.client.upload(&format!("{number}.png"), image.clone(), &Recipe::default()).await.unwrap();
        server.client.result(&accepted.image_id).await;
        let writes = quiet(&ensemble).await - before;
        println!("job {number}: {writes} writes");
        // Failed writes count too: they take a zxid.
        let last = || ensemble.last_transactions(writes as usize + 3).join("\n");
        assert_eq!(writes, WRITES_OF_A_SMALL_JOB, "job {number}:\n{}", last());
    }
}
