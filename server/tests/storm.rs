//! Storms: whole pods on the embedded coordinator, while faults from a seed come down on their sessions. Nothing that
//! was accepted may be lost, and every byte must be right.
//!
//! `EVENLIGHT_STORMS=n cargo test -p server --test storm` runs more seeds; `EVENLIGHT_STORM=seed` one alone.
#![allow(clippy::unwrap_used)]

#[path = "support/images.rs"]
mod images;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use images::{oracle, rgb16_tiff, rgba_png, sample};
use server::catalog::{self, Catalog};
use server::codec::Limits;
use server::coord::embedded::{Embedded, EmbeddedConfig};
use server::coord::{Coordinator, SessionId, paths};
use server::pipeline::accept::{Accept, Offer};
use server::pipeline::gauge::Gauge;
use server::pipeline::pixels::Pixels;
use server::pipeline::stage::Workshop;
use server::pod::array::Array;
use server::pod::{Pod, PodConfig};
use server::store::Store;
use shared::clock::Clock;
use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::id::PodName;
use shared::job::JobState;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const LEASE: Duration = Duration::from_millis(400);
const PODS: usize = 4;
/// Kills of one storm: a task that is hit by three is quarantined, rightly. Sessions expire as often as they like.
const DEATHS: u64 = 2;

/// A repeatable stream of numbers: SplitMix64 (G. Steele, D. Lea and C. Flood, OOPSLA 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len() as u64) as usize) }
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

struct Sea {
    _folder: tempfile::TempDir,
    embedded: Arc<Embedded>,
    catalog: Arc<dyn Catalog>,
    store: Store,
    accept: Accept,
    array: Array,
    names: Vec<PodName>,
    stop: CancellationToken,
    /// A session that no fault hits.
    calm: Arc<dyn Coordinator>,
}

impl Sea {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let embedded = Embedded::new(EmbeddedConfig { session_timeout: LEASE });
        let connector = embedded.connector();
        let calm = connector.connect().await.unwrap();
        let store = Store::open(folder.path().join("store").to_str().unwrap()).unwrap();
        let catalog = catalog::open(folder.path().join("catalog.sqlite").to_str().unwrap()).await.unwrap();
        let pixels = Pixels::new(2, 256 << 20);
        let shop = Workshop { store: store.clone(), pixels: pixels.clone(), limits: Limits::default() };
        let stop = CancellationToken::new();
        let array = Array::new(stop.clone());
        let slots = Arc::new(Semaphore::new(2));
        let names: Vec<PodName> = (1..=PODS).map(|index| format!("pod-{index}").parse().unwrap()).collect();
        for name in &names {
            let config = PodConfig {
                whole_below: 0,
                parts_per_task: Some(1),
                max_active_jobs: 4,
                drain: Duration::from_secs(1),
                ..PodConfig::named(name.clone())
            };
            let (connector, catalog, shop, slots) = (connector.clone(), catalog.clone(), shop.clone(), slots.clone());
            array.add(name.clone(), move || {
                Arc::new(Pod {
                    config: config.clone(),
                    connector: connector.clone(),
                    catalog: catalog.clone(),
                    shop: shop.clone(),
                    slots: slots.clone(),
                    clock: Arc::new(Clock::new()),
                })
            });
        }
        let accept = Accept {
            store: store.clone(),
            catalog: catalog.clone(),
            pixels,
            limits: Limits::default(),
            max_upload_bytes: u64::MAX,
            doorbell: Arc::new(|| {}),
            gauge: Gauge::unmeasured(),
        };
        Self { _folder: folder, embedded, catalog, store, accept, array, names, stop, calm }
    }

    async fn upload(&self, name: &str, bytes: &[u8]) -> Accepted {
        let offer = Offer { name: name.to_owned(), recipe: Recipe::default(), idempotency_key: None };
        let mut upload = self.accept.begin(offer).await.unwrap();
        upload.append(0, Bytes::copy_from_slice(bytes)).await.unwrap();
        upload.finish().await.unwrap()
    }

    /// Sessions that faults may hit.
    fn targets(&self) -> Vec<SessionId> {
        let calm = self.calm.session();
        self.embedded.sessions().into_iter().filter(|session| *session != calm).collect()
    }

    async fn storm(&self, dice: &mut Dice, length: Duration) {
        let (begun, mut deaths) = (Instant::now(), 0);
        let mut waves = Vec::new();
        while begun.elapsed() < length {
            tokio::time::sleep(dice.millis(5, 60)).await;
            let Some(session) = dice.pick(&self.targets()).copied() else { continue };
            let embedded = self.embedded.clone();
            match dice.below(12) {
                0 if deaths < DEATHS => {
                    deaths += 1;
                    let name = dice.pick(&self.names).unwrap();
                    if self.array.kill(name).is_ok() {
                        tokio::time::sleep(dice.millis(0, 600)).await;
                        self.array.start(name).unwrap();
                    }
                }
                1 => embedded.expire(session),
                0..=3 => embedded.lose_reply(session),
                4..=6 => {
                    embedded.delay(session);
                    let later = dice.millis(0, 150);
                    waves.push(tokio::spawn(async move {
                        tokio::time::sleep(later).await;
                        embedded.run_late(session);
                    }));
                }
                7 | 8 => {
                    embedded.lag(session);
                    let later = dice.millis(0, 150);
                    waves.push(tokio::spawn(async move {
                        tokio::time::sleep(later).await;
                        embedded.catch_up(session);
                    }));
                }
                _ => {
                    embedded.disconnect(session);
                    // Shorter than the lease, so that this is no death.
                    let later = dice.millis(0, 200);
                    waves.push(tokio::spawn(async move {
                        tokio::time::sleep(later).await;
                        embedded.reconnect(session);
                    }));
                }
            }
        }
        for wave in waves {
            wave.await.unwrap();
        }
    }
}

