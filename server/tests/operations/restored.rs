//! A backup of the catalog is restored while the store is newer: nothing that the catalog doesn't know is lost.

use std::path::{Path, PathBuf};

use shared::equalize::Recipe;
use shared::gallery::Accepted;
use shared::job::JobState;
use sqlx::{Connection, SqliteConnection};
use store::keys;
use testkit::images::{oracle, sample};
use testkit::wait::PATIENCE;
use testkit::{Postgres, Server, eventually, ok_if};

use crate::EVENLIGHT;

/// A catalog that is backed up and restored, with a store that isn't.
struct Place {
    folder: tempfile::TempDir,
    catalog: Backed,
}

enum Backed {
    Postgres { server: &'static Postgres, url: String },
    Sqlite(PathBuf),
}

impl Place {
    async fn postgres() -> Self {
        let server = Postgres::shared();
        let url = server.database().await;
        Self { folder: tempfile::tempdir().unwrap(), catalog: Backed::Postgres { server, url } }
    }

    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("catalog.sqlite");
        Self { folder, catalog: Backed::Sqlite(file) }
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn url(&self) -> String {
        match &self.catalog {
            Backed::Postgres { url, .. } => url.clone(),
            Backed::Sqlite(file) => file.display().to_string(),
        }
    }

    fn places(&self) -> [String; 6] {
        let data = self.folder.path().join("data").display().to_string();
        let flags = ["--data", &data, "--catalog", &self.url(), "--store", &self.store().display().to_string()];
        flags.map(str::to_owned)
    }

    /// Starts the array, configured to sweep the store continuously.
    fn start(&self) -> Server {
        let places = self.places();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        let often = ["--pods", "2", "--sweep-every", "200ms", "--abandon-after", "1s"];
        EVENLIGHT.serve("pod", self.folder.path(), &[&places[..], &often[..]].concat())
    }

    async fn dump(&self) -> Vec<u8> {
        match &self.catalog {
            Backed::Postgres { server, url } => server.dump(url),
            Backed::Sqlite(file) => {
                let copy = self.folder.path().join("copy.sqlite");
                let mut database = SqliteConnection::connect(&file.display().to_string()).await.unwrap();
                let into = format!("VACUUM INTO '{}'", copy.display());
                sqlx::query(sqlx::AssertSqlSafe(into)).execute(&mut database).await.unwrap();
                database.close().await.unwrap();
                std::fs::read(copy).unwrap()
            }
        }
    }

    fn restore(&self, dump: &[u8]) {
        match &self.catalog {
            Backed::Postgres { server, url } => server.restore(url, dump),
            Backed::Sqlite(file) => {
                for log in ["-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{}{log}", file.display()));
                }
                std::fs::write(file, dump).unwrap();
            }
        }
    }

    /// Runs `evenlight orphans`; returns its output, and whether it succeeded.
    fn orphans(&self, what: &str) -> (String, bool) {
        let mut command = EVENLIGHT.command();
        let ran = command.args(["orphans", what]).args(self.places()).output().unwrap();
        let text = [&ran.stdout[..], &ran.stderr[..]].map(String::from_utf8_lossy).concat();
        (text, ran.status.success())
    }

    /// Returns the catalog's generation that the store has seen.
    fn generation(&self) -> u64 {
        // It may be replaced at the moment.
        std::fs::read_to_string(self.store().join(keys::GENERATION))
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// Returns whether the store holds the image's original.
    fn holds(&self, image: &Accepted) -> bool {
        let folder = self.store().join(image.image_id.as_str()).join("original");
        Path::new(&folder).read_dir().is_ok_and(|mut files| files.next().is_some())
    }
}

fn stop(mut server: Server) {
    server.signal("TERM");
    assert!(server.wait());
}

async fn upload(server: &Server, name: &str) -> Accepted {
    let accepted = server.client.upload(name, sample(name), &Recipe::default()).await.unwrap();
    let ended = server.client.ended(&accepted.image_id).await;
    assert_eq!(ended.state, JobState::Done, "{:?}", ended.reason);
    accepted
}

/// Creates one image that the backup contains and three that it doesn't, and starts the array on the backup.
async fn restored(place: &Place) -> (Server, Accepted, Vec<Accepted>) {
    let server = place.start();
    let known = upload(&server, "cell.png").await;
    let dump = place.dump().await;
    let (at_dump, mut lost) = (place.generation(), Vec::new());
    for name in ["moon.png", "brick.png", "page.png"] {
        lost.push(upload(&server, name).await);
    }
    // The first sweep afterwards raises the generation, by which the backup is recognized.
    let raised = async || ok_if(place.generation() > at_dump, at_dump);
    eventually("a sweep after the last upload", PATIENCE, raised).await;
    stop(server);
    place.restore(&dump);
    let server = place.start();
    let alert = server.client.until("the alert", |view| view.alert.clone()).await;
    assert!(alert.contains("A backup of the catalog was restored") && alert.contains("evenlight orphans"), "{alert}");
    let page = server.client.look("/").await.body;
    assert!(page.contains("An operator has to decide"), "{page}");
    // New work completes, however many sweeps pass.
    upload(&server, "cell.png").await;
    assert!(lost.iter().all(|image| place.holds(image)), "an original was deleted");
    for image in &lost {
        assert!(server.client.image(&image.image_id).await.is_none(), "the backup doesn't know it");
    }
    (server, known, lost)
}

async fn images_come_back(place: Place) {
    let (server, known, lost) = restored(&place).await;
    let (list, _) = place.orphans("list");
    let originals = list.lines().filter(|line| line.starts_with("original")).count();
    assert!(originals == 3 && list.contains("3 of them originals"), "{list}");
    let (text, content) = place.orphans("adopt");
    assert!(content && text.contains("3 images brought back"), "{text}");
    for (image, name) in lost.iter().zip(["moon.png", "brick.png", "page.png"]) {
        let result = server.client.result(&image.image_id).await;
        assert!(result == oracle(&sample(name), &Recipe::default()), "{name} differs");
    }
    assert!(server.client.image(&known.image_id).await.is_some());
    server.client.until("the alert to go", |view| view.alert.is_none().then_some(())).await;
    let (text, content) = place.orphans("adopt");
    assert!(content && text.contains("0 images brought back"), "{text}");
    stop(server);
}

async fn orphans_are_deleted_when_somebody_says_so(place: Place) {
    let (server, known, lost) = restored(&place).await;
    stop(server);
    let (text, content) = place.orphans("discard");
    assert!(content && !text.starts_with('0'), "{text}");
    assert!(lost.iter().all(|image| !place.holds(image)) && place.holds(&known));
    let server = place.start();
    server.client.master(None).await;
    upload(&server, "cell.png").await;
    assert_eq!(server.client.cluster().await.unwrap().alert, None);
    stop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_a_restored_postgres_backup_lacks_survive_and_are_adopted() {
    images_come_back(Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_a_restored_sqlite_file_lacks_survive_and_are_adopted() {
    images_come_back(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_a_restored_postgres_backup_lacks_are_discarded() {
    orphans_are_deleted_when_somebody_says_so(Place::postgres().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_a_restored_sqlite_file_lacks_are_discarded() {
    orphans_are_deleted_when_somebody_says_so(Place::sqlite()).await;
}
