//! The array in one process: embedded coordinator, a local folder, SQLite, and the real web server.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use server::cli::process::Process;
use server::cli::serve::ServeArgs;
use shared::cluster::{ClusterView, Fault, Health, TaskState};
use shared::equalize::{Color, Method, Recipe};
use shared::id::PodName;
use shared::job::{JobState, Phase};
use shared::route;
use testkit::folder::files;
use testkit::images::{SAMPLES, float_tiff, gray8_tiff, oracle, pages_tiff, rgb16_tiff, rgba_png, rgba_webp, sample};
use testkit::wait::PATIENCE;
use testkit::{Client, eventually, ok_if};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

/// Starts a process on a free port, with short session timeouts and every image in several tasks.
pub async fn start(data: &Path, more: &[&str]) -> (Process, Client) {
    let data = data.display().to_string();
    let common = ["evenlight", "--listen", "127.0.0.1:0", "--data", &data, "--session-timeout", "500ms"];
    let in_tasks: &[&str] = if more.contains(&"--whole-below") { &[] } else { &["--whole-below", "0"] };
    let args = common.iter().chain(in_tasks).chain(&["--allow-faults"]).chain(more);
    let process = Process::start(Cli::parse_from(args).serve).await.unwrap();
    let client = Client::new(process.address);
    (process, client)
}

