//! A catalog to test, and helper functions.

use std::sync::Arc;

use server::catalog::{Begun, Catalog, Epoch, NewUpload, Received, ResultFile, Write, open};
use shared::equalize::{Color, Recipe};
use shared::id::{ImageId, JobId, RunId, UploadId};
use shared::job::{Format, ImageInfo};
use shared::pixels::{Depth, Layout};
use sqlx::{Connection, PgConnection, SqliteConnection};
use testkit::Postgres;
use uuid::Uuid;

/// A catalog in its own database, removed after the test.
pub struct TestCatalog {
    pub catalog: Arc<dyn Catalog>,
    url: String,
    _folder: tempfile::TempDir,
    server: Option<&'static Postgres>,
}

impl TestCatalog {
    pub async fn sqlite() -> TestCatalog {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("catalog.db").display());
        TestCatalog { catalog: open(&url).await.unwrap(), url, _folder: folder, server: None }
    }

    pub async fn postgres() -> TestCatalog {
        let server = tokio::task::spawn_blocking(Postgres::shared).await.unwrap();
        let url = server.database().await;
        let folder = tempfile::tempdir().unwrap();
        TestCatalog { catalog: open(&url).await.unwrap(), url, _folder: folder, server: Some(server) }
    }

    /// Opens the same catalog as another process.
    pub async fn another_process(&self) -> Arc<dyn Catalog> {
        open(&self.url).await.unwrap()
    }

    /// Returns the address of a database in which no catalog was opened yet.
    pub async fn untouched(&self) -> String {
        match &self.server {
            Some(server) => server.database().await,
            None => format!("sqlite://{}/{}.db", self._folder.path().display(), Uuid::new_v4()),
        }
    }

    /// Changes the database without the catalog.
    pub async fn execute(&self, sql: String) {
        let sql = sqlx::AssertSqlSafe(sql);
        if self.is_postgres() {
            let mut database = PgConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut database).await.unwrap();
        } else {
            let mut database = SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(sql).execute(&mut database).await.unwrap();
        }
    }

    pub fn is_postgres(&self) -> bool {
        self.server.is_some()
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

pub fn id<T: TryFrom<String>>() -> T
where
    T::Error: std::fmt::Debug,
{
    Uuid::new_v4().simple().to_string().try_into().unwrap()
}

pub fn upload(name: &str, key: Option<&str>) -> NewUpload {
    NewUpload {
        upload: id(),
        image: id(),
        job: id(),
        idempotency_key: key.map(str::to_owned),
        name: name.to_owned(),
        recipe: Recipe::default(),
    }
}

pub fn info(width: u32, height: u32) -> ImageInfo {
    ImageInfo {
        format: Format::Png,
        width,
        height,
        layout: Layout::Rgb,
        depth: Depth::Eight,
        orientation: 1,
        unit_rows: 1,
        regions: false,
        whole_decode: false,
        more: shared::job::ImageExtras::default(),
    }
}

pub fn received(image: &ImageId, upload: &UploadId, info: ImageInfo) -> Received {
    Received { key: server::store::keys::original(image, upload), bytes: 1_234, sha256: "ab".repeat(32), info }
}

/// The answer to an accepted upload.
pub struct Accepted {
    pub image: ImageId,
    pub job: JobId,
}

pub async fn accept(catalog: &dyn Catalog, name: &str) -> Accepted {
    accept_as(catalog, &upload(name, None), info(640, 480)).await
}

pub async fn accept_as(catalog: &dyn Catalog, new: &NewUpload, info: ImageInfo) -> Accepted {
    let Begun::Receiving { image, job } = catalog.begin_upload(new).await.unwrap() else { panic!("accepted before") };
    let received = received(&image, &new.upload, info);
    assert_eq!(catalog.finish_upload(&new.upload, &received).await.unwrap(), Write::Applied);
    Accepted { image, job }
}

pub async fn epoch(catalog: &dyn Catalog) -> Epoch {
    catalog.take_epoch(&Uuid::new_v4().to_string()).await.unwrap()
}

pub async fn activate(catalog: &dyn Catalog, epoch: &Epoch, job: &JobId) -> RunId {
    let run = id();
    assert_eq!(catalog.activate(epoch, job, &run).await.unwrap(), Write::Applied);
    run
}

pub fn result(job: &JobId) -> ResultFile {
    ResultFile { job: job.clone(), key: format!("{job}/stitch/0.1-x"), bytes: 99, sha256: "cd".repeat(32) }
}

/// Runs a queued job to its end; returns its run.
pub async fn publish(catalog: &dyn Catalog, epoch: &Epoch, job: &JobId) -> RunId {
    let run = activate(catalog, epoch, job).await;
    assert_eq!(catalog.publish(epoch, &run, &result(job), None).await.unwrap(), Write::Applied);
    run
}

pub async fn fail(catalog: &dyn Catalog, epoch: &Epoch, job: &JobId, reason: &str) {
    let run = activate(catalog, epoch, job).await;
    assert_eq!(catalog.fail(epoch, job, &run, reason, None).await.unwrap(), Write::Applied);
}

/// Returns a recipe other than the default.
pub fn channels() -> Recipe {
    Recipe::global(Color::Channels)
}
