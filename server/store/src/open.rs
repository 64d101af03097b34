//! Opening a [`Store`] from its address on the command line.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::causes::SharedError;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, RetryConfig};

use super::error::{Invalid, unavailable};
use super::{Error, Kind, Patience, Result, Store, folder};

impl Store {
    /// Opens a folder (a path or `file://…`; created if missing) or `s3://bucket/prefix`, with endpoint, region and credentials
    /// from the usual `AWS_*` variables. Sends no request to S3 yet: see [`Store::ping`].
    pub fn open(url: &str) -> Result<Store> {
        // The relevant variables are Unicode; others can be skipped.
        let variables =
            std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
        Self::open_with(url, variables)
    }

    /// Like [`Store::open`], with the given variables.
    pub fn open_with(url: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Store> {
        match url.split_once("://") {
            Some(("s3", rest)) => open_s3(rest, variables),
            Some(("file", _)) => open_folder(&file_path(url)?),
            Some((scheme, _)) => Err(Invalid::Scheme(scheme.to_owned()).into()),
            None if url.is_empty() => Err(Invalid::NoAddress.into()),
            None => open_folder(FilePath::new(url)),
        }
    }
}

fn file_path(url: &str) -> Result<PathBuf> {
    let wrong = || Invalid::Folder(url.to_owned());
    Ok(reqwest::Url::parse(url).map_err(|_| wrong())?.to_file_path().map_err(|()| wrong())?)
}

fn open_folder(folder: &FilePath) -> Result<Store> {
    let cannot = |cause: SharedError| unavailable("opening the folder", &folder.display().to_string(), cause);
    std::fs::create_dir_all(folder).map_err(|error| cannot(error.into()))?;
    let root = folder.canonicalize().map_err(|error| cannot(error.into()))?;
    let is_disk = folder::is_on_disk(&root).map_err(|error| cannot(error.into()))?;
    let objects = LocalFileSystem::new_with_prefix(&root).map_err(|error| cannot(error.into()))?;
    Ok(Store {
        health: Arc::default(),
        unsynced: Arc::new(objects.clone().with_fsync(!is_disk)),
        objects: Arc::new(objects.with_fsync(true)),
        prefix: String::new(),
        kind: Kind::Local { root, is_disk },
        patience: Patience::of_folder(),
        written: Arc::default(),
    })
}

fn open_s3(rest: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Store> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(Invalid::NoBucket.into());
    }
    base::crypto::install();
    let mut builder = AmazonS3Builder::new();
    let mut plain = false;
    for (name, value) in variables.into_iter().filter(|(name, _)| name.starts_with("AWS_")) {
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            plain |= name.starts_with("AWS_ENDPOINT") && value.starts_with("http://");
            builder = builder.with_config(key, value);
        }
    }
    // The timeout covers a whole request with its body, as no request moves more than one part; the read timeout ends a stalled
    // answer earlier. The client itself retries requests that hang, are refused or throttled, including parts of uploads.
    let client = ClientOptions::new()
        .with_timeout(Duration::from_secs(60))
        .with_read_timeout(Duration::from_secs(20))
        .with_allow_http(plain);
    let retry = RetryConfig { max_retries: 5, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() };
    let objects = builder
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry)
        .build()
        .map_err(|error| Error::Open { address: format!("s3://{bucket}"), cause: error.into() })?;
    let prefix = prefix.trim_matches('/').to_owned();
    Ok(Store { prefix, ..Store::over(Arc::new(objects), Patience::of_s3()) })
}