pub fn luma() -> Recipe {
    Recipe::default()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_pods_write_the_very_files_of_evenlight_equalize() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let mut originals: Vec<(String, Vec<u8>)> = SAMPLES.iter().map(|name| ((*name).to_owned(), sample(name))).collect();
    originals.push(("rgb16.tif".to_owned(), rgb16_tiff(700, 900)));
    originals.push(("rgba.png".to_owned(), rgba_png(500, 400)));
    let mut uploads = Vec::new();
    for (name, bytes) in originals {
        for color in Color::ALL {
            let recipe = Recipe::global(color);
            let accepted = client.upload(&name, bytes.clone(), &recipe).await.unwrap();
            uploads.push((accepted.image_id, name.clone(), bytes.clone(), recipe));
        }
    }
    for (image, name, bytes, recipe) in uploads {
        assert!(client.result(&image).await == oracle(&bytes, &recipe), "{name} with {recipe:?} differs");
    }
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_floats_no_data_webps_overviews_and_cogs_give_the_very_files_of_evenlight_equalize() {
    let originals = [
        ("multipage.tif", sample("multipage.tif")),
        ("pages.tif", pages_tiff()),
        ("float.tif", float_tiff(700, 1_100)),
        ("rgba.webp", rgba_webp(900, 1_300)),
        ("lossy.webp", sample("made/pillow_lossy.webp")),
        ("inks.jpg", sample("jpeg/ycck.jpg")),
        ("inks.tif", sample("tiff/t_cmyk.tif")),
        ("overviews.tif", sample("made/tifffile_subifds.tif")),
        ("cog.tif", sample("tiff/cog_parts.tif")),
    ];
    let stretch = r#"{"method":"stretch","color":"luma","strength":0.5}"#;
    let recipes = [luma(), serde_json::from_str::<Recipe>(stretch).unwrap()];
    let ranged: Recipe = serde_json::from_str(r#"{"method":"global","range":[-50,40.5]}"#).unwrap();
    for more in [&["--pods", "3", "--parts-per-task", "1"][..], &["--whole-below", "1000000000"]] {
        let data = tempfile::tempdir().unwrap();
        let (process, client) = start(data.path(), more).await;
        for (name, bytes) in &originals {
            for recipe in &recipes {
                let accepted = client.upload(name, bytes.clone(), recipe).await.unwrap();
                let result = client.result(&accepted.image_id).await;
                assert!(result == oracle(bytes, recipe), "{name} with {recipe:?} and {more:?} differs");
            }
        }
        let float = float_tiff(700, 1_100);
        let accepted = client.upload("float.tif", float.clone(), &ranged).await.unwrap();
        let result = client.result(&accepted.image_id).await;
        assert!(result == oracle(&float, &ranged) && result != oracle(&float, &luma()), "the range is given, {more:?}");
        process.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_recipe_cannot_do_with_an_image_is_refused_with_a_sentence_and_the_next_upload_works() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let clahe = Recipe { method: Method::clahe(), ..luma() };
    let ranged: Recipe = serde_json::from_str(r#"{"method":"global","range":[0,1]}"#).unwrap();
    let mask = Recipe { mask: Some("0123456789abcdef0123456789abcdef".parse().unwrap()), ..luma() };
    for (original, recipe, words) in [
        (float_tiff(30, 30), clahe, "floating-point samples: expected the method global or stretch, got clahe"),
        (
            rgb16_tiff(30, 30),
            ranged,
            "A range is for floating-point samples, for whole numbers of 32 bits, and for CLAHE of 16 bits; this image has whole numbers of 16",
        ),
        (pages_tiff(), mask, "This TIFF has 3 pages, and a mask is for a single image"),
    ] {
        let problem = client.upload("odd.tif", original, &recipe).await.unwrap_err();
        let detail = problem.detail.unwrap();
        assert!(problem.status == 422 && detail.contains(words), "{} {detail}", problem.status);
    }
    // The method suits the first page but not the last, which only shows when that page is processed.
    let clahe = Recipe { method: Method::clahe(), ..luma() };
    let accepted = client.upload("pages.tif", pages_tiff(), &clahe).await.unwrap();
    let failed = client.ended(&accepted.image_id).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.reason.unwrap().starts_with("Page 3 of this TIFF: This image has floating-point samples"));
    let next = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    assert_eq!(client.ended(&next.image_id).await.state, JobState::Done);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_is_a_flag_with_a_sentence() {
    let data = tempfile::tempdir().unwrap();
    let limits =
        ["--max-pixels", "150000", "--max-side", "700", "--max-whole-decode", "1MiB", "--max-upload", "700KiB"];
    let (process, client) = start(data.path(), &limits).await;
    for (name, original, status, words) in [
        ("pixels.tif", gray8_tiff(500, 301), 422, "500 × 301 pixels, 150,500 in all; the limit is 150,000."),
        ("side.tif", gray8_tiff(20, 701), 422, "20 × 701 pixels; the limit of a side is 700."),
        ("decode.webp", rgba_webp(300, 300), 422, "A WebP must be decoded and encoded at once, which takes 2 MiB"),
        ("bytes.tif", rgb16_tiff(400, 300), 413, "the limit is 716800 bytes"),
    ] {
        let problem = client.upload(name, original, &luma()).await.unwrap_err();
        assert!(problem.status == status && problem.to_string().contains(words), "{name}: {problem}");
    }
    let next = client.upload("small.tif", gray8_tiff(380, 380), &luma()).await.unwrap();
    assert_eq!(client.ended(&next.image_id).await.state, JobState::Done);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_depend_neither_on_pods_nor_on_tasks() {
    let originals = [
        ("rgb16.tif", rgb16_tiff(1_500, 1_200)),
        ("rgba.png", rgba_png(1_800, 1_500)),
        ("moon.png", sample("moon.png")),
    ];
    let expected: Vec<Vec<u8>> = originals.iter().map(|(_, bytes)| oracle(bytes, &luma())).collect();
    for pods in ["1", "3", "8"] {
        for parts in ["1", "7", "1000000"] {
            let data = tempfile::tempdir().unwrap();
            let (process, client) = start(data.path(), &["--pods", pods, "--parts-per-task", parts]).await;
            let mut accepted = Vec::new();
            for (name, bytes) in &originals {
                accepted.push(client.upload(name, bytes.clone(), &luma()).await.unwrap());
            }
            for ((accepted, expected), (name, _)) in accepted.iter().zip(&expected).zip(&originals) {
                let result = client.result(&accepted.image_id).await;
                assert!(result == *expected, "{name} with {pods} pods and {parts} parts a task differs");
            }
            process.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_image_in_one_task_is_the_same_file() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--whole-below", "1000000"]).await;
    for name in SAMPLES {
        let accepted = client.upload(name, sample(name), &luma()).await.unwrap();
        assert!(client.result(&accepted.image_id).await == oracle(&sample(name), &luma()), "{name} differs");
    }
    process.stop().await;
}

/// Uploads a large image and waits until some but not all of its tasks are done.
async fn halfway(client: &Client, original: &[u8]) -> shared::gallery::Accepted {
    halfway_with(client, original, &luma()).await
}

/// The same with another recipe.
pub async fn halfway_with(client: &Client, original: &[u8], recipe: &Recipe) -> shared::gallery::Accepted {
    let accepted = client.upload("large.tif", original.to_vec(), recipe).await.unwrap();
    let job = accepted.job_id.clone();
    client
        .until("the job to be halfway", |view| {
            let phases = &view.job(&job)?.phases;
            phases.iter().any(|phase| phase.phase == Phase::Histograms && phase.done > 0).then_some(())
        })
        .await;
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_its_master_and_the_next_epoch_is_higher() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
    let original = rgb16_tiff(2_000, 2_000);
    let expected = oracle(&original, &luma());
    let (master, epoch) = client.master(None).await;
    let accepted = halfway(&client, &original).await;
    assert_eq!(client.post(&route::kill(&master)).await / 100, 2);
    assert!(client.result(&accepted.image_id).await == expected);
    let (successor, higher) = client.master(Some(&master)).await;
    assert!(higher > epoch, "{successor} has epoch {higher}, {master} had {epoch}");
    assert_eq!(client.post(&route::start(&master)).await / 100, 2);
    client.until("all pods", |view| (view.live() == 5).then_some(())).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_every_pod_in_turn() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
    let original = rgb16_tiff(2_200, 2_000);
    let accepted = halfway(&client, &original).await;
    for pod in process.pods.clone() {
        assert_eq!(client.post(&route::kill(&pod)).await / 100, 2);
        client.until("the pod to be gone", |view| (view.live() == 4).then_some(())).await;
        assert_eq!(client.post(&route::start(&pod)).await / 100, 2);
        client.until("the pod to be back", |view| (view.live() == 5).then_some(())).await;
    }
    assert!(client.result(&accepted.image_id).await == oracle(&original, &luma()));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_workers_task_is_done_by_another_once_its_lease_runs_out() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
    let (master, _) = client.master(None).await;
    let held_by_another = |view: &ClusterView| -> Option<PodName> {
        let tasks = view.jobs.iter().flat_map(|job| &job.phases).flat_map(|phase| &phase.tasks);
        let held = tasks.filter(|task| task.state == TaskState::Running).filter_map(|task| task.pod.clone());
        held.into_iter().find(|pod| *pod != master)
    };
    // An image may be done before a view shows its tasks.
    let begun = Instant::now();
    let (accepted, holder) = loop {
        assert!(begun.elapsed() < PATIENCE, "no worker that isn't master was seen to hold a task");
        let accepted = client.upload("large.tif", rgb16_tiff(4_000, 4_000), &luma()).await.unwrap();
        tokio::select! {
            holder = client.until("a worker that isn't master to hold a task", held_by_another) => break (accepted, holder),
            _ = client.ended(&accepted.image_id) => {}
        }
    };
    assert_eq!(client.post(&route::kill(&holder)).await / 100, 2);
    assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
    assert_eq!(client.master(None).await.0, master, "the master didn't change");
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_without_a_master_wait_and_run_later() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--pods", "2"]).await;
    client.master(None).await;
    for pod in &process.pods {
        assert_eq!(client.post(&route::kill(pod)).await / 100, 2);
    }
    client.until("the page to say that nobody leads", |view| (view.health == Health::NoMaster).then_some(())).await;
    let accepted = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    client.until("the backlog to show it", |view| (view.backlog.queued == 1).then_some(())).await;
    assert_eq!(client.image(&accepted.image_id).await.unwrap().state, JobState::Queued);
    assert_eq!(client.post(&route::start(&process.pods[0])).await / 100, 2);
    assert!(client.result(&accepted.image_id).await == oracle(&sample("cell.png"), &luma()));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_master_is_not_called_well_and_a_killed_one_is_evicted() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--session-timeout", "5s"]).await;
    let (master, _) = client.master(None).await;
    let node = client.cluster().await.unwrap().leader.unwrap().node;
    let of_it = |view: &ClusterView| view.leader.as_ref().is_some_and(|leader| leader.node == node);
    assert_eq!(client.post(&route::pod_act(&master, Fault::Frozen.verb())).await / 100, 2);
    client.until("it to be silent", |view| (of_it(view) && view.health == Health::NoMaster).then_some(())).await;
    assert_eq!(client.post(&route::start(&master)).await / 100, 2);
    client.until("it to be well again", |view| (of_it(view) && view.health == Health::Ok).then_some(())).await;
    // The next candidate evicts a killed pod long before its session ends; started again, it is a new candidate.
    assert_eq!(client.post(&route::pod_act(&master, Fault::Killed.verb())).await / 100, 2);
    client.until("another candidacy to lead", |view| (!of_it(view) && view.health == Health::Ok).then_some(())).await;
    assert_eq!(client.post(&route::start(&master)).await / 100, 2);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_pods_uploads_wait_and_the_page_says_so() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--pods", "3", "--min-pods", "3"]).await;
    let (master, _) = client.master(None).await;
    let worker = process.pods.iter().find(|pod| **pod != master).unwrap();
    assert_eq!(client.post(&route::kill(worker)).await / 100, 2);
    client.until("the page to say so", |view| (view.health == Health::TooFewPods).then_some(())).await;
    let accepted = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    client.until("the backlog to show it", |view| (view.backlog.queued == 1).then_some(())).await;
    assert_eq!(client.image(&accepted.image_id).await.unwrap().state, JobState::Queued);
    assert_eq!(client.post(&route::start(worker)).await / 100, 2);
    assert_eq!(client.ended(&accepted.image_id).await.state, JobState::Done);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_deleted_mid_job_leaves_nothing_behind() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &["--parts-per-task", "1"]).await;
    let accepted = halfway(&client, &rgb16_tiff(2_000, 2_000)).await;
    assert_eq!(client.delete(&accepted.image_id).await, 204);
    assert!(client.image(&accepted.image_id).await.is_none());
    client.until("the znodes to go", |view| view.jobs.is_empty().then_some(())).await;
    let folder = data.path().join("store").join(accepted.image_id.as_str());
    let gone = async || ok_if(!folder.exists(), files(&folder));
    eventually("its bytes to be deleted", Duration::from_secs(30), gone).await;
    let next = client.upload("cell.png", sample("cell.png"), &luma()).await.unwrap();
    assert_eq!(client.ended(&next.image_id).await.state, JobState::Done);
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finished_job_leaves_only_the_original_and_the_result() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let accepted = client.upload("rocket.jpg", sample("rocket.jpg"), &luma()).await.unwrap();
    client.ended(&accepted.image_id).await;
    let folder = data.path().join("store").join(accepted.image_id.as_str());
    let two = async || ok_if(files(&folder).len() == 2, files(&folder));
    eventually("two files to be left", Duration::from_secs(30), two).await;
    assert!(client.result(&accepted.image_id).await == oracle(&sample("rocket.jpg"), &luma()));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_on_the_same_data_ends_what_the_last_one_began() {
    let data = tempfile::tempdir().unwrap();
    let original = rgb16_tiff(2_000, 2_000);
    let (process, client) = start(data.path(), &["--parts-per-task", "1", "--drain", "0s"]).await;
    let accepted = halfway(&client, &original).await;
    process.stop().await;
    let (process, client) = start(data.path(), &[]).await;
    assert!(client.result(&accepted.image_id).await == oracle(&original, &luma()));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_recipe_gives_a_second_result_and_keeps_the_first() {
    let data = tempfile::tempdir().unwrap();
    let (process, client) = start(data.path(), &[]).await;
    let original = sample("coffee.png");
    let first = client.upload("coffee.png", original.clone(), &luma()).await.unwrap();
    assert!(client.result(&first.image_id).await == oracle(&original, &luma()));
    let gray = Recipe::global(Color::Gray);
    let second = client.add_job(&first.image_id, &gray).await;
    assert_ne!(second.job_id, first.job_id);
    assert!(client.result(&first.image_id).await == oracle(&original, &gray), "the latest result is the second's");
    let image = client.image(&first.image_id).await.unwrap();
    assert_eq!((image.jobs.len(), image.job_id), (2, second.job_id));
    let kept = client.file(&format!("{}?job={}", route::result(&first.image_id), first.job_id)).await;
    assert!(kept == oracle(&original, &luma()), "the first result is still there");
    process.stop().await;
}