async fn weather(seed: u64) {
    let mut dice = Dice(seed);
    let sea = Sea::new().await;
    let originals = [
        ("rgb16.tif", rgb16_tiff(600, 900)),
        ("rgba.png", rgba_png(800, 900)),
        ("rocket.jpg", sample("rocket.jpg")),
        ("moon.png", sample("moon.png")),
        ("again.tif", rgb16_tiff(500, 1_000)),
    ];
    let mut accepted = Vec::new();
    for (name, bytes) in &originals {
        accepted.push(sea.upload(name, bytes).await);
    }
    sea.storm(&mut dice, Duration::from_secs(4)).await;
    for (accepted, (name, bytes)) in accepted.iter().zip(&originals) {
        let begun = Instant::now();
        let job = loop {
            let job = sea.catalog.job(&accepted.job_id).await.unwrap().unwrap();
            if job.state.has_ended() {
                break job;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "storm {seed}: {name} never ended: {job:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        assert_eq!(job.state, JobState::Done, "storm {seed}: {name} failed: {:?}", job.reason);
        let files = sea.catalog.files(&accepted.image_id, None).await.unwrap().unwrap();
        let result = sea.store.get(&files.result.unwrap().key).await.unwrap();
        assert!(result == oracle(bytes, &Recipe::default()), "storm {seed}: {name} has other bytes");
    }
    let begun = Instant::now();
    loop {
        let left = sea.calm.children(paths::JOBS).await.unwrap();
        if left.is_empty() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "storm {seed}: znodes are left: {left:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sea.stop.cancel();
    sea.array.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_in_a_storm() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    if let Some(seed) = number("EVENLIGHT_STORM") {
        return weather(seed).await;
    }
    for seed in 1..=number("EVENLIGHT_STORMS").unwrap_or(5) {
        println!("storm {seed}");
        weather(seed).await;
    }
}
